"""One search over this machine's adapters and the Hub's: local rows first, then the Hub's, in pages.

A cursor is `local:N` (the next row on this machine) or `hub:TEXT` (the Hub's own). A Hub that fails is a
notice.
"""

from __future__ import annotations

from adapter_ui.catalog.hub.client import Hub
from adapter_ui.catalog.hub.rows import SORTS, fits, list_parameters, notice_of, read_row
from adapter_ui.catalog.profiles.methods import METHODS, PIPELINE_TAGS, REFUSED
from adapter_ui.catalog.storage.library import Library
from adapter_ui.domain import AdapterSummary, SearchPage, SearchQuery, Source, is_hub_id
from adapter_ui.errors import HubError, InvalidInput

MOST_ROWS = 100
MOST_REQUESTS = 4
LONGEST_CURSOR = 4096


def search(hub: Hub, library: Library, query: SearchQuery) -> SearchPage:
    """One page of at most `query.limit` rows. Raises InvalidInput that names the field.

    An unfiltered page costs one request. Where the Hub cannot filter by what is asked, up to four are made,
    so that a page is not empty by accident.
    """
    check_query(query)
    rows: list[AdapterSummary] = []
    kind, _, position = query.cursor.partition(":")
    if query.source != Source.HUB and kind != "hub":
        local = local_rows(library, query)
        first = int(position or 0)
        rows = local[first : first + query.limit]
        if first + query.limit < len(local):
            return SearchPage(tuple(rows), f"local:{first + query.limit}")
    if query.source not in ("", Source.HUB):
        return SearchPage(tuple(rows))
    if len(rows) == query.limit:
        return SearchPage(tuple(rows), "hub:")
    return with_hub_rows(hub, query, rows, position if kind == "hub" else "")


def with_hub_rows(hub: Hub, query: SearchQuery, rows: list[AdapterSummary], cursor: str) -> SearchPage:
    """Fill the page from the Hub. When it fails, what is there is the page, and the notice says why."""
    following: str | None = cursor
    for _ in range(MOST_REQUESTS):
        try:
            found, following = hub.list_models(
                list_parameters(query, query.limit - len(rows), following or "")
            )
        except HubError as error:
            return SearchPage(tuple(rows), None, failure_notice(error, query))
        read = [row for one in found if (row := read_row(one)) is not None]
        rows += [row for row in read if fits(row, query)]
        if following is None or len(rows) >= query.limit:
            break
    return SearchPage(tuple(rows[: query.limit]), f"hub:{following}" if following else None, notice_of(query))


def failure_notice(error: HubError, query: SearchQuery) -> str:
    if query.source == Source.HUB or query.cursor.startswith("hub:"):
        return error.message
    return f"{error.message} Only adapters on this machine are shown."


def local_rows(library: Library, query: SearchQuery) -> list[AdapterSummary]:
    """This machine's adapters that fit the query, by the same filters, here applied in full."""
    source = Source(query.source) if query.source else None
    words = query.text.lower().split()
    return [
        row
        for row in library.summaries(source)
        if all(word in f"{row.ref} {row.title or ''} {row.base_model or ''}".lower() for word in words)
        and query.base_model in ("", row.base_model)
        and query.task_type in ("", row.task_type)
        and query.method in ("", row.method)
    ]


def check_query(query: SearchQuery) -> None:
    choices = {
        "sort": (query.sort, SORTS),
        "source": (query.source, {"", *Source}),
        "task": (query.task_type, {"", *PIPELINE_TAGS}),
        "method": (query.method, {"", *METHODS, *REFUSED}),
    }
    for field, (value, accepted) in choices.items():
        if not isinstance(value, str) or value not in accepted:
            names = ", ".join(sorted(name for name in accepted if name))
            raise InvalidInput(
                f"“{str(value)[:40]}” is no {field} to search by; use one of {names}.", field=field
            )
    if query.base_model and not is_hub_id(query.base_model):
        raise InvalidInput(
            f"“{query.base_model[:120]}” is not the name of a base model; use org/name.", field="base_model"
        )
    if not 1 <= query.limit <= MOST_ROWS:
        raise InvalidInput(f"limit is {query.limit}; use 1 to {MOST_ROWS}.", field="limit")
    check_cursor(query.cursor)


def check_cursor(cursor: str) -> None:
    kind, colon, position = cursor.partition(":")
    is_local = kind == "local" and position.isascii() and position.isdigit() and len(position) < 10
    is_hub = kind == "hub" and bool(colon) and len(cursor) <= LONGEST_CURSOR and position.isprintable()
    if cursor and not is_local and not is_hub:
        raise InvalidInput(
            "This cursor is not one that a search gave; search again without it.", field="cursor"
        )
