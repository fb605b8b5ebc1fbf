"""The Library tab: what is on this machine. Models in memory, fine-tuning runs, and the starter set."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import gradio as gr
from markupsafe import Markup

from adapter_ui.domain import AdapterSummary, LoadedBase, Precision, RunStatus, SearchQuery, Source
from adapter_ui.errors import InvalidInput
from adapter_ui.service import AdapterService
from adapter_ui.ui import format
from adapter_ui.ui.browsing.results import filled_page
from adapter_ui.ui.browsing.results_table import method_name
from adapter_ui.ui.errors import shown_to_user
from adapter_ui.ui.markup import badge, empty, fill, join
from adapter_ui.ui.page import LOOK_UP, SETS_STATE, Page, html
from adapter_ui.ui.run_states import STATE_BADGES

WATCH = "adapterUI.actions(element, (name, value) => trigger('act', {name, value}))"
NOTHING_LOADED = empty("Nothing in memory", "A model is loaded when you load or try an adapter.")
NO_RUNS = empty("No runs", "What you fine-tune is listed here, with its adapter.")
NO_ADAPTERS = empty("No adapters", "The starter set is not installed.")
LOCAL_SOURCES = (Source.STARTER, Source.RUN, Source.FOLDER)


def library_tab(service: AdapterService, page: Page) -> None:
    parts = []
    for name, title in (("loaded", "In memory"), ("runs", "Runs"), ("starter", "Starter set")):
        html(fill('<h3 class="side-title">{title}</h3>', title=title))
        parts.append(html(elem_id=f"library-{name}", js_on_load=WATCH))
    show = partial(library, service)
    quiet = {**LOOK_UP, "show_progress": "hidden"}
    gr.on([page.tabs.change, page.load], show, None, parts, **quiet)

    def act(event: gr.EventData) -> tuple[Any, Any]:
        return acted(service, str(event.name), str(event.value))

    for part in parts:
        part.act(act, None, [page.asked, page.tabs], **SETS_STATE).success(show, None, parts, **quiet)


def acted(service: AdapterService, name: str, value: str) -> tuple[Any, Any]:
    """Do what a button of a row asks: unload a base, delete a run, or show an adapter in another tab."""
    with shown_to_user():
        if name == "unload":
            base, _, precision = value.rpartition(" ")
            service.unload(base, Precision(precision))
        elif name == "delete":
            service.delete_run(value)
        elif name in ("browse", "generate"):
            return value, gr.Tabs(selected=name)
        else:
            raise InvalidInput("The page asked for something that does not exist; reload it.")
        return gr.skip(), gr.skip()


def library(service: AdapterService) -> list[Markup]:
    with shown_to_user():
        starter = filled_page(service, SearchQuery(source=Source.STARTER, limit=100)).adapters
        return [
            loaded_rows(service.loaded()),
            run_rows(service.runs()),
            adapter_rows(sorted(starter, key=lambda one: str(one.ref))),
        ]


def loaded_rows(loaded: Iterable[LoadedBase]) -> Markup:
    return rows(
        (
            library_row(
                one.base,
                [badge(one.precision.value, "method"), badge(one.device)],
                ", ".join(one.adapters) or "no adapters on it",
                format.size(one.measured_bytes),
                [("unload", f"{one.base} {one.precision.value}", "Unload")],
            )
            for one in loaded
        ),
        NOTHING_LOADED,
    )


def run_rows(runs: Iterable[RunStatus]) -> Markup:
    return rows(
        (
            library_row(
                run.name or run.run_id,
                [badge(run.state.value, STATE_BADGES[run.state])],
                f"{format.short_name(run.base_model)[1]} · {format.day(run.created)} · "
                f"{run.error or run.message}",
                f"{run.step:,} steps",
                run_actions(run),
            )
            for run in runs
        ),
        NO_RUNS,
    )


def run_actions(run: RunStatus) -> list[tuple[str, str, str]]:
    use = [("generate", run.adapter, "Try it"), ("browse", run.adapter, "Show")] if run.adapter else []
    return [*use, ("delete", run.run_id, "Delete")] if run.state.ended else use


def adapter_rows(adapters: Iterable[AdapterSummary]) -> Markup:
    return rows(
        (
            library_row(
                one.title or one.ref.name,
                [badge(method_name(one.method), "method")] if one.method else [],
                f"{one.ref} on {one.base_model}",
                format.size(one.size_bytes),
                [("generate", str(one.ref), "Try it"), ("browse", str(one.ref), "Show")],
            )
            for one in adapters
        ),
        NO_ADAPTERS,
    )


def library_row(
    title: str, badges: Iterable[Markup], detail: str, figure: str, actions: Iterable[tuple[str, str, str]]
) -> Markup:
    """A name with badges, a line under it, a figure, and buttons as (action, value, label)."""
    buttons = join(
        fill(
            '<button type="button" class="copy" data-act="{name}" data-value="{value}">{label}</button>',
            name=name,
            value=value,
            label=label,
        )
        for name, value, label in actions
    )
    return fill(
        '<li class="library-row"><div><span class="name">{title}</span> {badges}<span class="below">'
        "{detail}</span></div>"
        '<span class="figure">{figure}</span><span class="actions">{buttons}</span></li>',
        title=title,
        badges=join(badges),
        detail=detail,
        figure=figure,
        buttons=buttons,
    )


def rows(items: Iterable[Markup], otherwise: Markup) -> Markup:
    body = join(items)
    return fill('<ul class="library">{body}</ul>', body=body) if body else otherwise
