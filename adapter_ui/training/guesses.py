"""How many parameters a method trains at most on a base whose modules are not known, for an early guess.

Told from the base's hidden size and layers; the exact count comes from `adapter_ui.training.figures`.
"""

from __future__ import annotations

from adapter_ui.domain import BaseFacts
from adapter_ui.domain.memory import lora_parameters
from adapter_ui.training.recipe import Recipe, virtual_tokens

# The seven linear modules of a layer have about as many inputs as outputs: ten times the hidden size each.
SIDE = 10
NORMS = 4
LAYERS_OF_ENCODER = 3


def trainable_guess(recipe: Recipe, base: BaseFacts) -> int:
    """Parameters of the adapter when it sits on all linear modules of each layer."""
    hidden, layers = base.hidden_size or 0, base.layers or 0
    lora = lora_parameters(base, recipe.r)
    prompt = virtual_tokens(recipe) * hidden
    guesses = {
        "LORA": lora,
        "ADALORA": lora_parameters(base, recipe.init_r),
        "LOHA": 2 * lora,
        "LOKR": lora,
        "IA3": SIDE * hidden * layers,
        "OFT": SIDE * hidden * layers * (recipe.oft_block_size - 1) // 2,
        "VERA": (SIDE * hidden + 7 * recipe.r) * layers,
        "MISS": lora // 2,
        "PROMPT_TUNING": prompt,
        "PREFIX_TUNING": 2 * prompt * layers,
        "P_TUNING": prompt + LAYERS_OF_ENCODER * max(hidden, 2 * recipe.encoder_hidden_size) ** 2,
        "LN_TUNING": NORMS * hidden * layers,
    }
    return guesses[recipe.method]


def features_guess(recipe: Recipe, base: BaseFacts) -> int:
    """Inputs and outputs of the adapted modules together; virtual tokens adapt none."""
    return 0 if virtual_tokens(recipe) else lora_parameters(base, 1)
