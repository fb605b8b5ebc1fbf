"""The selected adapter: what it is, whether it fits, and loading it. Right of the results.

Widgets and events; what the events do is in `handlers` and `loading`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import gradio as gr

from adapter_ui.domain import MODEL_CLASS_OF_TASK, AdapterProfile
from adapter_ui.service import AdapterService
from adapter_ui.ui.details import code, fit, heading
from adapter_ui.ui.newest import Newest
from adapter_ui.ui.page import EACH, INSTANT, LOOK_UP, MODEL, SETS_STATE, Page, html
from adapter_ui.ui.selected import handlers, loading
from adapter_ui.ui.visitor import for_visitor

WATCH_FOLDS = "adapterUI.folds(element, watch)"
WATCH_PRECISIONS = f"""adapterUI.precisions(element, (precision) => trigger('pick', {{precision}}), watch);
{WATCH_FOLDS}"""
WATCH_ROOM = "adapterUI.room(element, (room) => trigger('pick', room))"
WATCH_PLACES = "adapterUI.places(element, (ref) => trigger('pick', {ref}), () => trigger('open'))"


@dataclass(frozen=True)
class Panel:
    """The widgets that an inspection fills, by the names of `handlers.Shown`'s fields."""

    head: gr.HTML
    retry: gr.Button
    body: gr.Column
    load: gr.Button
    try_it: gr.Button
    reason: gr.HTML
    report: gr.HTML
    precisions: gr.HTML
    matrix: gr.HTML
    scale: gr.HTML
    xray: gr.HTML
    config: gr.HTML
    places: gr.HTML
    files: gr.HTML
    card: gr.HTML
    code_note: gr.HTML
    code: gr.Code
    base: gr.Textbox
    model_class: gr.Dropdown


@dataclass(frozen=True)
class Choices:
    """The widgets that a person sets: the room for the fit, the code, and Cancel."""

    room: gr.HTML
    code: gr.Radio
    cancel: gr.Button


@dataclass(frozen=True)
class Known:
    """What the panel remembers: the profile on screen (None while one is read), the room to fit in, what it
    was drawn for, and which inspection is the newest.
    """

    profile: gr.State
    room: gr.State
    drawn_for: gr.State
    newest: gr.State


def inspector(service: AdapterService, page: Page) -> None:
    """Build the panel and its events; it follows `page.asked` and sets `page.selected`."""
    known = Known(gr.State(), gr.State(fit.USUAL), gr.State(), gr.State(Newest()))
    panel, choices = build_panel()
    inspect_events(service, page, panel, choices, known)
    choice_events(service, page, panel, choices, known)
    load_events(service, page, panel, choices, known)


def build_panel() -> tuple[Panel, Choices]:
    head = html(heading.NOTHING_SELECTED, elem_id="detail-head")
    retry = gr.Button("Try again", size="sm", visible=False, elem_id="detail-retry")
    with gr.Column(visible=False, elem_id="detail-body") as body:
        with gr.Row(elem_id="load-row", equal_height=True):
            load = gr.Button("Load", variant="primary", scale=2, elem_id="load-button")
            cancel = gr.Button("Cancel", variant="stop", scale=2, visible=False, elem_id="load-cancel")
            try_it = gr.Button("Try it", scale=1, min_width=80, elem_id="try-button")
        reason = html(elem_id="precision-reason")
        report = html(elem_id="load-status")
        room = html(fit.fit_controls(), elem_id="fit-room", js_on_load=WATCH_ROOM)
        precisions = html(elem_id="precisions", js_on_load=WATCH_PRECISIONS)
        matrix = html(elem_id="fit-matrix", js_on_load=WATCH_FOLDS)
        with gr.Accordion("Another base or model class", open=False, elem_id="load-advanced"):
            base, model_class = advanced_choices()
        scale = html(elem_id="detail-scale")
        parts, code_choice = detail_tabs()
    above = (head, retry, body, load, try_it, reason, report, precisions, matrix, scale)
    return Panel(*above, *parts, base, model_class), Choices(room, code_choice, cancel)


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


