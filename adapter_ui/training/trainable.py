"""How many parameters a recipe trains, exactly and at once, from the sizes of the base's linear modules.

Only for what arithmetic can tell for certain; the rest is counted by `adapter_ui.training.measuring`. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from adapter_ui.domain import BaseFacts
from adapter_ui.domain.modules import LinearModules
from adapter_ui.training.head_sizes import (
    DECODERS,
    DECODERS_WITHOUT_HEADS,
    ENCODERS_WITH_DECODERS,
    KNOWN_FAMILIES,
    head_parameters,
)
from adapter_ui.training.module_sizes import OF_MODULE
from adapter_ui.training.peft_choice import chosen_feedforward, chosen_modules
from adapter_ui.training.recipe import Recipe, virtual_tokens

WITHOUT_HEAD = ("CAUSAL_LM", "SEQ_2_SEQ_LM")
POOLED = frozenset({"dense", "out_proj"})
KEYS_AND_VALUES = 2
DIRECTIONS, GATES, LSTM_LAYERS = 2, 4, 2


def trainable_parameters(
    recipe: Recipe, modules: Sequence[LinearModules], base: BaseFacts, labels: int = 0
) -> int | None:
    """None where it is not certain. `labels` are the classes of the data, 0 when they are not known."""
    own = of_virtual_tokens(recipe, base) if virtual_tokens(recipe) else of_modules(recipe, modules, base)
    if recipe.task_type in WITHOUT_HEAD or own is None:
        return own
    head = head_parameters(recipe.task_type, base.model_type, base.hidden_size, labels)
    return None if head is None else own + head


def of_modules(recipe: Recipe, modules: Sequence[LinearModules], base: BaseFacts) -> int | None:
    """Parameters on the modules that the recipe names, or PEFT for it."""
    more = recipe.adapter or recipe.trainable_tokens or recipe.bias != "none"
    if more or recipe.method == "LN_TUNING" or not is_built_as_saved(recipe, base):
        return None
    by_name = {one.name: one for one in modules}
    names = taken(recipe, by_name, base)
    headed = recipe.task_type not in WITHOUT_HEAD
    if not names or (headed and any(by_name[name].outside or name in POOLED for name in names)):
        # under a head, what lies outside the layers may be missing, or there may be more of it
        return None
    if recipe.method == "IA3":
        forward = set(recipe.feedforward_modules or chosen_feedforward(base.model_type))
        if any("." in name for name in forward):
            return None
        return sum(size[name not in forward] for name in names for size in by_name[name].sizes)
    of_module = OF_MODULE[recipe.method]
    return sum(of_module(recipe, *size) for name in names for size in by_name[name].sizes)


def is_built_as_saved(recipe: Recipe, base: BaseFacts) -> bool:
    """Whether the model that is trained has the layers of the one that was saved: an encoder as a decoder has
    others, and so has half of an encoder with a decoder.
    """
    if recipe.task_type == "SEQ_2_SEQ_LM":
        own = any("ForConditionalGeneration" in name for name in base.architectures)
        return own and base.model_type in ENCODERS_WITH_DECODERS
    if recipe.task_type == "CAUSAL_LM":
        return base.model_type in DECODERS | DECODERS_WITHOUT_HEADS
    return base.model_type in KNOWN_FAMILIES


def taken(recipe: Recipe, by_name: Mapping[str, LinearModules], base: BaseFacts) -> Set[str]:
    """The modules that get an adapter, by name; none where a name cannot be told."""
    targets = recipe.target_modules or chosen_modules(recipe.method, base.model_type) or "all-linear"
    if targets == "all-linear":
        # a new head may bring linear modules of its own, such as a pooler
        certain = recipe.task_type in WITHOUT_HEAD or base.model_type in DECODERS
        return by_name.keys() if certain else frozenset()
    named = set(targets)
    if recipe.target_modules or any("." in name for name in named):
        return named if named <= by_name.keys() else frozenset()
    return named & by_name.keys()  # PEFT's choice serves several architectures of a family


def of_virtual_tokens(recipe: Recipe, base: BaseFacts) -> int | None:
    """Elsewhere PEFT may find other sizes in the config than the base's facts have."""
    hidden, tokens = base.hidden_size, recipe.num_virtual_tokens
    if not hidden or base.model_type not in KNOWN_FAMILIES:
        return None
    if recipe.method == "PROMPT_TUNING":
        return tokens * hidden
    if recipe.method == "PREFIX_TUNING":
        if not (base.layers and base.key_value_heads and base.head_size):
            return None
        return tokens * base.layers * KEYS_AND_VALUES * base.key_value_heads * base.head_size
    return tokens * hidden + of_encoder(recipe, hidden)


def of_encoder(recipe: Recipe, hidden: int) -> int:
    """The network that makes P-tuning's virtual tokens."""
    width = recipe.encoder_hidden_size
    if recipe.encoder_reparameterization_type == "MLP":
        return linear(hidden, width) + linear(width, width) + linear(width, hidden)
    both = DIRECTIONS * width
    inputs = (hidden, *[both] * (LSTM_LAYERS - 1))
    recurrent = sum(DIRECTIONS * GATES * width * (size + width + 2) for size in inputs)
    return recurrent + linear(both, both) + linear(both, hidden)


def linear(inputs: int, outputs: int) -> int:
    return (inputs + 1) * outputs
