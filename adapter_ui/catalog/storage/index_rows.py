"""How an adapter is written in the index and read again (pure).

What is unknown is -1 or "" in a column to sort by, so that one comparison continues a page; elsewhere NULL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from adapter_ui.domain import AdapterRef, AdapterSummary, Source

COUNTS = ("rank", "size_bytes", "base_size_bytes", "downloads", "likes", "trending")
DATES = ("updated", "created")
COLUMNS = (
    "id",
    "author",
    "base_model",
    "task_type",
    "method",
    *COUNTS,
    *DATES,
    "gated",
    "revision",
    "license",
    "safetensors",
    "parameters",
    "dtype",
    "known",
    "fresh_until",
    "seen",
)
"""`revision` is the commit, a word SQL keeps for itself. `known` says that the files were read at it, and
`fresh_until` (seconds since 1970) until when that is all that can be known.
"""

READ_FROM_FILES = (
    "base_model",
    "task_type",
    "method",
    "rank",
    "size_bytes",
    "base_size_bytes",
    "safetensors",
    "parameters",
    "dtype",
)


@dataclass(frozen=True)
class Details:
    """A row after its files were asked for.

    `known` says that they told what they can. What is here is complete for `fresh_seconds`; 0 says that the
    size of its base is still missing.
    """

    row: AdapterSummary
    known: bool
    fresh_seconds: int = 0

    @property
    def shown(self) -> AdapterSummary:
        """The row as a page shows it."""
        return replace(self.row, complete=self.fresh_seconds > 0)


def values_of(row: AdapterSummary, known: bool, fresh_until: float, seen: float) -> dict[str, Any]:
    """The columns of one adapter of the Hub."""
    name = row.ref.name
    values: dict[str, Any] = {
        "id": name,
        "author": name.split("/")[0] if "/" in name else "",
        "base_model": row.base_model,
        "task_type": row.task_type,
        "method": row.method,
        "gated": int(row.gated),
        "revision": row.commit,
        "license": row.license,
        "safetensors": None if row.safetensors is None else int(row.safetensors),
        "parameters": row.parameters,
        "dtype": row.dtype,
        "known": int(known),
        "fresh_until": fresh_until,
        "seen": seen,
    }
    values |= {name: -1 if getattr(row, name) is None else getattr(row, name) for name in COUNTS}
    values |= {name: getattr(row, name) or "" for name in DATES}
    return {name: storable(value) for name, value in values.items()}


def storable(value: Any) -> Any:
    """Text that SQLite takes: a lone surrogate, which JSON may hold, has no bytes."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


def row_of(values: Mapping[str, Any], now: float) -> AdapterSummary:
    """The adapter that these columns tell of."""
    known = {name: values[name] if values[name] != -1 else None for name in COUNTS}
    known |= {name: values[name] or None for name in DATES}
    known |= {
        name: values[name] for name in ("base_model", "task_type", "method", "license", "parameters", "dtype")
    }
    return AdapterSummary(
        ref=AdapterRef(Source.HUB, values["id"]),
        gated=bool(values["gated"]),
        commit=values["revision"],
        safetensors=None if values["safetensors"] is None else bool(values["safetensors"]),
        complete=bool(values["known"]) and values["fresh_until"] > now,
        **known,
    )


def met_again(listed: AdapterSummary, before: AdapterSummary) -> AdapterSummary:
    """A row of the Hub's list, with what the files told before at the same commit."""
    return replace(
        listed, complete=before.complete, **{name: getattr(before, name) for name in READ_FROM_FILES}
    )
