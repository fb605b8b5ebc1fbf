"""The Browse tab: find an adapter and select it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import gradio as gr

from adapter_ui.catalog.hub.rows import SORTS
from adapter_ui.catalog.profiles.methods import METHODS, PIPELINE_TAGS
from adapter_ui.domain import SearchPage, SearchQuery, Source
from adapter_ui.service import AdapterService
from adapter_ui.ui.errors import shown_to_user
from adapter_ui.ui.inspector import inspector
from adapter_ui.ui.markup import empty, notice
from adapter_ui.ui.page import INSTANT, LOOK_UP, SETS_STATE, Page, html
from adapter_ui.ui.results_table import method_name, results_table
from adapter_ui.ui.state import Results, Selection

REDRAW_SECONDS = 0.2
PAGE_ROWS = 30
TASKS = [("Any task", ""), *((task, task) for task in PIPELINE_TAGS)]
COMMON_METHODS = (
    "LORA",
    "IA3",
    "ADALORA",
    "LOHA",
    "LOKR",
    "VERA",
    "OFT",
    "PROMPT_TUNING",
    "PREFIX_TUNING",
    "P_TUNING",
)
SOURCES = [
    ("Everywhere", ""),
    ("The Hub", Source.HUB.value),
    ("Starter set", Source.STARTER.value),
    ("My runs", Source.RUN.value),
    ("Local folder", Source.FOLDER.value),
]
SORT_NAMES = {
    "trending": "Trending",
    "downloads": "Most downloads",
    "likes": "Most likes",
    "updated": "Last updated",
    "created": "Newest",
}
WATCH_ROWS = "adapterUI.results(element, (ref) => trigger('pick', {ref}), watch)"
REMEMBER = "(...values) => adapterUI.remember(['q', 'base', 'task', 'method', 'source', 'sort'], values)"
NO_MATCH = empty(
    "No adapter matches",
    "Use fewer words, or take a filter away. A full name such as org/name finds one adapter.",
)
WAITING = empty("Searching …", "The rows appear at once, their sizes as they are read.")


def browse_tab(service: AdapterService, page: Page) -> None:
    results = gr.State(Results())
    with gr.Row(elem_id="browse", equal_height=False):
        with gr.Column(scale=16, min_width=340, elem_id="browse-left"):
            filters = filter_row()
            with gr.Row(visible=False, elem_id="notice-row", equal_height=True) as notice_row:
                notice_text = html(elem_id="search-notice")
                retry = gr.Button("Retry", size="sm", scale=0, min_width=70, elem_id="search-retry")
            table = html(WAITING, elem_id="results", js_on_load=WATCH_ROWS)
            more = gr.Button("Load more", size="sm", visible=False, elem_id="load-more")
        with gr.Column(scale=9, min_width=340, elem_id="detail"):
            inspector(service, page)

    found = [table, notice_row, notice_text, more]
    look_up = {**LOOK_UP, "show_progress": "hidden"}
    inputs = [results, *filters]
    query, base, *choices = filters
    restored = page.load(restore_filters, None, filters, **INSTANT)
    # a textbox reports input at key presses only, not when text is pasted or deleted; change reports all
    chosen = [query.change, base.submit, base.blur, *(choice.input for choice in choices)]
    triggers = [*chosen, query.submit, retry.click]
    searches = [
        restored.then(partial(search, service), inputs, found, **look_up),
        gr.on(triggers, partial(search, service), inputs, found, trigger_mode="always_last", **look_up),
        more.click(partial(search_more, service), inputs, found, **look_up),
        page.selected.change(partial(search_new_run, service), [page.selected, *inputs], found, **look_up),
    ]
    for searched in searches:
        searched.success(partial(fill, service), results, table, **look_up)
    gr.on(chosen, None, filters, None, js=REMEMBER, api_visibility="private")
    table.pick(pick, None, page.asked, **SETS_STATE)


def filter_row() -> list[gr.Component]:
    """The search box and the filters, in the order of SearchQuery's fields."""
    query = gr.Textbox(
        "",
        show_label=False,
        container=False,
        placeholder="Search adapters by name, or paste org/name   ( / )",
        max_length=200,
        elem_id="search",
        html_attributes=gr.InputHTMLAttributes(spellcheck=False, autocorrect="off"),
    )
    with gr.Row(elem_id="filters"):
        base = gr.Textbox(
            "",
            label="Base model",
            placeholder="any, or org/name",
            max_length=200,
            min_width=150,
            scale=3,
            elem_id="filter-base",
        )
        task = gr.Dropdown(TASKS, value="", label="Task", min_width=110, scale=2, elem_id="filter-task")
        methods = [
            ("Any method", ""),
            *((method_name(name), name) for name in COMMON_METHODS if name in METHODS),
        ]
        method = gr.Dropdown(
            methods, value="", label="Method", min_width=110, scale=2, elem_id="filter-method"
        )
        source = gr.Dropdown(
            SOURCES, value="", label="Source", min_width=110, scale=2, elem_id="filter-source"
        )
        sorts = [(SORT_NAMES.get(name, name), name) for name in SORTS]
        sort = gr.Dropdown(
            sorts, value="trending", label="Sort", min_width=110, scale=2, elem_id="filter-sort"
        )
    return [query, base, task, method, source, sort]


