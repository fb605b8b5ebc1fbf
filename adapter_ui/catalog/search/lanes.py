"""One search as lists of the Hub that are read one after the other, none of whose rows comes twice (pure).

A base goes before its variants. A rare method or task is asked by its tag first, which finds most in one
request; then the rest is read, for authors forget tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adapter_ui.catalog.hub.rows import ADAPTER_TAG, Listed
from adapter_ui.catalog.methods.table import PIPELINE_TAGS
from adapter_ui.domain import SearchQuery

COMMON_METHOD, COMMON_TASK = "LORA", "CAUSAL_LM"


@dataclass(frozen=True)
class Hint:
    """What rows of a list carry: tags, and the Hub's task where `task` is not empty."""

    tags: tuple[str, ...] = ()
    task: str = ""

    def holds(self, listed: Listed) -> bool:
        return listed.tags.issuperset(self.tags) and self.task in ("", listed.task)


@dataclass(frozen=True)
class Lane:
    """A list of the Hub. Rows for which one of `earlier` holds were in a list before it."""

    hint: Hint
    earlier: tuple[Hint, ...] = ()

    def is_new(self, listed: Listed) -> bool:
        return not any(hint.holds(listed) for hint in self.earlier)


def lanes_of(query: SearchQuery, bases: Sequence[str]) -> list[Lane]:
    """The lists of a search, `bases` being the base it names with its variants."""
    method = (query.method.lower(),) if query.method not in ("", COMMON_METHOD) else ()
    task = PIPELINE_TAGS[query.task_type] if query.task_type not in ("", COMMON_TASK) else ""
    lanes: list[Lane] = []
    through: list[Hint] = []
    for tags in [(ADAPTER_TAG + base,) for base in bases] or [()]:
        before = tuple(through)
        whole, narrow = Hint(tags), Hint((*tags, *method), task)
        if narrow != whole:
            lanes.append(Lane(narrow, before))
            before = (*before, narrow)
        lanes.append(Lane(whole, before))
        through.append(whole)
    return lanes
