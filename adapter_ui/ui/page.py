"""What the tabs share: the selected adapter, the precision, the tab in front, and how events are run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from adapter_ui.admission import MOST_ERRANDS, MOST_REQUESTS

LOOK_UP: dict[str, Any] = {
    "concurrency_limit": 16,
    "concurrency_id": "page-look-ups",
    "api_visibility": "private",
}
"""Events that only look something up."""
MODEL_SLOTS = MOST_REQUESTS + MOST_ERRANDS + 16
"""As many as the service takes at once, and room for those whom it refuses."""
MODELS: dict[str, Any] = {"concurrency_limit": MODEL_SLOTS, "concurrency_id": "models"}
MODEL: dict[str, Any] = {**MODELS, "api_visibility": "private"}
"""Events that use a model, or may take long; the service decides what really runs at once, and says so. One
line with the endpoints: in a line of Gradio's own, people would wait without being told.
"""
CHECK: dict[str, Any] = {
    "concurrency_limit": 4,
    "concurrency_id": "checks",
    "api_visibility": "private",
}
"""Events that start a process to look at a model, one after the other; the overlay shows the place."""
MOST_THREADS = MODEL_SLOTS + 80
"""Every event that runs has a thread: those of models, twice 16 look-ups, checks, and instant ones."""
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
INSTANT: dict[str, Any] = {"queue": False, **QUIET}
"""Events that answer within milliseconds: not queued, no overlay. They must not set a gr.State that others
listen to: only queued events tell the browser that a state has changed."""
SETS_STATE: dict[str, Any] = {**LOOK_UP, **QUIET}
"""Events that answer at once and set a gr.State that others listen to."""
EACH: dict[str, Any] = {"trigger_mode": "multiple"}
"""For every event of our own markup that carries what was picked. While one is on its way, "once", which is
what Gradio does unasked, drops the next, and "always_last" sends the data of the first again."""


def html(value: Any = "", **options: Any) -> gr.HTML:
    """A piece of our own markup, without the styles that Gradio gives to prose."""
    return gr.HTML(value, apply_default_css=False, **options)


@dataclass(frozen=True)
class Page:
    """`asked` is the ref that somebody wants to see; `selected` the Selection that came of it.

    `chosen` is the Chosen that the visitor set last. `precision` holds a Precision's value. The
    visitor's browser keeps the conversations, `kept`, the system prompt and the sampling, `kept_settings`,
    and of a fine-tune being prepared `kept_rows` and `kept_recipe`. `load` registers what happens when the
    page opens.
    """

    asked: gr.State
    selected: gr.State
    chosen: gr.State
    precision: gr.State
    kept: gr.BrowserState
    kept_rows: gr.BrowserState
    kept_recipe: gr.BrowserState
    kept_settings: gr.BrowserState
    tabs: gr.Tabs
    load: Callable[..., Any]
