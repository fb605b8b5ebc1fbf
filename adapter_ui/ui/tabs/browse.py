"""The Browse tab: find an adapter and select it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import astuple, dataclass, replace
from functools import partial
from typing import Any

import gradio as gr

from adapter_ui.catalog.search.query import check_query
from adapter_ui.service import AdapterService
from adapter_ui.ui.browsing.filter_form import filter_form
from adapter_ui.ui.browsing.filters import ADDRESS_NAMES, FIELDS, Filters
from adapter_ui.ui.browsing.results import Results, Search
from adapter_ui.ui.browsing.results_table import results_table
from adapter_ui.ui.browsing.search_status import (
    WAITING,
    filter_bar,
    load_more,
    nothing_shown,
    search_notice,
    search_status,
)
from adapter_ui.ui.comparison.panel import side_by_side_panel
from adapter_ui.ui.errors import shown_to_user
from adapter_ui.ui.page import EACH, INSTANT, LOOK_UP, SETS_STATE, Page, html
from adapter_ui.ui.selected.panel import inspector
from adapter_ui.ui.state import Selection

REDRAW_SECONDS = 0.25
NAMES = [ADDRESS_NAMES.get(name, name) for name in FIELDS]
REMEMBER = f"(...values) => adapterUI.remember({NAMES}, values)"
WATCH_ROWS = (
    "adapterUI.results(element, (ref) => trigger('pick', {ref}), watch);"
    "adapterUI.actions(element, (name, value) => trigger('act', {name, value}))"
)
WATCH_NOTICE = "adapterUI.actions(element, () => trigger('retry', {}))"
WATCH_FOOT = "adapterUI.actions(element, () => trigger('more', {}))"
WATCH_STATUS = "adapterUI.actions(element, (name) => trigger(name === 'stop' ? 'stop' : 'resume', {}))"
QUICK = {**LOOK_UP, "show_progress": "hidden"}


@dataclass(frozen=True)
class BrowseWidgets:
    """`form` are the fields by the names of Filters. `bar` to `foot` are what a search shows, in the order of
    `shown`.
    """

    results: gr.State
    form: dict[str, gr.Component]
    bar: gr.HTML
    notice: gr.HTML
    status: gr.HTML
    table: gr.HTML
    foot: gr.HTML

    @property
    def fields(self) -> list[gr.Component]:
        return list(self.form.values())

    @property
    def found(self) -> list[Any]:
        return [self.bar, self.notice, self.status, self.table, self.foot]


def browse_tab(service: AdapterService, page: Page) -> None:
    results = gr.State(Results())
    with gr.Row(elem_id="browse", equal_height=False):
        with gr.Column(scale=16, min_width=340, elem_id="browse-left"):
            form, bar = filter_form(service)
            notice = html(elem_id="search-notice", js_on_load=WATCH_NOTICE)
            side_by_side_panel(service, page)
            status = html(elem_id="search-status", js_on_load=WATCH_STATUS)
            table = html(WAITING, elem_id="results", js_on_load=WATCH_ROWS)
            foot = html(elem_id="load-more", js_on_load=WATCH_FOOT)
        with gr.Column(scale=9, min_width=340, elem_id="detail"):
            inspector(service, page)
    widgets = BrowseWidgets(results, form, bar, notice, status, table, foot)
    search_events(service, page, widgets)
    table.pick(pick, None, page.asked, **SETS_STATE, **EACH)


def search_events(service: AdapterService, page: Page, widgets: BrowseWidgets) -> None:
    """Everything that begins, continues or ends a search."""
    results, fields, found = widgets.results, widgets.fields, widgets.found
    inputs = [results, *fields]
    chosen = choices(widgets.form)
    first, read = partial(search, service), partial(read_on, service)
    searches = [
        page.load(restore, None, fields, **INSTANT).then(first, inputs, found, **QUICK),
        gr.on(chosen, first, inputs, found, trigger_mode="always_last", **QUICK),
        widgets.notice.retry(partial(search_again, service), inputs, found, **QUICK),
        widgets.foot.more(partial(search_more, service), results, found, **QUICK),
        widgets.status.resume(resume, results, found, **QUICK),
        page.selected.change(partial(search_new_run, service), [page.selected, *inputs], found, **QUICK),
    ]
    gr.on(chosen, None, fields, None, js=REMEMBER, api_visibility="private")
    for part in (widgets.bar, widgets.table):
        changed = part.act(act, fields, fields, **QUICK, **EACH)
        changed.success(None, fields, None, js=REMEMBER, api_visibility="private")
        searches.append(changed.success(first, inputs, found, **QUICK, **EACH))
    for searched in searches:
        # each, for the reading of an older search may still be about to end
        reading = searched.success(read, results, found, **QUICK, **EACH)
        reading.failure(shown, results, found, **QUICK)
    widgets.status.stop(stop, results, found, **QUICK)


def choices(form: dict[str, gr.Component]) -> list[Any]:
    """What searches. A textbox reports input at key presses only, not when text is pasted or deleted; change
    reports all. Where half a word finds nothing, leaving the field counts.
    """
    triggers: list[Any] = [form["text"].change, form["text"].submit]
    for name, field in form.items():
        if isinstance(field, gr.Textbox) and name != "text":
            triggers += [field.submit, field.blur]
        elif name != "text":
            triggers.append(field.input)
    return triggers


def restore(request: gr.Request) -> list[Any]:
    """The filters that the page's address names."""
    return list(astuple(Filters.from_address(request.query_params)))


