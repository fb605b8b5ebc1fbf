"""Which LoRA configs are plain: a low-rank product beside linear modules, and nothing more (pure).

A plain LoRA is added row by row beside an untouched base, so any number of them share it, and a batch. The
pages say it before a download, and the model worker decides by the same rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Fields that say how large the factors are and where they sit, those that only matter in training, and names.
UNDERSTOOD = frozenset(
    {
        "alpha_pattern", "auto_mapping", "base_model_name_or_path", "exclude_modules", "fan_in_fan_out",
        "inference_mode", "init_lora_weights", "layers_pattern", "layers_to_transform", "lora_alpha",
        "lora_dropout", "peft_type", "peft_version", "r", "rank_pattern", "revision", "runtime_config",
        "target_modules", "task_type", "use_rslora",
    }
)  # fmt: skip


def beyond_plain_lora(fields: Mapping[str, Any], defaults: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields of a LoRA's config that ask for more than a product, as DoRA or trained biases do.

    A field that is not known here, of a newer PEFT, counts as more. `defaults` are PEFT's own.
    """
    return tuple(
        sorted(
            name
            for name, value in fields.items()
            if name not in UNDERSTOOD and (value or None) != (defaults.get(name) or None)
        )
    )