def restore_filters(request: gr.Request) -> list[str]:
    """The filters that the page's address names; a choice that does not exist is left out."""
    asked = request.query_params
    allowed = {
        "task": dict(TASKS).values(),
        "method": METHODS,
        "source": dict(SOURCES).values(),
        "sort": SORTS,
    }
    chosen = [
        asked.get(name, "") if asked.get(name, "") in values else "" for name, values in allowed.items()
    ]
    return [asked.get("q", "")[:200], asked.get("base", "")[:200], *chosen[:3], chosen[3] or "trending"]


def query_of(
    query: str, base: str, task: str, method: str, source: str, sort: str, cursor: str = ""
) -> SearchQuery:
    return SearchQuery(
        text=query,
        base_model=base.strip(),
        task_type=task,
        method=method,
        source=source,
        sort=sort,
        limit=PAGE_ROWS,
        cursor=cursor,
    )


def search(service: AdapterService, results: Results, *filters: str) -> list[Any]:
    """The first page, without what only files tell."""
    with shown_to_user():
        number = results.begin()
        page = service.search(query_of(*filters))
        return shown_page(results, page) if results.accept(number, page) else [gr.skip()] * 4


def search_new_run(
    service: AdapterService, selected: Selection, results: Results, *filters: str
) -> list[Any]:
    """Search again when the selected adapter is a run that the rows on screen do not know yet."""
    return search(service, results, *filters) if results.lacks_run(selected.ref) else [gr.skip()] * 4


def search_more(service: AdapterService, results: Results, *filters: str) -> list[Any]:
    """The next page under the ones before it."""
    with shown_to_user():
        number = results.begin()
        page = service.search(query_of(*filters, cursor=results.next or ""))
        return shown_page(results, page) if results.accept(number, page, more=True) else [gr.skip()] * 4


def shown_page(results: Results, page: SearchPage) -> list[Any]:
    table = results_table(results.rows, results.complete) if results.rows else NO_MATCH
    text = notice(page.notice) if page.notice else ""
    return [table, gr.Row(visible=bool(page.notice)), text, gr.Button(visible=bool(page.next))]


def fill(service: AdapterService, results: Results) -> Iterator[Any]:
    """Redraw the table as details arrive, some times a second; ends when another search has begun."""
    number, drawn = results.number, time.monotonic()
    yield gr.skip()  # a generator that ends without a yield would blank its outputs
    with shown_to_user(), closing(service.fill(results.waiting)) as rows:
        for row in rows:
            if not results.fill(number, row):
                return
            if time.monotonic() - drawn > REDRAW_SECONDS:
                yield results_table(results.rows, results.complete)
                drawn = time.monotonic()
        results.finish(number)
        yield results_table(results.rows, results.complete) if results.rows else gr.skip()


def pick(event: gr.EventData) -> str:
    return str(event.ref)
