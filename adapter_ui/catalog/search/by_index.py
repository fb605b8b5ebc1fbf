"""Pages in the order of the local index: for the sorts that only it can do, and for a Hub that is silent."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from adapter_ui.catalog.search import notices
from adapter_ui.catalog.search.filling import LIST_ROWS, MOST_EXAMINED, MOST_REQUESTS, Keeper
from adapter_ui.catalog.search.place import Place
from adapter_ui.catalog.search.query import fits
from adapter_ui.catalog.search.walk import Walk
from adapter_ui.catalog.storage.index import Index
from adapter_ui.domain import AdapterSummary, SearchPage, SearchQuery, Source
from adapter_ui.errors import HubError

ROWS_BETWEEN_LOOKS = 25


def sorted_page(
    index: Index, walk: Walk, query: SearchQuery, place: Place, here: Collection[AdapterSummary]
) -> SearchPage:
    """A page by a sort that only files tell, after `here`, this machine's rows.

    Its cursor holds both the last row and how far the Hub's list has been read.
    """
    page = index.page(query, walk.bases, place.after, query.limit - len(here))
    ended = walk.is_at_end(place)
    following = replace(place, local=None, after=page.last) if page.more or not ended else None
    return SearchPage(
        (*here, *page.rows),
        str(following) if following else None,
        notices.sorted_among(query, index.read_count(), not ended),
    )


def fill_sorted(
    index: Index, walk: Walk, keeper: Keeper, query: SearchQuery, page: SearchPage
) -> Iterator[SearchPage]:
    """The same page while the Hub's list is read further, as far as one page may; each row read finds its
    place.
    """
    asked = Place.parse(query.cursor)
    here = {row.ref: row for row in page.adapters if row.ref.source is not Source.HUB}
    for details in keeper.read([row for row in here.values() if not row.complete]):
        here[details.row.ref] = details.shown
    place, examined, requests = replace(asked, local=None), 0, 0
    trouble = None
    try:
        while not walk.is_at_end(place) and examined < MOST_EXAMINED and requests < MOST_REQUESTS:
            step = walk.step(place, LIST_ROWS)
            unread = [
                row for row in step.rows if fits(row, query, row.complete) is not False and not row.complete
            ]
            for read, _ in enumerate(keeper.read(unread), start=1):
                if read % ROWS_BETWEEN_LOOKS == 0:
                    yield sorted_page(index, walk, query, place, here.values())
            place, examined, requests = step.end, examined + len(step.rows), requests + 1
            yield sorted_page(index, walk, query, place, here.values())
        last = sorted_page(index, walk, query, place, here.values())
        for _ in keeper.read([row for row in last.adapters if not row.complete]):
            continue
    except HubError as error:
        trouble = notices.stopped_short(error)
    last = sorted_page(index, walk, query, place, here.values())
    yield replace(last, notice=f"{trouble} {last.notice}" if trouble else last.notice)


def page_without_hub(
    index: Index, query: SearchQuery, place: Place, here: Collection[AdapterSummary], error: HubError
) -> SearchPage:
    """What was seen before, in the query's sort, when the Hub does not answer."""
    after = place.after or (index.place_of(place.last, query.sort) if place.last else None)
    notice = notices.from_index(error, index.seen(), query)
    if after is None and place.last:
        # This place is not known here: the cursor stays, for when the Hub answers again.
        return SearchPage(tuple(here), str(place), notice)
    bases = (query.base_model,) if query.base_model else ()
    page = index.page(query, bases, after, query.limit - len(here))
    following = str(replace(place, local=None, after=page.last)) if page.more else None
    return SearchPage((*here, *page.rows), following, notice)
