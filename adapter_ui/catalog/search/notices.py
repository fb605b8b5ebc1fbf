"""What a search says beside its rows, one sentence or two, when something is missing."""

from __future__ import annotations

import time

from adapter_ui.catalog.known import age
from adapter_ui.catalog.storage.index import Seen
from adapter_ui.domain import SearchQuery, Source
from adapter_ui.errors import HubError


def from_index(error: HubError, seen: Seen, query: SearchQuery) -> str:
    """The Hub failed, and these are adapters that were seen before."""
    if seen.adapters:
        return (
            f"{error.message} These are from the {seen.adapters:,} adapters seen before, "
            f"last {age(time.time() - seen.newest)}."
        )
    return (
        error.message
        if query.source == Source.HUB
        else f"{error.message} Only adapters on this machine are shown."
    )


def stopped_short(error: HubError) -> str:
    """The Hub failed while more was read."""
    return f"{error.message} What was known by then is shown."


def looked_at(examined: int) -> str:
    return f"{examined:,} adapters of the Hub were looked at; load more to look further."


def sorted_among(query: SearchQuery, read: int, more: bool) -> str:
    further = "; load more to read further" if more else ""
    return f"Sorted by {query.sort} among the {read:,} adapters whose files were read so far{further}."
