"""A page of a search that grows: details arrive, rows that prove not to fit go, more of the Hub's list is
looked at until the page is full or enough has been looked at.

What is found is written to the index on the way, so that it is there the next time. Closing the iterator
stops the work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from adapter_ui.catalog.search import notices
from adapter_ui.catalog.search.details import DetailReader
from adapter_ui.catalog.search.place import Place
from adapter_ui.catalog.search.query import by_sort, fits, needs_files
from adapter_ui.catalog.search.walk import Walk
from adapter_ui.catalog.storage.index import Index
from adapter_ui.catalog.storage.index_rows import Details
from adapter_ui.domain import AdapterRef, AdapterSummary, SearchPage, SearchQuery, Source
from adapter_ui.errors import HubError

LIST_ROWS = 100
MOST_EXAMINED = 400
MOST_REQUESTS = 12
READ_AT_ONCE = 50
KEPT_AT_ONCE = 25


class Keeper:
    """Reads details and writes them to the index, in batches."""

    def __init__(self, details: DetailReader, index: Index) -> None:
        self._details = details
        self._index = index

    def read(self, rows: Sequence[AdapterSummary]) -> Iterator[Details]:
        """As DetailReader.read, with the same errors."""
        found: list[Details] = []
        try:
            for details in self._details.read(rows):
                # Without a commit nobody could tell when this is out of date.
                if details.row.ref.source is Source.HUB and details.row.commit is not None:
                    found.append(details)
                if len(found) >= KEPT_AT_ONCE:
                    self._index.keep(found)
                    found = []
                yield details
        finally:
            self._index.keep(found)


class Filling:
    """One page in the Hub's order, and the rest of its search."""

    def __init__(self, query: SearchQuery, page: SearchPage, walk: Walk, keeper: Keeper) -> None:
        self._query = query
        self._walk = walk
        self._keeper = keeper
        self._notice = page.notice
        self._rows = list(page.adapters)
        self._place = Place.parse(page.next) if page.next else None
        self._examined = 0
        self._requests = 0

    def run(self) -> Iterator[SearchPage]:
        try:
            yield from self._complete([row for row in self._rows if not row.complete])
            while self._wants_more():
                yield from self._look_further()
        except HubError as error:
            self._notice = notices.stopped_short(error)
        else:
            if len(self._rows) < self._query.limit and self._place is not None and self._examined:
                self._notice = notices.looked_at(self._examined)
        yield self._page()

    def _wants_more(self) -> bool:
        place = self._place
        return (
            len(self._rows) < self._query.limit
            and place is not None
            and place.local is None
            and place.after is None
            and self._examined < MOST_EXAMINED
            and self._requests < MOST_REQUESTS
        )

    def _complete(self, rows: Sequence[AdapterSummary]) -> Iterator[SearchPage]:
        """Details for rows that are on the page; those that do not fit leave it."""
        for details in self._keeper.read(rows):
            fit = fits(details.row, self._query, known=True)
            self._rows = [
                details.shown if row.ref == details.row.ref else row
                for row in self._rows
                if fit or row.ref != details.row.ref
            ]
            yield self._page()

    def _look_further(self) -> Iterator[SearchPage]:
        """One page of the Hub's list."""
        start = self._place or Place()
        room = self._query.limit - len(self._rows)
        step = self._walk.step(start, LIST_ROWS if needs_files(self._query) else room)
        self._requests += 1
        if needs_files(self._query):
            yield from self._choose(start, step.rows, step.end)
            return
        self._examined += len(step.rows)
        new = [row for row in step.rows if fits(row, self._query, row.complete) is not False]
        self._rows += new
        self._go_to(step.end)
        yield self._page()
        yield from self._complete([row for row in new if not row.complete])

    def _choose(self, start: Place, rows: Sequence[AdapterSummary], end: Place) -> Iterator[SearchPage]:
        """Take those of a list's rows that their files prove to fit, until the page is full."""
        for first in range(0, len(rows), READ_AT_ONCE):
            part = rows[first : first + READ_AT_ONCE]
            self._examined += len(part)
            before = self._rows
            taken = {row.ref: row for row in part if row.complete and fits(row, self._query, known=True)}
            unread = {row.ref: row for row in part if fits(row, self._query, row.complete) is None}
            try:
                for details in self._keeper.read(list(unread.values())):
                    unread.pop(details.row.ref, None)
                    if fits(details.row, self._query, known=True):
                        taken[details.row.ref] = details.shown
                        self._take(before, part, taken)
                        yield self._page()
            except HubError:
                self._take(before, part, taken)
                read = [row for row in part if row.ref not in unread]
                self._go_to(start.past_row(read[-1].ref.name) if read else self._place or start)
                raise
            last = self._take(before, part, taken) or part[-1].ref
            self._go_to(end if last == rows[-1].ref else start.past_row(last.name))
            if len(self._rows) == self._query.limit:
                return
        if not rows:
            self._go_to(end)

    def _take(
        self,
        before: Sequence[AdapterSummary],
        part: Sequence[AdapterSummary],
        taken: dict[AdapterRef, AdapterSummary],
    ) -> AdapterRef | None:
        """The rows before, and in the list's order those taken, as many as the page holds.

        Gives the last one where the page is full.
        """
        fitting = [taken[row.ref] for row in part if row.ref in taken]
        room = self._query.limit - len(before)
        self._rows = [*before, *fitting[:room]]
        return fitting[room - 1].ref if len(fitting) >= room else None

    def _go_to(self, place: Place) -> None:
        self._place = None if self._walk.is_at_end(place) else place

    def _page(self) -> SearchPage:
        rows = self._rows
        if self._walk.is_merged:
            here = [row for row in rows if row.ref.source is not Source.HUB]
            rows = [*here, *by_sort([row for row in rows if row.ref.source is Source.HUB], self._query.sort)]
        return SearchPage(tuple(rows), str(self._place) if self._place else None, self._notice)
