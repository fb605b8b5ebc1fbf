"""The fake service's search: made-up rows, filtered as the real one does.

The list knows some of a row, its files the rest; a page grows while it is read.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from adapter_ui.domain import AdapterSummary, BaseSuggestion, SearchPage, SearchQuery
from tests.ui.fake_data import BASES, ROWS, VARIANTS, details

UNREACHABLE = "The Hub cannot be reached; these are the adapters on this machine."


def search(query: SearchQuery, *, unreachable: bool = False) -> SearchPage:
    """The rows that the list alone does not rule out."""
    wanted = [row for row in ordered(query.sort) if listed(row, query)]
    if unreachable:
        return SearchPage(tuple(row for row in wanted if row.ref.source != "hub"), None, UNREACHABLE)
    start = int(query.cursor or 0)
    following = str(start + query.limit) if start + query.limit < len(wanted) else None
    return SearchPage(tuple(wanted[start : start + query.limit]), following)


def fill(query: SearchQuery, page: SearchPage, pause: float = 0.0) -> Iterator[SearchPage]:
    """The page after each row that was read; further rows are read while fewer than asked fit."""
    rows, unread = list(page.adapters), [row for row in page.adapters if not row.complete]
    while unread:
        row = unread.pop(0)
        time.sleep(pause)
        known = replace(row, **details(row), complete=True)
        at = rows.index(row)
        rows[at : at + 1] = [known] if fits(known, query) else []
        if not unread and page.next and len(rows) < query.limit:
            page = search(replace(query, cursor=page.next))
            fresh = page.adapters[: query.limit - len(rows)]
            if len(fresh) < len(page.adapters):
                page = replace(page, next=str(int(page.next or len(ROWS)) - len(page.adapters) + len(fresh)))
            rows += fresh
            unread += fresh
        yield replace(page, adapters=tuple(rows))


def suggest_bases(text: str) -> tuple[BaseSuggestion, ...]:
    named = [base for base in BASES if text.lower() in base.lower()]
    return tuple(BaseSuggestion(base, sum(row.base_model == base for row in ROWS)) for base in named)


def ordered(sort: str) -> list[AdapterSummary]:
    if sort in ("size", "rank"):
        field = "size_bytes" if sort == "size" else "rank"
        return sorted(ROWS, key=lambda row: -(details(row).get(field) or 0))
    if sort in ("downloads", "likes"):
        return sorted(ROWS, key=lambda row: -(getattr(row, sort) or 0))
    return list(ROWS)


def listed(row: AdapterSummary, query: SearchQuery) -> bool:
    words = query.text.lower().split()
    bases = (query.base_model, *(VARIANTS.get(query.base_model, ()) if query.variants else ()))
    author = row.ref.name.partition("/")[0] if row.ref.source == "hub" else ""
    return (
        all(word in f"{row.ref} {row.title}".lower() for word in words)
        and (not query.base_model or row.base_model in bases)
        and query.author in ("", author)
        and query.task_type in ("", row.task_type)
        and query.source in ("", row.ref.source)
        and query.license in ("", row.license)
        and query.access in ("", "gated" if row.gated else "open")
    )


def fits(row: AdapterSummary, query: SearchQuery) -> bool:
    return (
        query.method in ("", row.method)
        and between(row.rank, query.min_rank, query.max_rank)
        and between(row.size_bytes, query.min_size, query.max_size)
        and (not query.safetensors or row.safetensors is True)
    )


def between(value: int | None, least: int | None, most: int | None) -> bool:
    if least is None and most is None:
        return True
    return value is not None and (least or 0) <= value and (most is None or value <= most)
