"""The filters of a search as the page holds them: what a person chose, the SearchQuery it makes, the address.

Plain values with verbs; knows no Gradio and no service. What an address or a field holds is a stranger's: an
address is read leniently (nonsense is left out), a field strictly (nonsense is an error that names it).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from adapter_ui.catalog.methods.table import METHODS, PIPELINE_TAGS
from adapter_ui.domain import SearchQuery, Source, is_hub_id
from adapter_ui.errors import InvalidInput

PAGE_ROWS = 30
LONGEST_TEXT = 200
RANK = re.compile(r"[0-9]{1,6}")
SIZE = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,3})?) ?(kb|mb|gb)?", re.IGNORECASE)
BYTES = {"kb": 1_000, "mb": 1_000_000, "gb": 1_000_000_000}
SORTS = {
    "trending": "Trending",
    "downloads": "Most downloads",
    "likes": "Most likes",
    "updated": "Last updated",
    "created": "Newest",
    "size": "Largest",
    "rank": "Highest rank",
}
SOURCES = {
    Source.HUB.value: "The Hub",
    Source.STARTER.value: "Starter set",
    Source.RUN.value: "My runs",
    Source.MIX.value: "My mixes",
    Source.FOLDER.value: "Local folder",
}
ACCESS = {"open": "Open", "gated": "Gated"}
LICENSES = (
    "apache-2.0",
    "mit",
    "llama2",
    "llama3",
    "llama3.1",
    "llama3.2",
    "llama3.3",
    "llama4",
    "gemma",
    "openrail",
    "creativeml-openrail-m",
    "bigscience-openrail-m",
    "cc-by-4.0",
    "cc-by-sa-4.0",
    "cc-by-nc-4.0",
    "cc-by-nc-sa-4.0",
    "cc0-1.0",
    "bsd-3-clause",
    "gpl-3.0",
    "agpl-3.0",
    "other",
)
ADDRESS_NAMES = {"text": "q", "base_model": "base", "task_type": "task"}
"""Names in the page's address where they differ from SearchQuery's."""
CHOICES: dict[str, Collection[str]] = {
    "task_type": PIPELINE_TAGS,
    "method": METHODS,
    "source": SOURCES,
    "sort": SORTS,
    "access": ACCESS,
    "license": LICENSES,
}
CHIPS = {
    "base_model": ("base_model", "variants"),
    "task_type": ("task_type",),
    "method": ("method",),
    "author": ("author",),
    "source": ("source",),
    "license": ("license",),
    "access": ("access",),
    "rank": ("min_rank", "max_rank"),
    "size": ("min_size", "max_size"),
    "safetensors": ("safetensors",),
}
"""What is taken away as one, and the fields it is made of."""
FOLDED = ("author", "source", "license", "access", "rank", "size", "safetensors")
"""Those that stand under “More filters”."""


@dataclass(frozen=True)
class Filters:
    """Every choice as its field on the page holds it, in the order of the fields. Ranks and sizes are as they
    were typed: "16", "10", "1.5 GB"; a size without a unit is in MB.
    """

    text: str = ""
    base_model: str = ""
    variants: bool = False
    task_type: str = ""
    method: str = ""
    sort: str = "trending"
    author: str = ""
    source: str = ""
    license: str = ""
    access: str = ""
    min_rank: str = ""
    max_rank: str = ""
    min_size: str = ""
    max_size: str = ""
    safetensors: bool = False

    @classmethod
    def of(cls, values: Sequence[Any]) -> Filters:
        """The values of the page's fields, in their order; an emptied one may be None."""
        return cls(
            *(one.default if value is None else value for one, value in zip(fields(cls), values, strict=True))
        )

    @classmethod
    def from_address(cls, asked: Mapping[str, str]) -> Filters:
        """What the address names; a value that its field could not hold is left out."""
        given = {name: asked.get(ADDRESS_NAMES.get(name, name), "").strip() for name in FIELDS}
        return cls(**{name: usable(name, value) for name, value in given.items() if value})

    def query(self) -> SearchQuery:
        """Raises InvalidInput that names the field."""
        return SearchQuery(
            text=self.text[:LONGEST_TEXT],
            base_model=self.base_model.strip(),
            variants=self.variants and bool(self.base_model.strip()),
            author=self.author.strip(),
            task_type=self.task_type,
            method=self.method,
            min_rank=read_rank(self.min_rank, "min_rank"),
            max_rank=read_rank(self.max_rank, "max_rank"),
            min_size=read_size(self.min_size, "min_size"),
            max_size=read_size(self.max_size, "max_size"),
            license=self.license,
            access=self.access,
            safetensors=self.safetensors,
            source=self.source,
            sort=self.sort,
            limit=PAGE_ROWS,
        )

    @property
    def active(self) -> tuple[str, ...]:
        """The names in CHIPS that narrow the search."""
        return tuple(name for name, parts in CHIPS.items() if any(self.is_set(part) for part in parts))

    def is_set(self, field: str) -> bool:
        """Whether a field narrows the search; variants are those of a base."""
        return bool(getattr(self, field)) and (field != "variants" or bool(self.base_model.strip()))

    def without(self, name: str) -> Filters:
        """Without one of CHIPS; "" takes all away. Text and order stay."""
        if name and name not in CHIPS:
            raise InvalidInput("The page asked for a filter that does not exist; reload it.")
        parts = CHIPS[name] if name else [part for chip in CHIPS.values() for part in chip]
        return replace(self, **{part: FIELDS[part] for part in parts})

    def sorted_by(self, sort: str) -> Filters:
        """In another order; asking for the one that is there goes back to the usual."""
        if sort not in SORTS:
            raise InvalidInput("The page asked for an order that does not exist; reload it.")
        return replace(self, sort=FIELDS["sort"] if sort == self.sort else sort)


FIELDS: dict[str, Any] = {one.name: one.default for one in fields(Filters)}
"""Every field with its default, in order."""


def usable(name: str, value: str) -> Any:
    """A value from an address as its field holds it, or the field's default."""
    if isinstance(FIELDS[name], bool):
        return value == "1"
    if name in CHOICES:
        return value if value in CHOICES[name] else FIELDS[name]
    if name.endswith("_rank"):
        return value if RANK.fullmatch(value) else ""
    if name.endswith("_size"):
        return value if SIZE.fullmatch(value) else ""
    if name in ("base_model", "author"):
        return value if is_hub_id(value) and not (name == "author" and "/" in value) else ""
    return value[:LONGEST_TEXT]


def read_rank(typed: str, field: str) -> int | None:
    typed = typed.strip()
    if typed and not RANK.fullmatch(typed):
        raise InvalidInput(f"“{typed[:40]}” is no rank; use a whole number such as 16.", field=field)
    return int(typed) if typed else None


def read_size(typed: str, field: str) -> int | None:
    """Bytes; a number without a unit is in MB."""
    typed = typed.strip()
    found = SIZE.fullmatch(typed)
    if typed and not found:
        raise InvalidInput(
            f"“{typed[:40]}” is no size; use a number of MB such as 10, or 1.5 GB.", field=field
        )
    return round(float(found[1]) * BYTES[(found[2] or "mb").lower()]) if found else None
