"""The method of the recipe: the choice of one, and the fields that each method has and the page shows."""

from __future__ import annotations

from typing import Any

import gradio as gr

from adapter_ui.training.methods import METHODS
from adapter_ui.training.recipe import defaults_of
from adapter_ui.ui.tuning.fields import checkbox, choice, module_list, number, shown_value

FIRST = "LORA"


def method_choice() -> gr.Dropdown:
    return gr.Dropdown(
        [(method.title, name) for name, method in METHODS.items()],
        value=FIRST,
        label="Method",
        info=METHODS[FIRST].summary,
        elem_id="recipe-method",
    )


def method_sizes() -> dict[str, gr.Component]:
    """What decides how much an adapter can learn; goes beside the learning rate."""
    return {
        "r": number("r", "Rank", precision=0, visible=at_first("r")),
        "lora_alpha": number("lora_alpha", "Alpha", visible=at_first("lora_alpha")),
        "init_r": number("init_r", "First rank", precision=0, visible=at_first("init_r")),
        "target_r": number("target_r", "Kept rank", precision=0, visible=at_first("target_r")),
        "alpha": number("alpha", "Alpha", precision=0, visible=at_first("alpha")),
        "oft_block_size": number(
            "oft_block_size", "Block size", precision=0, visible=at_first("oft_block_size")
        ),
        "num_virtual_tokens": number(
            "num_virtual_tokens", "Virtual tokens", precision=0, visible=at_first("num_virtual_tokens")
        ),
    }


def method_details() -> dict[str, gr.Component]:
    """The rest of every method's fields, those of the first method in view."""
    fields: dict[str, gr.Component] = {}
    with gr.Row():
        for name, label in NUMBERS.items():
            fields[name] = number(name, label, visible=at_first(name))
        for name, (label, choices) in CHOICES.items():
            fields[name] = choice(name, label, choices, visible=at_first(name))
    with gr.Row():
        for name, label in CHECKBOXES.items():
            fields[name] = checkbox(name, label, visible=at_first(name))
    for name, (label, example) in MODULE_LISTS.items():
        fields[name] = module_list(name, label, example, visible=at_first(name))
    return fields


NUMBERS = {
    "lora_dropout": "Dropout",
    "rank_dropout": "Rank dropout",
    "module_dropout": "Module dropout",
    "vera_dropout": "Dropout",
    "miss_dropout": "Dropout",
    "d_initial": "First vector",
    "orth_reg_weight": "Right angles",
    "decompose_factor": "Factor",
    "encoder_hidden_size": "Network width",
}
CHOICES = {
    "bias": ("Bias", ["none", "all", "lora_only"]),
    "init_lora_weights": (
        "Start",
        ["true", "gaussian", "orthogonal", "pissa", "pissa_niter_16", "olora", "mica"],
    ),
    "encoder_reparameterization_type": ("Network", ["MLP", "LSTM"]),
}
CHECKBOXES = {"use_rslora": "rsLoRA", "use_dora": "DoRA", "decompose_both": "Split both factors"}
# The last is followed by the modules to choose from.
MODULE_LISTS = {
    "trainable_tokens": ("Trained tokens", "<|user|>, <|assistant|>"),
    "feedforward_modules": ("Feedforward modules", "down_proj"),
    "target_modules": ("Target modules", "q_proj, v_proj, or all-linear"),
}


def at_first(field: str) -> bool:
    return field in METHODS[FIRST].defaults


def method_fields(names: list[str], method: str) -> list[Any]:
    """The dropdown with the method's summary, then each field: shown with the method's default, or hidden."""
    defaults = defaults_of(method)
    shown = [
        gr.update(visible=True, value=page_value(name, defaults[name]))
        if name in defaults
        else gr.update(visible=False)
        for name in names
    ]
    return [gr.update(info=METHODS[method].summary), *shown]


def page_value(name: str, default: Any) -> Any:
    """A recipe's default as its widget holds it."""
    if name in CHOICES:
        return shown_value(default)
    return ", ".join(default) if name in MODULE_LISTS else default
