"""A search: this machine's rows first, then the Hub's by its lists or by the local index, in pages.

A Hub that fails is a notice, and what was seen before is shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from adapter_ui.catalog.hub.client import Hub
from adapter_ui.catalog.search import notices
from adapter_ui.catalog.search.by_index import fill_sorted, page_without_hub, sorted_page
from adapter_ui.catalog.search.details import DetailReader
from adapter_ui.catalog.search.filling import LIST_ROWS, Filling, Keeper
from adapter_ui.catalog.search.lists import HubLists
from adapter_ui.catalog.search.local import local_rows
from adapter_ui.catalog.search.place import Place
from adapter_ui.catalog.search.query import check_query, fits, needs_files
from adapter_ui.catalog.search.suggestions import suggest
from adapter_ui.catalog.search.walk import Walk
from adapter_ui.catalog.storage.index import Index
from adapter_ui.catalog.storage.index_query import FROM_FILES
from adapter_ui.catalog.storage.library import Library
from adapter_ui.domain import AdapterSummary, BaseSuggestion, SearchPage, SearchQuery, Source
from adapter_ui.errors import HubError, HubUnreachable

BEGUN_WITHOUT_HUB = "The Hub could not be reached when this search began; search again to ask it."


class Search:
    """Safe to use from several threads."""

    def __init__(self, hub: Hub, index: Index, library: Library, details: DetailReader) -> None:
        self._index = index
        self._library = library
        self._lists = HubLists(hub)
        self._keeper = Keeper(details, index)

    def first(self, query: SearchQuery) -> SearchPage:
        """One page of at most `query.limit` rows: at most one request, and the look-up of variants.

        Where only files tell what fits, the page holds the rows known to fit; `fill` finds the others. Raises
        InvalidInput that names the field.
        """
        check_query(query)
        place = Place.parse(query.cursor)
        here: list[AdapterSummary] = []
        if place.local is not None:
            found = local_rows(self._library, query)
            here = found[place.local : place.local + query.limit]
            through = place.local + len(here) >= len(found)
            place = replace(place, local=None if through else place.local + len(here))
        if not asks_hub(query):
            return SearchPage(tuple(here), str(place) if place.local is not None else None)
        if place.local is not None or len(here) == query.limit:
            return SearchPage(tuple(here), str(place))
        return self._with_hub(query, place, here)

    def fill(self, query: SearchQuery, page: SearchPage) -> Iterator[SearchPage]:
        """The page as it grows, whole each time; the last one is as full as it gets now.

        Each reads on at most as far as 400 adapters of the Hub's list. Closing the iterator stops the work.
        """
        check_query(query)
        failure = self._lists.failure()
        try:
            walk = self._walk(query)
        except HubError as error:
            failure = error
        if failure is not None and asks_hub(query):
            yield from self._fill_local(page, failure)
        elif query.sort in FROM_FILES and asks_hub(query) and is_past_local(page):
            yield from fill_sorted(self._index, walk, self._keeper, query, page)
        else:
            yield from Filling(query, page, walk, self._keeper).run()

    def _fill_local(self, page: SearchPage, failure: HubError) -> Iterator[SearchPage]:
        """What this machine's rows lack; the Hub has just failed, and is left alone. A page that it gave all
        the same says so.
        """
        page = replace(page, notice=page.notice or notices.stopped_short(failure))
        here = [row for row in page.adapters if row.ref.source is not Source.HUB and not row.complete]
        for details in self._keeper.read(here):
            rows = (details.shown if row.ref == details.row.ref else row for row in page.adapters)
            page = replace(page, adapters=tuple(rows))
            yield page
        yield page

    def suggest_bases(self, text: str) -> tuple[BaseSuggestion, ...]:
        """Base models that `text` may mean. A Hub that fails leaves those in the index."""
        return suggest(self._lists, self._index, text)

    def _with_hub(self, query: SearchQuery, place: Place, here: list[AdapterSummary]) -> SearchPage:
        try:
            walk = self._walk(query)
            if query.sort in FROM_FILES:
                return sorted_page(self._index, walk, query, place, here)
            if place.after is not None:
                raise self._lists.failure() or HubUnreachable(BEGUN_WITHOUT_HUB)
            return self._from_list(query, walk, place, here)
        except HubError as error:
            return page_without_hub(self._index, query, place, here, error)

    def _from_list(
        self, query: SearchQuery, walk: Walk, place: Place, here: list[AdapterSummary]
    ) -> SearchPage:
        room = query.limit - len(here)
        if walk.is_at_end(place):
            return SearchPage(tuple(here))
        step = walk.first_step(place, LIST_ROWS if needs_files(query) else room)
        rows, end = list(here), step.end
        for number, row in enumerate(step.rows):
            fit = fits(row, query, row.complete)
            if needs_files(query) and (fit is None or len(rows) == query.limit):
                end = place.past_row(step.rows[number - 1].ref.name) if number else place
                break
            if fit is not False:
                rows.append(row)
        return SearchPage(tuple(rows), None if walk.is_at_end(end) else str(end))

    def _walk(self, query: SearchQuery) -> Walk:
        """Raises HubError when the variants of the base cannot be looked up."""
        bases = (query.base_model,) if query.base_model else ()
        if bases and query.variants and asks_hub(query):
            bases += self._lists.variants(query.base_model)
        return Walk(self._lists, self._index, query, bases)


def asks_hub(query: SearchQuery) -> bool:
    return query.source in ("", Source.HUB)


def is_past_local(page: SearchPage) -> bool:
    """Whether the page reaches behind this machine's rows."""
    return page.next is None or Place.parse(page.next).local is None
