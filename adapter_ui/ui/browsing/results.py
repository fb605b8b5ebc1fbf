"""The results on screen: which rows, what is still being read of them, and what comes too late.

Plain state with verbs; knows neither Gradio nor HTML. Each search draws a number, and what arrives under an
older one is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from adapter_ui.catalog.storage.index_query import FROM_FILES
from adapter_ui.domain import AdapterSummary, SearchPage, SearchQuery, Source
from adapter_ui.service import AdapterService
from adapter_ui.ui.browsing.filters import Filters

NOTHING = SearchPage(())


@dataclass(frozen=True)
class Search:
    """What was chosen, and where to go on with it."""

    filters: Filters = field(default_factory=Filters)
    cursor: str = ""

    def query(self) -> SearchQuery:
        """Raises InvalidInput that names the field."""
        return replace(self.filters.query(), cursor=self.cursor)


@dataclass
class Results:
    """`asked` is what was searched last, `search` what the rows answer; `earlier` are the rows of the pages
    before `page`.

    `reading` says that the page's details are being read, `stopped` that somebody stopped that, and `claimed`
    is the number under which somebody reads them.
    """

    number: int = 0
    asked: Search | None = None
    search: Search = field(default_factory=Search)
    earlier: tuple[AdapterSummary, ...] = ()
    page: SearchPage = field(default=NOTHING)
    reading: bool = False
    stopped: bool = False
    claimed: int = 0

    def begin(self, search: Search) -> int:
        """Start another search, or its next page; all that is under way for the ones before it ends."""
        self.number += 1
        self.asked = search
        self.reading = self.stopped = False
        return self.number

    def accept(self, number: int, page: SearchPage) -> bool:
        """Take the first rows of a page. False when another search has begun meanwhile."""
        if number != self.number or self.asked is None:
            return False
        self.earlier = tuple(self.shown) if self.asked.cursor else ()
        self.search, self.page = self.asked, page
        self.reading = unfinished(page, self.search.query())
        return True

    def claim(self) -> bool:
        """Whether the caller is the first to read this page's details."""
        if not self.reading or self.claimed == self.number:
            return False
        self.claimed = self.number
        return True

    def update(self, number: int, page: SearchPage) -> bool:
        """Take the page with more of its details. False when another search has begun meanwhile."""
        if number != self.number:
            return False
        self.page = page
        return True

    def finish(self, number: int) -> bool:
        """No more details will come. False when another search has begun meanwhile."""
        if number != self.number:
            return False
        self.reading = False
        return True

    def stop(self) -> None:
        """Read no further; what is here stays."""
        self.number += 1
        self.stopped, self.reading = self.reading, False

    def leave(self, number: int) -> None:
        """The reader under that number has ended; what it has not finished counts as stopped."""
        if number == self.number and self.reading:
            self.stop()

    def resume(self) -> None:
        """Read on where it was stopped."""
        self.reading, self.stopped = self.stopped, False

    def answers(self, filters: Filters) -> bool:
        """Whether these rows, or the ones on their way, are what is asked for."""
        return self.asked is not None and self.asked.filters == filters

    def lacks_run(self, ref: str) -> bool:
        """Whether `ref` is a run that ended, or a mix that was made, after these rows were searched."""
        return ref.startswith((f"{Source.RUN}:", f"{Source.MIX}:")) and all(
            str(row.ref) != ref for row in self.shown
        )

    @property
    def shown(self) -> list[AdapterSummary]:
        """The rows without those of which only their files can tell whether they fit: none has to go away
        again."""
        known, query = {row.ref for row in self.earlier}, self.search.query()
        fresh = (row for row in self.page.adapters if row.ref not in known)
        return [*self.earlier, *(row for row in fresh if not undecided(row, query))]

    @property
    def unread(self) -> int:
        """How many rows of the page lack details."""
        return sum(not row.complete for row in self.page.adapters)


def undecided(row: AdapterSummary, query: SearchQuery) -> bool:
    """Whether it is not known yet if the row fits the query. The method that a list tells is no proof."""
    asked = (
        (bool(query.task_type), row.task_type),
        (bool(query.method), None),
        (query.min_rank is not None or query.max_rank is not None, row.rank),
        (query.min_size is not None or query.max_size is not None, row.size_bytes),
        (bool(query.license), row.license),
        (query.safetensors, row.safetensors),
    )
    return not row.complete and any(wanted and known is None for wanted, known in asked)


def unfinished(page: SearchPage, query: SearchQuery) -> bool:
    """Whether reading on can add to a page."""
    short = len(page.adapters) < query.limit and page.next is not None
    # Of what only files tell, the order may change with every adapter that is read.
    return short or query.sort in FROM_FILES or any(not row.complete for row in page.adapters)


def filled_page(service: AdapterService, query: SearchQuery) -> SearchPage:
    """A page with all of its details, for those who can wait."""
    first = service.search(query)
    *_, last = (first, *service.fill(query, first))
    return last
