"""How an exported script makes its new adapter: the call that builds it, and the functions this call uses.

Follows `adapter_ui.models.tuning.methods`; knows recipes and Python text.
"""

from __future__ import annotations

from adapter_ui.domain import Precision
from adapter_ui.domain.heads import unsaved_heads
from adapter_ui.training.methods import METHODS
from adapter_ui.training.recipe import Recipe, loses_its_ends, virtual_tokens
from adapter_ui.training.scripts import loading

TRAINED_WHOLE = ("TOKEN_CLS", "QUESTION_ANS")
"""The tasks whose head PEFT would otherwise take for one more linear module."""


def new_adapter(recipe: Recipe) -> tuple[str, str]:
    """The line that puts a new adapter on the base, and the lines after it."""
    asked = "".join(f", {name}={name}" for name in chosen(recipe))
    before = "".join(f"\n    {name} = {value}" for name, value in chosen(recipe).items())
    made = before + loading.NEW_ADAPTER.substitute(config=METHODS[recipe.method].config_class, chosen=asked)
    lines = ["train_norms_in_fp32(model)"] if recipe.method == "LN_TUNING" else []
    lines += ["answer_in_the_dtype_asked(model)"] if leaks_its_dtype(recipe) else []
    lines += ["classify_by_the_last_token(model)"] if loses_its_ends(recipe) else []
    return made, "".join(f"\n    {line}" for line in lines)


def continued_adapter(recipe: Recipe) -> tuple[str, str]:
    """The lines that put the adapter to train further on the base, and the line after them."""
    if virtual_tokens(recipe):
        after = "\n    classify_by_the_last_token(model)" if loses_its_ends(recipe) else ""
        return loading.CONTINUED_TOKENS.substitute(config=METHODS[recipe.method].config_class), after
    norms = recipe.method == "LN_TUNING"
    after = "\n    answer_in_the_dtype_asked(model)" if leaks_its_dtype(recipe) else ""
    return loading.CONTINUED_ADAPTER + (loading.CONTINUED_NORMS if norms else ""), after


def helpers_of_continued(recipe: Recipe) -> list[str]:
    """The functions that the lines of `continued_adapter` call."""
    return [
        *([loading.NORMS_IN_FP32] if recipe.method == "LN_TUNING" else []),
        *([loading.DTYPE_ASKED] if leaks_its_dtype(recipe) else []),
        *([loading.LAST_TOKEN] if loses_its_ends(recipe) else []),
    ]


def chosen(recipe: Recipe) -> dict[str, str]:
    """The config's fields that depend on the base, each as an expression."""
    own = METHODS[recipe.method].defaults
    found = {}
    if "target_modules" in own and not recipe.target_modules:
        found["target_modules"] = "usual_targets(model)"
    elif recipe.target_modules == "all-linear" and recipe.task_type in TRAINED_WHOLE:
        found["target_modules"] = "linear_modules(model)"
    if "feedforward_modules" in own and not recipe.feedforward_modules:
        found["feedforward_modules"] = "usual_feedforward(model)"
    if unsaved_heads(recipe.task_type):
        found["modules_to_save"] = "[name for name in NEW_HEADS if hasattr(model, name)]"
    if recipe.trainable_tokens:
        found["trainable_token_indices"] = "token_ids(tokenizer)"
    return found


def helpers(recipe: Recipe) -> list[str]:
    """The functions that the new adapter needs, in the order in which they call each other."""
    norms, fields = recipe.method == "LN_TUNING", chosen(recipe)
    parts = []
    if "target_modules" in fields and norms:
        parts += [loading.NORM_MODULES]
    elif "target_modules" in fields and recipe.task_type in TRAINED_WHOLE:
        parts += [loading.LINEAR_MODULES]
    if fields.get("target_modules") == "usual_targets(model)":
        parts += [usual_targets(recipe, norms=norms)]
    if "feedforward_modules" in fields:
        parts += [loading.USUAL_FEEDFORWARD]
    if recipe.trainable_tokens:
        parts += [loading.TOKEN_IDS]
    if norms:
        parts += [loading.NORMS_IN_FP32]
    if loses_its_ends(recipe):
        parts += [loading.LAST_TOKEN]
    return [*parts, *([loading.DTYPE_ASKED] if leaks_its_dtype(recipe) else [])]


def usual_targets(recipe: Recipe, *, norms: bool) -> str:
    headed = recipe.task_type in TRAINED_WHOLE
    otherwise = "norm_modules(model)" if norms else "linear_modules(model)" if headed else '"all-linear"'
    return loading.USUAL_TARGETS.substitute(kind="normalisation" if norms else "linear", otherwise=otherwise)


def leaks_its_dtype(recipe: Recipe) -> bool:
    """A LoRA's layers answer in the dtype they were asked in, and virtual tokens have no layers."""
    in_layers = "target_modules" in METHODS[recipe.method].defaults
    return in_layers and recipe.method != "LORA" and recipe.precision is not Precision.FP32
