"""The widgets of the recipe's fields: each has its field's default and explains it."""

from __future__ import annotations

import gradio as gr

from adapter_ui.training.recipe import FIELD_HELP, Recipe

DEFAULTS = {name: field.default for name, field in Recipe.model_fields.items()}


def number(field: str, label: str, precision: int | None = None, visible: bool = True) -> gr.Number:
    return gr.Number(
        DEFAULTS[field],
        label=label,
        info=FIELD_HELP[field],
        precision=precision,
        min_width=140,
        visible=visible,
        elem_id=element_id(field),
    )


def choice(field: str, label: str, choices: list[str], visible: bool = True) -> gr.Dropdown:
    return gr.Dropdown(
        choices,
        value=shown_value(DEFAULTS[field]),
        label=label,
        info=FIELD_HELP[field],
        min_width=140,
        visible=visible,
        elem_id=element_id(field),
    )


def checkbox(field: str, label: str, visible: bool = True) -> gr.Checkbox:
    return gr.Checkbox(
        DEFAULTS[field],
        label=label,
        info=FIELD_HELP[field],
        min_width=150,
        visible=visible,
        elem_id=element_id(field),
    )


def module_list(field: str, label: str, placeholder: str, visible: bool = True) -> gr.Textbox:
    return gr.Textbox(
        "",
        label=label,
        info=FIELD_HELP[field],
        placeholder=placeholder,
        max_length=4000,
        visible=visible,
        elem_id=element_id(field),
    )


def shown_value(default: object) -> str:
    """A dropdown's choices are words: PEFT's True is “true”."""
    return "true" if default is True else str(default)


def element_id(field: str) -> str:
    return f"recipe-{field.replace('_', '-')}"
