"""A configuration in words: each field that matters, what it means, and what this value does (pure)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from adapter_ui.catalog.profiles.config import AdapterConfig

SHOWN_NAMES = 8


@dataclass(frozen=True)
class Explanation:
    """One row: the field, its value as text, what the field means, what this value does."""

    field: str
    value: str
    meaning: str
    effect: str


def explain(config: AdapterConfig) -> tuple[Explanation, ...]:
    """The fields that are set, in the order a reader asks for them; then the ones this app gives no meaning
    to.
    """
    rows = []
    for field, (meaning, effect) in FIELDS.items():
        value = getattr(config, field)
        if value not in (None, [], {}):
            rows.append(Explanation(field, as_text(value), meaning, effect(config)))
    if config.scaling is not None and config.peft_type == "LORA":
        rows.append(
            Explanation(
                "scaling",
                f"{config.scaling:.4g}",
                "what the change is multiplied by",
                "lora_alpha / √r, since use_rslora is on" if config.use_rslora else "lora_alpha / r",
            )
        )
    set_extras = {
        name: value for name, value in config.extra.items() if value not in (None, False, [], {}, "")
    }
    rows += [Explanation(name, as_text(value), "", "") for name, value in sorted(set_extras.items())]
    return tuple(rows)


def as_text(value: Any) -> str:
    if isinstance(value, list):
        rest = f" and {len(value) - SHOWN_NAMES} more" if len(value) > SHOWN_NAMES else ""
        return ", ".join(str(item)[:80] for item in value[:SHOWN_NAMES]) + rest
    return str(value)[:400]


def nothing(config: AdapterConfig) -> str:
    return ""


def rank_effect(config: AdapterConfig) -> str:
    return (
        f"each change is a product of two matrices of width {config.r}; a higher rank learns and weighs more"
    )


def dropout_effect(config: AdapterConfig) -> str:
    return "used while training only"


def targets_effect(config: AdapterConfig) -> str:
    if isinstance(config.target_modules, str):
        every = config.target_modules == "all-linear"
        return (
            "every linear layer but the output"
            if every
            else "all modules whose full name matches this pattern"
        )
    return "all modules with these names"


def bias_effect(config: AdapterConfig) -> str:
    return (
        "biases are left alone"
        if config.bias in ("none", False)
        else "biases change too, so the base alone differs while it is on"
    )


def rslora_effect(config: AdapterConfig) -> str:
    return "a higher rank keeps its strength" if config.use_rslora else "the usual scaling (default)"


def dora_effect(config: AdapterConfig) -> str:
    return (
        "size and direction are learned apart; slower, and not in mixed batches"
        if config.use_dora
        else "a plain LoRA (default)"
    )


def init_effect(config: AdapterConfig) -> str:
    if config.init_lora_weights in (True, "gaussian"):
        return "starts as no change at all"
    return "decided where training started; the file holds what came of it"


FIELDS: dict[str, tuple[str, Callable[[AdapterConfig], str]]] = {
    "peft_type": ("the PEFT method", nothing),
    "task_type": ("the task, which decides the model's class", nothing),
    "base_model_name_or_path": ("the base model it was trained on", nothing),
    "revision": ("the base's revision it was trained on", nothing),
    "r": ("the rank", rank_effect),
    "lora_alpha": ("the strength set at training", nothing),
    "use_rslora": ("scale by √r instead of r", rslora_effect),
    "use_dora": ("weight-decomposed LoRA", dora_effect),
    "lora_dropout": ("share of inputs dropped", dropout_effect),
    "bias": ("which biases were trained", bias_effect),
    "target_modules": ("where it sits in the base", targets_effect),
    "exclude_modules": ("where it does not sit", nothing),
    "layers_to_transform": ("only in these layers", nothing),
    "rank_pattern": ("other ranks for some modules", nothing),
    "alpha_pattern": ("other alphas for some modules", nothing),
    "target_parameters": ("single parameters it changes", nothing),
    "modules_to_save": ("modules trained and saved whole", nothing),
    "trainable_token_indices": ("tokens whose embeddings were trained", nothing),
    "num_virtual_tokens": ("learned tokens put before the prompt", nothing),
    "init_lora_weights": ("how it was started", init_effect),
    "layer_replication": ("layers of the base that are stacked again", nothing),
    "peft_version": ("the PEFT that saved it", nothing),
}
