"""Step 2: the recipe. A field of the form is a field of the recipe, by its name, with its default; the
default of some follows the situation, and those stand empty until somebody fills them.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr

from adapter_ui.training.methods import OWN_FIELDS, strange_fields
from adapter_ui.ui.page import INSTANT, Page
from adapter_ui.ui.state import Selection
from adapter_ui.ui.tuning.fields import choice, following_choice, following_number, number
from adapter_ui.ui.tuning.method import method_choice, method_details, method_fields, method_sizes
from adapter_ui.ui.tuning.targets import TargetChoice, target_choice
from adapter_ui.ui.tuning.wording import WordingForm, wording_form

FIRST_BASE = "HuggingFaceTB/SmolLM2-135M-Instruct"


def recipe_step(page: Page) -> tuple[dict[str, gr.Component], TargetChoice, WordingForm, gr.Button]:
    """Build the step; gives the fields by their names in the recipe, the modules to choose from, the form for
    templates, and the button that goes on.
    """
    with gr.Row():
        name = gr.Textbox(
            "", label="Name", placeholder="what you will call it", max_length=100, elem_id="recipe-name"
        )
        base = gr.Textbox(FIRST_BASE, label="Base model", max_length=200, elem_id="recipe-base")
    proceed = gr.Textbox(
        "",
        label="Adapter to train further (optional)",
        info="Its method, rank and targets are kept; what is said of them below does not count.",
        placeholder="none",
        max_length=400,
        elem_id="recipe-adapter",
    )
    take = gr.Button("Take the selected adapter", size="sm", elem_id="recipe-take")
    method = method_choice()
    with gr.Row():
        sizes = method_sizes()
        rate = following_number("learning_rate", "Learning rate")
        epochs = following_number("num_train_epochs", "Epochs")
    fields = {
        "name": name,
        "base_model": base,
        "adapter": proceed,
        "method": method,
        **sizes,
        "learning_rate": rate,
        "num_train_epochs": epochs,
    }
    wording = wording_form()
    more, targets = more_fields()
    fields |= wording.fields | more
    onward = gr.Button("Check it", variant="primary", elem_id="recipe-next")
    own = [name for name in fields if name in OWN_FIELDS]
    method.input(partial(method_fields, own), method, [method, *(fields[name] for name in own)], **INSTANT)
    take.click(taken, page.selected, [proceed, base], **INSTANT)
    return fields, targets, wording, onward


def more_fields() -> tuple[dict[str, gr.Component], TargetChoice]:
    """What few people change, folded away."""
    fields: dict[str, gr.Component] = {}
    with gr.Accordion("More", open=False, elem_id="recipe-more"):
        fields |= method_details()
        targets = target_choice()
        with gr.Row():
            fields["max_steps"] = number("max_steps", "Most steps", precision=0)
            fields["per_device_train_batch_size"] = following_number("per_device_train_batch_size", "Batch")
            fields["gradient_accumulation_steps"] = number(
                "gradient_accumulation_steps", "Accumulate", precision=0
            )
            fields["max_length"] = number("max_length", "Longest row", precision=0)
        with gr.Row():
            fields["lr_scheduler_type"] = choice(
                "lr_scheduler_type", "Schedule", ["linear", "cosine", "constant", "constant_with_warmup"]
            )
            fields["warmup_ratio"] = number("warmup_ratio", "Warm-up")
            fields["weight_decay"] = number("weight_decay", "Weight decay")
            fields["validation_fraction"] = following_number("validation_fraction", "Validation share")
        with gr.Row():
            fields["precision"] = following_choice("precision", "Precision")
            fields["train_sampling_strategy"] = following_choice("train_sampling_strategy", "Batches")
            fields["seed"] = number("seed", "Seed", precision=0)
    return fields, targets


def taken(selected: Selection) -> tuple[Any, Any]:
    """The selected adapter and its base, in the fields for them."""
    return (selected.ref, selected.base) if selected.ref else (gr.skip(), gr.skip())


def recipe_of(names: list[str], values: list[Any], task: str, columns: dict[str, str]) -> dict[str, Any]:
    """The recipe as the service takes it. What was left empty is left out, so that its default holds, and so
    are the fields that the page hides: those of other methods.
    """
    filled = {name: value for name, value in zip(names, values, strict=True) if value not in ("", None)}
    hidden = strange_fields(filled.get("method", "LORA"))
    if filled.get("adapter"):
        hidden = {"base_model", "method", *OWN_FIELDS}  # the adapter says them itself
    for name in hidden:
        filled.pop(name, None)
    return {**filled, "task_type": task, "columns": columns}
