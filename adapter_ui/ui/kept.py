"""What the visitor's browser keeps of a form over a reload: the values of its fields, by their names.

Anyone can write there: what does not fit its field is left out.
"""

from __future__ import annotations

import json
from typing import Any

import gradio as gr
from gradio.events import Dependency

from adapter_ui.ui.page import INSTANT

LONGEST_VALUE = 4_000
MOST_KEPT_TEXT = 200_000


def keep(form: str, kept: gr.BrowserState, fields: dict[str, gr.Component], changes: list[Any]) -> None:
    gr.on(changes, None, [kept, *fields.values()], kept, js=script(form, fields), **INSTANT)


def keep_after(form: str, event: Dependency, kept: gr.BrowserState, fields: dict[str, gr.Component]) -> None:
    event.then(None, [kept, *fields.values()], kept, js=script(form, fields), **INSTANT)


def keep_from_now(form: str, back: Dependency) -> None:
    """Until `back` has restored the form, what was kept before stays."""
    back.then(None, None, None, js=f"() => adapterUI.keepFromNow('{form}')", api_visibility="private")


def script(form: str, fields: dict[str, gr.Component]) -> str:
    """What was kept before, until the form is restored from it; then the values by their names."""
    names = json.dumps(list(fields))
    return f"(kept, ...values) => adapterUI.keep('{form}', kept, {names}, values, {MOST_KEPT_TEXT})"


def fitting(fields: dict[str, gr.Component], kept: object) -> dict[str, Any]:
    """What was kept, as far as the fields can hold it."""
    values = kept if isinstance(kept, dict) else {}
    return {
        name: values[name] for name, field in fields.items() if name in values and fits(field, values[name])
    }


def fits(field: gr.Component, value: object) -> bool:
    if isinstance(field, gr.Dropdown):
        return isinstance(value, str) and value in [choice for _, choice in field.choices]
    if isinstance(field, gr.Checkbox):
        return isinstance(value, bool)
    if isinstance(field, gr.Slider):
        return is_number(value) and field.minimum <= value <= field.maximum
    if isinstance(field, gr.Number):
        return is_number(value)
    return isinstance(value, str) and len(value) <= (field.max_length or LONGEST_VALUE)


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
