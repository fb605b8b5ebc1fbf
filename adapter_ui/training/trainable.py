"""How many parameters a recipe trains, exactly and at once, from the sizes of the base's linear modules.

Only for what arithmetic can tell: methods whose parameters are rows and columns of the modules, on tasks
without a head. The rest is counted by `adapter_ui.training.figures`. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from adapter_ui.domain.modules import LinearModules
from adapter_ui.training.recipe import Recipe

Size = Callable[[Recipe, int, int], int]
WITHOUT_HEAD = ("CAUSAL_LM", "SEQ_2_SEQ_LM")
# Parameters on one module with so many inputs and outputs.
OF_MODULE: Mapping[str, Size] = {
    "LORA": lambda recipe, inputs, outputs: recipe.r * (inputs + outputs) + outputs * recipe.use_dora,
    "ADALORA": lambda recipe, inputs, outputs: recipe.init_r * (inputs + outputs + 1),
    "LOHA": lambda recipe, inputs, outputs: 2 * recipe.r * (inputs + outputs),
}


def trainable_parameters(recipe: Recipe, modules: Sequence[LinearModules]) -> int | None:
    """None where more than the modules' sizes decides: PEFT's own choice of modules among others."""
    of_module = OF_MODULE.get(recipe.method)
    more = recipe.adapter or recipe.trainable_tokens or recipe.bias != "none"
    if of_module is None or more or recipe.task_type not in WITHOUT_HEAD:
        return None
    sizes = {one.name: one.sizes for one in modules}
    names = sizes if recipe.target_modules == "all-linear" else set(recipe.target_modules)
    if not names or not set(names) <= sizes.keys():
        return None
    return sum(of_module(recipe, *size) for name in names for size in sizes[name])
