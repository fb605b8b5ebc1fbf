"""The base's linear modules to choose from, and what the choice trains, beside the field of the names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from markupsafe import Markup

from adapter_ui.domain.modules import LinearModules
from adapter_ui.errors import InvalidRecipe
from adapter_ui.service import AdapterService
from adapter_ui.training.defaults import RowFacts
from adapter_ui.training.methods import METHODS
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.trainable import trainable_parameters
from adapter_ui.ui import format
from adapter_ui.ui.markup import fill
from adapter_ui.ui.page import INSTANT, LOOK_UP, html

ALL = "all-linear"
RecipeOf = Callable[[tuple[Any, ...]], dict[str, Any]]
# The fields that decide what is offered and counted. A base is looked up once its field is left.
DECIDING = (
    *("method", "r", "init_r", "use_dora", "bias", "target_modules", "trainable_tokens", "adapter"),
    *("decompose_both", "decompose_factor", "oft_block_size", "feedforward_modules", "num_virtual_tokens"),
    *("encoder_reparameterization_type", "encoder_hidden_size"),
)


@dataclass(frozen=True)
class TargetChoice:
    """The modules by name, the two quick choices, and the line that says what is trained."""

    modules: gr.CheckboxGroup
    quick: gr.Row
    usual: gr.Button
    every: gr.Button
    trained: gr.HTML


def target_choice() -> TargetChoice:
    modules = gr.CheckboxGroup(
        [], label="Linear modules of this base", visible=False, elem_id="recipe-modules"
    )
    with gr.Row(elem_id="recipe-quick-targets") as quick:
        usual = gr.Button("PEFT's choice", size="sm", scale=0, min_width=120, elem_id="recipe-usual")
        every = gr.Button("All linear", size="sm", scale=0, min_width=120, elem_id="recipe-all-linear")
    line = html(trained_line(None, None), elem_id="recipe-trained")
    return TargetChoice(modules, quick, usual, every, line)


def target_events(
    service: AdapterService,
    recipe_of: RecipeOf,
    deciding: list[gr.Component],
    fields: dict[str, gr.Component],
    choice: TargetChoice,
    rows: gr.State,
    shown: Callable[..., Any],
) -> None:
    """Draw modules and count anew after each change that decides them, and when the step is `shown`. What is
    known of the `rows` follows a moment later.
    """
    targets = fields["target_modules"]
    changes = [fields[name].change for name in DECIDING]
    inputs = [rows, *deciding]
    drawn = (partial(draw, service, recipe_of), inputs, [choice.modules, choice.quick, choice.trained])
    quiet = {"trigger_mode": "always_last", "show_progress": "hidden", **LOOK_UP}
    gr.on([shown, rows.change, fields["base_model"].blur, *changes], *drawn, **quiet)
    choice.modules.input(", ".join, choice.modules, targets, **INSTANT)
    choice.usual.click(lambda: "", None, targets, **INSTANT)
    choice.every.click(lambda: ALL, None, targets, **INSTANT)


def draw(
    service: AdapterService, recipe_of: RecipeOf, rows: RowFacts, *values: Any
) -> tuple[Any, Any, Markup]:
    """What cannot be drawn yet is left out: half a recipe is no error before the check."""
    try:
        recipe = Recipe.parse(recipe_of(values))
    except InvalidRecipe:
        return gr.CheckboxGroup(visible=False), gr.skip(), trained_line(None, None)
    on_linear = takes_modules(recipe)
    known = service.catalog.base_modules(recipe.base_model) if on_linear else ()
    targets = recipe.target_modules
    ticked = [one.name for one in known if targets == ALL or one.name in targets]
    offered = [(worded(one), one.name) for one in known]
    count, whole = None, None
    if recipe.base_model and not recipe.adapter:
        base = service.catalog.base_facts(recipe.base_model)
        count, whole = trainable_parameters(recipe, known, base, rows.labels), base.parameters
    modules = gr.CheckboxGroup(offered, value=ticked, visible=bool(known))
    return modules, gr.Row(visible=on_linear), trained_line(count, whole)


def takes_modules(recipe: Recipe) -> bool:
    """A method that sits on linear modules, and a base that the recipe names itself."""
    on_linear = "target_modules" in METHODS[recipe.method].defaults and recipe.method != "LN_TUNING"
    return on_linear and not recipe.adapter


def worded(modules: LinearModules) -> str:
    """q_proj · 30 × 576→192"""
    sizes = set(modules.sizes)
    inputs, outputs = modules.sizes[0]
    size = f"{inputs:,}→{outputs:,}" if len(sizes) == 1 else "of several sizes"
    return f"{modules.name} · {len(modules.sizes)} × {size}"


def trained_line(count: int | None, whole: int | None) -> Markup:
    if count is None:
        return Markup('<p class="trained">The check counts what this recipe trains.</p>')
    share = f", {format.share(count / whole)} of the base’s" if whole else ""
    return fill(
        '<p class="trained">Trains <b>{count}</b> parameters{share}.</p>', count=f"{count:,}", share=share
    )
