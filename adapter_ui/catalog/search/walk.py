"""One search's way through the Hub's lists, a page at a time, each row with what the index knows of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapter_ui.catalog.hub.rows import Listed, list_parameters
from adapter_ui.catalog.search.lanes import lanes_of
from adapter_ui.catalog.search.lists import HubLists, ListPage
from adapter_ui.catalog.search.place import Place
from adapter_ui.catalog.storage.index import Index
from adapter_ui.catalog.storage.index_query import FROM_FILES, SORT_COLUMNS
from adapter_ui.domain import AdapterSummary, SearchQuery

Ask = Callable[[Mapping[str, Any]], ListPage]


@dataclass(frozen=True)
class Step:
    """A page of a list: its rows that no list before it had, in the list's order, and the place behind it."""

    rows: list[AdapterSummary]
    end: Place


class Walk:
    """The lists of one search; `bases` are the base it names with its variants."""

    def __init__(self, lists: HubLists, index: Index, query: SearchQuery, bases: Sequence[str]) -> None:
        self._lists = lists
        self._index = index
        self._query = query
        self.bases = tuple(bases)
        self._lanes = lanes_of(query, bases)
        # The lists of one base are parts of one: together their rows stand in the asked order.
        self.is_merged = len(self._lanes) > 1 and len(bases) <= 1

    def is_at_end(self, place: Place) -> bool:
        return place.lane >= len(self._lanes)

    def first_step(self, place: Place, limit: int) -> Step:
        """Ask the Hub for a page of at most `limit` rows: one request. Raises HubError."""
        return self._step(self._lists.ask, place, limit)

    def step(self, place: Place, limit: int) -> Step:
        """The same, without a request where the Hub has just answered. Raises HubError."""
        return self._step(self._lists.recall, place, limit)

    def _step(self, ask: Ask, place: Place, limit: int) -> Step:
        lane = self._lanes[place.lane]
        asked = list_parameters(self._query, lane.hint.tags, lane.hint.task, limit, place.page)
        page = ask(asked)
        listed = page.adapters()
        met = self._index.meet([one.row for one in listed])
        new = {one.row.ref for one in listed if lane.is_new(one)}
        rows = [row for row in self._behind(place, listed, met) if row.ref in new]
        last = met[-1].ref.name if met else ""
        return Step(rows, place.past_page(page.following, last))

    def _behind(
        self, place: Place, listed: Sequence[Listed], rows: list[AdapterSummary]
    ) -> list[AdapterSummary]:
        """The rows behind the last one taken from this page.

        Where that has left the page meanwhile, those that come after its value.
        """
        if not place.inside:
            return rows
        names = [one.row.ref.name for one in listed]
        if place.last in names:
            return rows[names.index(place.last) + 1 :]
        sort = "downloads" if self._query.sort in FROM_FILES else self._query.sort
        known = self._index.place_of(place.last, sort)
        if known is None:
            return rows
        return [row for row in rows if (getattr(row, SORT_COLUMNS[sort]) or known[0]) <= known[0]]
