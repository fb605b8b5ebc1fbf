"""Fields of a recipe that are right alone and wrong together, each with its sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_ui.errors import InvalidRecipe
from adapter_ui.training.methods import METHODS, STARTS_THAT_READ_THE_BASE
from adapter_ui.training.prompt_template import refuse_bad_template

if TYPE_CHECKING:
    from adapter_ui.training.recipe import Recipe


def refuse_bad_combinations(recipe: Recipe) -> None:
    """Fields that are right alone and wrong together."""
    if recipe.adapter and (why := METHODS[recipe.method].ends_with_its_run):
        raise InvalidRecipe(
            f"An adapter of {METHODS[recipe.method].title} cannot be trained further: {why}; leave adapter "
            "out and train a new one.",
            field="adapter",
        )
    if recipe.precision.has_4_bits and not METHODS[recipe.method].fits_four_bits:
        raise InvalidRecipe(
            f"{recipe.method} cannot be trained on a base in {recipe.precision}; use int8 or bf16.",
            field="precision",
        )
    tasks = METHODS[recipe.method].tasks
    if recipe.task_type not in tasks:
        raise InvalidRecipe(
            f"{recipe.method} cannot be trained for {recipe.task_type} here, only for "
            f"{' and '.join(sorted(tasks))}; choose another method.",
            field="method",
        )
    refuse_bad_template(recipe)
    refuse_bad_ranks(recipe)
    refuse_bad_starts(recipe)
    if recipe.task_type != "CAUSAL_LM" and not recipe.completion_only_loss:
        raise InvalidRecipe(
            f"completion_only_loss is for CAUSAL_LM, and task_type is {recipe.task_type}; leave it out.",
            field="completion_only_loss",
        )
    unscaled = set(recipe.feedforward_modules) - set(recipe.target_modules)
    if recipe.target_modules != "all-linear" and unscaled:
        raise InvalidRecipe(
            f"feedforward_modules names {min(unscaled)}, which target_modules does not; name it in both.",
            field="feedforward_modules",
        )


def refuse_bad_ranks(recipe: Recipe) -> None:
    if recipe.init_lora_weights == "orthogonal" and recipe.r % 2:
        raise InvalidRecipe(f"The orthogonal start needs an even rank, and r is {recipe.r}.", field="r")
    if recipe.method == "ADALORA" and recipe.target_r >= recipe.init_r:
        raise InvalidRecipe(
            f"target_r is {recipe.target_r} and init_r {recipe.init_r}, so there is no rank to take away; "
            "lower target_r.",
            field="target_r",
        )


def refuse_bad_starts(recipe: Recipe) -> None:
    """A start that reads the base's weights, or takes the adapter's part out of them."""
    start = recipe.init_lora_weights
    if start not in STARTS_THAT_READ_THE_BASE:
        return
    if recipe.precision.is_quantized:
        raise InvalidRecipe(
            f"The {start} start is made from the base's weights, which {recipe.precision} has rounded "
            "already; use bf16, or another start.",
            field="init_lora_weights",
        )
    if recipe.use_dora and start == "mica":
        raise InvalidRecipe(
            "PEFT has no DoRA that starts with mica; leave use_dora out, or use another start.",
            field="init_lora_weights",
        )
    if recipe.use_dora:
        raise InvalidRecipe(
            f"A DoRA that starts with {start} cannot be saved for the base as it was; leave use_dora out, or "
            "use another start.",
            field="init_lora_weights",
        )
