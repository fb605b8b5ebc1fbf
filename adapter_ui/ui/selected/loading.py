"""What the panel's events do when an adapter is loaded: choose the precision, load with progress, stop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr
from markupsafe import Markup

from adapter_ui.domain import AdapterProfile, Level, LoadReport, Precision, Progress
from adapter_ui.service import AdapterService
from adapter_ui.ui.details import precisions
from adapter_ui.ui.details.load_report import load_report
from adapter_ui.ui.errors import shown_to_user, staying
from adapter_ui.ui.markup import at_rest, notice, progress
from adapter_ui.ui.newest import Newest
from adapter_ui.ui.selected.handlers import KEPT, ready
from adapter_ui.ui.state import Selection

STOPPED = Markup('<p class="hint">Stopped: nothing was loaded.</p>')


def choose_precision(
    service: AdapterService, profile: AdapterProfile | None, asked: str
) -> tuple[str, Any, Any, str]:
    """The radio group's new value; what is not a precision of this machine is not taken."""
    choices = service.precisions()
    chosen = next(
        (choice.precision.value for choice in choices if choice.precision == asked),
        choices[0].precision.value,
    )
    return chosen, *ready(profile, choices, chosen)


def load(
    service: AdapterService,
    selected: Selection,
    precision: str,
    base: str,
    model_class: str | None,
    *,
    visitor: str = "",
) -> Iterator[tuple[Any, Any, str]]:
    """Load with progress; closing the stream stops it. Each step names the adapter, for another one may be
    on screen by then.
    """

    def refused(sentence: str) -> tuple[Any, Any, str]:
        return *buttons(loading=False), notice(f"{selected.ref} was not loaded. {sentence}", Level.BLOCKER)

    model = {"base_model": base.strip(), "model_class": (model_class or "").strip()}
    yield from staying(steps_of_load(service, selected.ref, precision, model, visitor), refused)


def steps_of_load(
    service: AdapterService, ref: str, precision: str, model: dict[str, str], visitor: str
) -> Iterator[tuple[Any, Any, str]]:
    yield *buttons(loading=True), step_of(ref, Progress("start", "Starting"))
    for event in service.load(ref, Precision(precision), **model, visitor=visitor):
        if isinstance(event, LoadReport):
            yield *buttons(loading=False), load_report(event)
        else:
            yield *buttons(loading=True), step_of(ref, event)


def draw_again(
    service: AdapterService, newest: Newest, profile: AdapterProfile | None, precision: str, room: Any
) -> Iterator[Any]:
    """The precisions as they fit by now: another of them may be in memory, and what was unloaded is not."""

    def steps() -> Iterator[Any]:
        with shown_to_user():
            found = service.fit(profile, *room) if profile else None
        if profile:
            yield precisions.precision_choices(profile, service.precisions(), precision, found)
        else:
            yield KEPT

    yield from newest.go_on(steps(), KEPT)


def step_of(ref: str, step: Progress) -> str:
    return progress(replace(step, message=f"{step.message} · {ref}"))


def buttons(*, loading: bool) -> tuple[Any, Any]:
    """Load and Cancel."""
    return gr.Button(visible=not loading), gr.Button(visible=loading)


def stopped() -> tuple[Any, Any, str]:
    return *buttons(loading=False), STOPPED


def not_loaded(report: str) -> tuple[Any, Any, str]:
    """After an error, which the report says, and after Cancel, when a step may have come late."""
    return *buttons(loading=False), at_rest(report, STOPPED)
