"""What the tabs share: the selected adapter, the precision, the tab in front, and how events are run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

LOOK_UP: dict[str, Any] = {
    "concurrency_limit": 16,
    "concurrency_id": "page-look-ups",
    "api_visibility": "private",
}
"""Events that only look something up."""
MODEL: dict[str, Any] = {"concurrency_limit": 8, "concurrency_id": "page-models", "api_visibility": "private"}
"""Events that use a model; the service decides what really runs at once."""
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
INSTANT: dict[str, Any] = {"queue": False, **QUIET}
"""Events that answer within milliseconds: not queued, no overlay. They must not set a gr.State that others
listen to: only queued events tell the browser that a state has changed."""
SETS_STATE: dict[str, Any] = {**LOOK_UP, **QUIET}
"""Events that answer at once and set a gr.State that others listen to."""


def html(value: Any = "", **options: Any) -> gr.HTML:
    """A piece of our own markup, without the styles that Gradio gives to prose."""
    return gr.HTML(value, apply_default_css=False, **options)


@dataclass(frozen=True)
class Page:
    """`asked` is the ref that somebody wants to see; `selected` the Selection that came of it.

    `chosen_class` is the ChosenClass that the visitor set last. `precision` holds a Precision's value. The
    visitor's browser keeps the conversations, `kept`, and of a fine-tune being prepared `kept_rows` and
    `kept_recipe`. `load` registers what happens when the page opens.
    """

    asked: gr.State
    selected: gr.State
    chosen_class: gr.State
    precision: gr.State
    kept: gr.BrowserState
    kept_rows: gr.BrowserState
    kept_recipe: gr.BrowserState
    tabs: gr.Tabs
    load: Callable[..., Any]
