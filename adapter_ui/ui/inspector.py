"""The selected adapter: what it is, whether it fits, and loading it. Right of the results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from adapter_ui.catalog.profiles.snippet import write_snippet
from adapter_ui.domain import MODEL_CLASS_OF_TASK, AdapterProfile, LoadReport, Precision, Progress
from adapter_ui.service import AdapterService
from adapter_ui.ui import details
from adapter_ui.ui.card import render_card
from adapter_ui.ui.errors import shown_to_user
from adapter_ui.ui.markup import empty, progress
from adapter_ui.ui.page import INSTANT, MODEL, SETS_STATE, Page, html
from adapter_ui.ui.state import Selection

WATCH_PRECISIONS = "adapterUI.precisions(element, (precision) => trigger('pick', {precision}), watch)"
CODE_FOR = {"Plain": Precision.BF16, "8-bit": Precision.INT8, "4-bit": Precision.NF4}


@dataclass(frozen=True)
class InspectorWidgets:
    """`parts` are the details in the order of `inspect`'s last outputs; `code_choice` says which code."""

    head: gr.HTML
    retry: gr.Button
    body: gr.Column
    load: gr.Button
    cancel: gr.Button
    try_it: gr.Button
    reason: gr.HTML
    report: gr.HTML
    precisions: gr.HTML
    base: gr.Textbox
    model_class: gr.Dropdown
    scale: gr.HTML
    parts: list[gr.Component]
    code_choice: gr.Radio


def inspector(service: AdapterService, page: Page) -> None:
    """Build the panel and its events; it follows `page.asked` and sets `page.selected`."""
    head = html(details.NOTHING_SELECTED, elem_id="detail-head")
    retry = gr.Button("Try again", size="sm", visible=False, elem_id="detail-retry")
    with gr.Column(visible=False, elem_id="detail-body") as body:
        with gr.Row(elem_id="load-row", equal_height=True):
            load_button = gr.Button("Load", variant="primary", scale=2, elem_id="load-button")
            cancel = gr.Button("Cancel", variant="stop", scale=2, visible=False, elem_id="load-cancel")
            try_it = gr.Button("Try it", scale=1, min_width=80, elem_id="try-button")
        reason = html(elem_id="precision-reason")
        report = html(elem_id="load-status")
        precisions = html(elem_id="precisions", js_on_load=WATCH_PRECISIONS)
        with gr.Accordion("Advanced", open=False, elem_id="load-advanced"):
            base, model_class = advanced_choices()
        scale = html(elem_id="detail-scale")
        *parts, code_choice = detail_tabs()
    widgets = InspectorWidgets(
        head,
        retry,
        body,
        load_button,
        cancel,
        try_it,
        reason,
        report,
        precisions,
        base,
        model_class,
        scale,
        parts,
        code_choice,
    )
    inspect_events(service, page, widgets)
    load_events(service, page, widgets)


def inspect_events(service: AdapterService, page: Page, panel: InspectorWidgets) -> None:
    profile = gr.State()
    above = [panel.head, panel.retry, panel.body, panel.load, panel.reason, panel.report, panel.precisions]
    inspected = gr.on(
        [page.asked.change, panel.retry.click],
        partial(inspect, service),
        [page.asked, page.precision],
        [page.selected, profile, *above, panel.scale, *panel.parts],
        trigger_mode="always_last",
        **SETS_STATE,
    )
    # Who looks at an adapter is likely to load it, and the worker spends its first seconds on imports.
    inspected.success(service.warm, None, None, **INSTANT)
    inspected.failure(not_inspected, page.asked, [panel.head, panel.retry, panel.body], **INSTANT)
    panel.code_choice.input(code, [profile, panel.code_choice], panel.parts[-1], **INSTANT)


def load_events(service: AdapterService, page: Page, panel: InspectorWidgets) -> None:
    def choose(event: gr.EventData) -> tuple[str, Any, str]:
        return choose_precision(service, str(event.precision))

    shown = [panel.load, panel.cancel, panel.report]
    panel.precisions.pick(choose, None, [page.precision, panel.load, panel.reason], **SETS_STATE)
    loading = panel.load.click(
        partial(load, service),
        [page.selected, page.precision, panel.base, panel.model_class],
        shown,
        show_progress="hidden",
        **MODEL,
    )
    loading.failure(not_loaded, None, shown, **INSTANT)
    panel.cancel.click(not_loaded, None, shown, cancels=[loading], **INSTANT)
    panel.try_it.click(lambda: gr.Tabs(selected="generate"), None, page.tabs, **INSTANT)


