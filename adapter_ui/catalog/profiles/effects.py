"""What a value does in this very config, in words (pure). Knows fields and values; nothing of tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adapter_ui.catalog.methods.scaling import RULES, Rule, scaling_of
from adapter_ui.catalog.profiles.config import AdapterConfig

PRODUCTS = ("DELORA", "LORA", "POLY", "UNILORA", "VBLORA")
"""Methods whose change is a product of two matrices, r wide."""
NAMED_OTHERWISE = ("ADAPTION_PROMPT",)
"""Methods whose target_modules is the end of names, not a pattern."""
AT_FIRST_THE_BASE = (True, "gaussian", "orthogonal", "eva", "mica")


def effect_of(field: str, value: Any, config: AdapterConfig) -> str:
    """One clause, or nothing where the value speaks for itself."""
    if field.endswith(("dropout", "dropout_p")) and isinstance(value, int | float):
        return "used while training only" if value else "off"
    return EFFECTS[field](value, config) if field in EFFECTS else ""


def rank_effect(value: Any, config: AdapterConfig) -> str:
    if config.peft_type not in PRODUCTS:
        return ""
    return f"each change is a product of two matrices of width {value}; a higher rank learns and weighs more"


def rslora_effect(value: Any, config: AdapterConfig) -> str:
    return "a higher rank keeps its strength" if value else "the usual scaling"


def dora_effect(value: Any, config: AdapterConfig) -> str:
    return "slower, and not in mixed batches" if value else "a plain LoRA"


def targets_effect(value: Any, config: AdapterConfig) -> str:
    if config.peft_type in NAMED_OTHERWISE:
        return ""
    if isinstance(value, list):
        return "all modules with these names"
    if value == "all-linear":
        return "every linear layer but the output"
    return "all modules whose full name matches this pattern"


def bias_effect(value: Any, config: AdapterConfig) -> str:
    if value in ("none", False, None):
        return "biases are left alone"
    return "biases change too, so the base alone differs while it is on"


def init_effect(value: Any, config: AdapterConfig) -> str:
    if value in AT_FIRST_THE_BASE:
        return "started as no change at all"
    return "decided where training started; the file holds what came of it"


def patterns_effect(value: Any, config: AdapterConfig) -> str:
    return f"{counted(value, 'entry', 'entries')}; each counts for the modules whose names end in it"


def tokens_effect(value: Any, config: AdapterConfig) -> str:
    return "one table for each module named" if isinstance(value, dict) else counted(value, "token", "tokens")


def counted(value: Any, one: str, many: str) -> str:
    count = len(value) if isinstance(value, dict | list) else 1
    return f"{count:,} {one if count == 1 else many}"


def always(text: str) -> Callable[[Any, AdapterConfig], str]:
    return lambda value, config: text


EFFECTS: dict[str, Callable[[Any, AdapterConfig], str]] = {
    "r": rank_effect,
    "use_rslora": rslora_effect,
    "use_dora": dora_effect,
    "target_modules": targets_effect,
    "bias": bias_effect,
    "init_lora_weights": init_effect,
    "rank_pattern": patterns_effect,
    "alpha_pattern": patterns_effect,
    "trainable_token_indices": tokens_effect,
    "token_indices": tokens_effect,
    "num_virtual_tokens": lambda value, config: f"they take {value} tokens of the context",
    "modules_to_save": always("the file holds copies that replace the base's own"),
    "layer_replication": always("needs more memory, and a base of its own"),
    "inference_mode": always("PEFT sets it in every file"),
}


def scaling_effect(config: AdapterConfig, values: dict[str, Any]) -> tuple[str, str] | None:
    """The factor that alpha and rank make, and the sum behind it; None where they make none."""
    rule = RULES.get(config.peft_type)
    scaling = scaling_of(config.peft_type, values)
    if rule is None or not rule.ranks or scaling is None:
        return None
    effect = f"{formula(rule, rooted=scaling.rooted)} = {scaling}"
    if rule.by_module and (config.rank_pattern or config.alpha_pattern):
        effect += "; some modules have ranks or alphas of their own"
    return f"{scaling.factor:.4g}", effect


def formula(rule: Rule, *, rooted: bool) -> str:
    ranks = " + ".join(rule.ranks)
    below = f"({ranks})" if len(rule.ranks) > 1 else ranks
    return f"{rule.alpha}/{'√' if rooted else ''}{below}"
