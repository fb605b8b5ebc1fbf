"""What the panel's events do when an adapter is loaded: choose the precision, load with progress, stop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from adapter_ui.domain import AdapterProfile, LoadReport, Precision, Progress
from adapter_ui.service import AdapterService
from adapter_ui.ui.details.load_report import load_report
from adapter_ui.ui.errors import shown_to_user
from adapter_ui.ui.markup import progress
from adapter_ui.ui.selected.handlers import ready
from adapter_ui.ui.state import Selection


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
    """Load with progress; closing the stream stops it."""
    shown, hidden = gr.Button(visible=True), gr.Button(visible=False)
    with shown_to_user():
        yield hidden, shown, progress(Progress("start", "Starting"))
        events = service.load(
            selected.ref,
            Precision(precision),
            base_model=base.strip(),
            model_class=(model_class or "").strip(),
            visitor=visitor,
        )
        for event in events:
            if isinstance(event, LoadReport):
                yield shown, hidden, load_report(event)
            else:
                yield hidden, shown, progress(event)


def not_loaded() -> tuple[Any, Any, str]:
    return (
        gr.Button(visible=True),
        gr.Button(visible=False),
        '<p class="hint">Stopped: nothing was loaded.</p>',
    )
