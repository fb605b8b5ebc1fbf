"""This machine's adapters in a search: the same filters and sorts, here applied in full."""

from __future__ import annotations

from adapter_ui.catalog.search.query import by_sort, fits
from adapter_ui.catalog.storage.library import Library
from adapter_ui.domain import AdapterSummary, SearchQuery, Source


def local_rows(library: Library, query: SearchQuery) -> list[AdapterSummary]:
    """Those that fit, in the library's own order where they have nothing to sort by. They have no author."""
    if query.author or query.source == Source.HUB:
        return []
    source = Source(query.source) if query.source else None
    rows = [
        row
        for row in library.summaries(source)
        if all(word in f"{row.ref} {row.title or ''} {row.base_model or ''}".lower() for word in query.words)
        and query.base_model.lower() in ("", (row.base_model or "").lower())
        and fits(row, query, known=True)
    ]
    return by_sort(rows, query.sort)