def search(service: AdapterService, results: Results, *values: Any) -> list[Any]:
    """The first rows of what the filters ask for, unless they are there already."""
    return unchanged() if results.answers(Filters.of(values)) else search_again(service, results, *values)


def search_again(service: AdapterService, results: Results, *values: Any) -> list[Any]:
    return first_rows(service, results, Search(Filters.of(values)))


def search_new_run(service: AdapterService, selected: Selection, results: Results, *values: Any) -> list[Any]:
    """Search again when the selected adapter is a run that the rows on screen do not know yet."""
    return search_again(service, results, *values) if results.lacks_run(selected.ref) else unchanged()


def search_more(service: AdapterService, results: Results) -> list[Any]:
    """The next page of what is on screen, under the rows before it."""
    if results.page.next is None:
        return unchanged()
    return first_rows(service, results, replace(results.search, cursor=results.page.next))


def first_rows(service: AdapterService, results: Results, search: Search) -> list[Any]:
    """Rows without what only files tell; nothing when another search has begun meanwhile."""
    with shown_to_user():
        query = search.query()
        check_query(query)  # what cannot be asked ends nothing that is under way
        number = results.begin(search)
        return shown(results) if results.accept(number, service.search(query)) else unchanged()


def read_on(service: AdapterService, results: Results) -> Iterator[list[Any]]:
    """Redraw the rows as details arrive, some times a second; ends when another search has begun.

    Gradio blanks the outputs of a stream without an item, and sends the last item once more when a stream has
    ended, which may be after another search has drawn its rows: so the first and the last change nothing.
    """
    yield unchanged()
    if results.claim():
        yield from redrawn(service, results)
        if results.stopped:  # what was drawn before the stop may have come after it
            yield shown(results)
    yield unchanged()


def redrawn(service: AdapterService, results: Results) -> Iterator[list[Any]]:
    number, drawn = results.number, time.monotonic()
    try:
        with shown_to_user(), closing(service.fill(results.search.query(), results.page)) as pages:
            for page in pages:
                if not results.update(number, page):
                    return
                if time.monotonic() - drawn > REDRAW_SECONDS:
                    yield shown(results)
                    drawn = time.monotonic()
        if results.finish(number):
            yield shown(results)
    finally:
        results.leave(number)


def stop(results: Results) -> list[Any]:
    results.stop()
    return shown(results)


def resume(results: Results) -> list[Any]:
    results.resume()
    return shown(results)


def act(event: gr.EventData, *values: Any) -> list[Any]:
    """Take a filter away, or sort by a column: the fields that change."""
    with shown_to_user():
        old = Filters.of(values)
        new = old.sorted_by(str(event.value)) if event.name == "sort" else old.without(str(event.value))
    pairs = zip(astuple(old), astuple(new), strict=True)
    return [gr.skip() if before == after else after for before, after in pairs]


def shown(results: Results) -> list[Any]:
    """The outputs of every search: the filters, the notice, how far it is, the rows, “Load more”."""
    filters, rows = results.search.filters, results.shown
    table = results_table(rows, filters.sort, reading=results.reading)
    return [
        filter_bar(filters),
        search_notice(results.page.notice),
        search_status(results),
        table if rows else nothing_shown(results),
        load_more(results),
    ]


def unchanged() -> list[Any]:
    return [gr.skip()] * 5


def pick(event: gr.EventData) -> str:
    return str(event.ref)