def detail_tabs() -> tuple[list[gr.Component], gr.Radio]:
    """X-ray, config, places, files, card, note and code in the order of Panel; and the choice of code."""
    with gr.Tabs(elem_id="detail-tabs"):
        with gr.Tab("X-ray"):
            xray = html(elem_id="detail-modules")
        with gr.Tab("Config"):
            config = html(elem_id="detail-config")
        with gr.Tab("Files"):
            places = html(elem_id="detail-places", js_on_load=WATCH_PLACES)
            files = html(elem_id="detail-files")
        with gr.Tab("Card"):
            card = html(elem_id="detail-card")
        with gr.Tab("Code"):
            choice = gr.Radio(
                list(code.CHOICES),
                value=code.CHOICES[0],
                show_label=False,
                container=False,
                elem_id="code-choice",
                elem_classes="segmented",
            )
            note = html(elem_id="code-note")
            snippet = gr.Code(language="python", interactive=False, show_label=False, elem_id="detail-code")
    return [xray, config, places, files, card, note, snippet], choice


def inspect_events(service: AdapterService, page: Page, panel: Panel, choices: Choices, known: Known) -> None:
    shown = [getattr(panel, part.name) for part in fields(Panel)]
    everything = [page.selected, known.profile, known.drawn_for, *shown]
    wanted = [page.precision, known.room, choices.code]
    inspected = gr.on(
        [page.asked.change, panel.retry.click],
        partial(handlers.inspect, service),
        [known.newest, page.asked, page.chosen, *wanted],
        everything,
        **EACH,  # none waits for a Hub that is slow with the one before
        **SETS_STATE,
    )
    chosen = gr.on(
        # a name being typed is no choice yet
        [panel.base.blur, panel.base.submit, panel.model_class.input],
        partial(handlers.choose_model, service),
        [known.newest, known.profile, page.chosen, panel.base, panel.model_class, *wanted],
        [page.chosen, *everything],
        trigger_mode="always_last",
        **SETS_STATE,
    )
    # Who looks at an adapter is likely to load it, and the worker spends its first seconds on imports.
    inspected.success(partial(handlers.warm, service), known.profile, None, **INSTANT)
    for event in (inspected, chosen):
        event.failure(handlers.not_inspected, page.asked, [known.profile, panel.head, panel.retry], **INSTANT)
    # Precision, room and code may have been chosen anew while the adapter was read.
    for trigger in (known.room.change, inspected.success, chosen.success):
        trigger(
            partial(handlers.catch_up, service),
            [known.newest, known.profile, page.selected, known.drawn_for, *wanted],
            [known.drawn_for, *(getattr(panel, name) for name in handlers.Drawn._fields[1:])],
            trigger_mode="always_last",
            **SETS_STATE,
        )


def choice_events(service: AdapterService, page: Page, panel: Panel, choices: Choices, known: Known) -> None:
    def choose_room(event: gr.EventData) -> tuple[int, int]:
        return handlers.choose_room(event.context, event.arms)

    def choose_place(event: gr.EventData) -> str:
        return str(event.ref)

    choices.room.pick(choose_room, None, known.room, **SETS_STATE, **EACH)
    shown_code = [panel.code_note, panel.code]
    choices.code.input(
        handlers.choose_code, [known.profile, page.selected, choices.code], shown_code, **INSTANT
    )
    panel.places.pick(choose_place, None, page.asked, **SETS_STATE, **EACH)
    listed = panel.places.open(
        partial(handlers.revisions, service),
        [known.newest, known.profile],
        panel.places,
        show_progress="hidden",
        **LOOK_UP,
    )
    listed.failure(handlers.no_revisions, known.profile, panel.places, **INSTANT)


def load_events(service: AdapterService, page: Page, panel: Panel, choices: Choices, known: Known) -> None:
    def choose(profile: AdapterProfile | None, event: gr.EventData) -> tuple[str, Any, Any, str]:
        return loading.choose_precision(service, profile, str(event.precision))

    shown = [panel.load, choices.cancel, panel.report]
    follows = [page.precision, panel.load, panel.try_it, panel.reason]
    panel.precisions.pick(choose, known.profile, follows, **SETS_STATE, **EACH)
    started = panel.load.click(
        for_visitor(service, loading.load),
        [page.selected, page.precision, panel.base, panel.model_class],
        shown,
        show_progress="hidden",
        **MODEL,
    )
    for trigger in (started.success, page.tabs.change):  # other tabs load and unload, too
        trigger(
            partial(loading.draw_again, service),
            [known.newest, known.profile, page.precision, known.room],
            panel.precisions,
            show_progress="hidden",
            **LOOK_UP,
        )
    started.failure(loading.not_loaded, panel.report, shown, **INSTANT)
    choices.cancel.click(loading.stopped, None, shown, cancels=[started], **INSTANT)
    panel.try_it.click(lambda: gr.Tabs(selected="generate"), None, page.tabs, **INSTANT)
