"""The widgets of the recipe's fields: each has its field's default and explains it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import gradio as gr

from adapter_ui.domain import Precision
from adapter_ui.training.recipe import FIELD_HELP, Recipe

DEFAULTS = {name: field.default for name, field in Recipe.model_fields.items()}
FOLLOWING: Mapping[str, tuple[str, ...]] = {
    "learning_rate": (),
    "num_train_epochs": (),
    "per_device_train_batch_size": (),
    "validation_fraction": (),
    "precision": tuple(precision.value for precision in Precision),
    "train_sampling_strategy": ("random", "group_by_length"),
}
"""The fields that are left empty for a default that follows the situation, with what is there to choose."""


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


def following_number(field: str, label: str) -> gr.Textbox:
    """A field of text, since Gradio's own for numbers cannot be empty: it shows a 0 then."""
    return gr.Textbox(
        "",
        label=label,
        info=FIELD_HELP[field],
        placeholder=f"{DEFAULTS[field]:g}",
        max_lines=1,
        max_length=40,
        min_width=140,
        elem_id=element_id(field),
    )


def following_choice(field: str, label: str) -> gr.Dropdown:
    return gr.Dropdown(
        following_choices(FOLLOWING[field], str(DEFAULTS[field])),
        value="",
        label=label,
        info=FIELD_HELP[field],
        min_width=140,
        elem_id=element_id(field),
    )


def following_choices(choices: Sequence[str], default: object) -> list[tuple[str, str]]:
    """The default first, which stands for the field being empty."""
    return [(f"{default} (default)", ""), *((name, name) for name in choices)]


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