def advanced_choices() -> tuple[gr.Textbox, gr.Dropdown]:
    """Another base than the adapter's own, and another class than its task's."""
    base = gr.Textbox(
        "", label="Base model", placeholder="the adapter's own", max_length=200, elem_id="load-base"
    )
    model_class = gr.Dropdown(
        ["", *dict.fromkeys(MODEL_CLASS_OF_TASK.values())],
        label="Model class",
        info="A class of transformers; empty means by the adapter's task.",
        allow_custom_value=True,
        value="",
        elem_id="load-class",
    )
    return base, model_class


def detail_tabs() -> list[gr.Component]:
    """Config, modules, files, card and code in the order of `inspect`; the choice of code is last."""
    with gr.Tabs(elem_id="detail-tabs"):
        with gr.Tab("Config"):
            config = html(elem_id="detail-config")
        with gr.Tab("Modules"):
            modules = html(elem_id="detail-modules")
        with gr.Tab("Files"):
            files = html(elem_id="detail-files")
        with gr.Tab("Card"):
            card = html(elem_id="detail-card")
        with gr.Tab("Code"):
            choice = gr.Radio(
                list(CODE_FOR), value="Plain", show_label=False, container=False, elem_id="code-choice"
            )
            snippet = gr.Code(language="python", interactive=False, show_label=False, elem_id="detail-code")
    return [config, modules, files, card, snippet, choice]


def inspect(service: AdapterService, ref: str, precision: str) -> Iterator[list[Any]]:
    """The outputs in the order of `inspect_events`: first a head with what is known, then everything."""
    if not ref:
        yield [
            Selection(),
            None,
            details.NOTHING_SELECTED,
            gr.skip(),
            gr.Column(visible=False),
            *[gr.skip()] * 10,
        ]
        return
    with shown_to_user():
        yield [gr.skip(), gr.skip(), details.waiting(ref), gr.Button(visible=False), *[gr.skip()] * 11]
        profile = service.inspect(ref)
        blocked = bool(profile.blockers)
        choices = service.precisions()
        yield [
            Selection.of(profile),
            profile,
            details.heading(profile),
            gr.Button(visible=False),
            gr.Column(visible=True),
            gr.Button(f"Load in {precision}", interactive=not blocked),
            details.reason(choices, precision),
            "",
            details.precision_choices(profile, choices, precision),
            details.scale(profile),
            details.config_table(service.explain(profile)),
            details.modules_table(profile),
            details.files_table(profile),
            card_of(profile),
            code(profile, "Plain"),
        ]


def card_of(profile: AdapterProfile) -> str:
    card = render_card(profile.card)
    return (
        f'<article class="card prose">{card}</article>'
        if card
        else empty("No card", "The author wrote no model card.")
    )


def code(profile: AdapterProfile | None, choice: str) -> str:
    """The program that loads the adapter elsewhere, for the chosen kind of weights."""
    if profile is None or profile.base is None:
        return ""
    if choice == "Plain" and profile.snippet:
        return profile.snippet
    return write_snippet(
        profile.ref, profile.base.id, profile.task_type, CODE_FOR[choice], profile.label_count
    )


def not_inspected(ref: str) -> tuple[Any, Any, Any]:
    message = "What it says could not be read."
    return details.failed(ref, message), gr.Button(visible=True), gr.Column(visible=False)


def choose_precision(service: AdapterService, asked: str) -> tuple[str, Any, str]:
    """The radio group's new value; what is not a precision of this machine is not taken."""
    choices = service.precisions()
    chosen = next(
        (choice.precision.value for choice in choices if choice.precision == asked),
        choices[0].precision.value,
    )
    return chosen, gr.Button(f"Load in {chosen}"), details.reason(choices, chosen)


def load(
    service: AdapterService, selected: Selection, precision: str, base: str, model_class: str
) -> Iterator[tuple[Any, Any, str]]:
    """Load with progress; closing the stream stops it."""
    shown, hidden = gr.Button(visible=True), gr.Button(visible=False)
    with shown_to_user():
        yield hidden, shown, progress(Progress("start", "Starting"))
        events = service.load(
            selected.ref, Precision(precision), base_model=base.strip(), model_class=model_class
        )
        for event in events:
            if isinstance(event, LoadReport):
                yield shown, hidden, details.load_report(event)
            else:
                yield hidden, shown, progress(event)


def not_loaded() -> tuple[Any, Any, str]:
    return (
        gr.Button(visible=True),
        gr.Button(visible=False),
        '<p class="hint">Stopped: nothing was loaded.</p>',
    )
