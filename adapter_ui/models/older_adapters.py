"""Adapters made under an older transformers, in the names and shapes that their base has in this one.

transformers 5 keeps the experts of a mixture as one tensor and has renamed modules. PEFT converts an adapter
on its way into the base; here that is done first, so that the file is held against the base in one language.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from peft import PeftConfig
from peft.utils.transformers_weight_conversion import (
    _MODEL_TO_CONVERSION_PATTERN,
    _MOE_TARGET_MODULE_MAPPING,
    convert_peft_adapter_state_dict_for_transformers,
    convert_peft_config_for_transformers,
)

from adapter_ui.models.empty_adapter import refused_by_peft
from adapter_ui.models.fingerprint import bare


def convert_config(config: PeftConfig, model: torch.nn.Module) -> None:
    """Let the config name what the base of `model` has; one that does already stays as it is.

    Raises BadAdapter when it asks for a part of what is one tensor now.
    """
    try:
        convert_peft_config_for_transformers(config, bare(model), conversions=None)
    except (TypeError, ValueError, AttributeError, LookupError) as error:
        raise refused_by_peft(error) from error


def converted_tensors(
    config: PeftConfig, tensors: Mapping[str, torch.Tensor], model: torch.nn.Module
) -> dict[str, torch.Tensor]:
    """The file's tensors as PEFT would save them for the base of `model`: of experts, fewer and larger ones.

    Raises BadAdapter when the tensors of several experts do not fit together.
    """
    try:
        return convert_peft_adapter_state_dict_for_transformers(bare(model), config, dict(tensors))
    except (TypeError, ValueError, AttributeError, LookupError, RuntimeError) as error:
        raise refused_by_peft(error) from error


def older_expert_names(names: Iterable[str], model: torch.nn.Module) -> list[str]:
    """What the modules of the first expert of each mixture were called, for a pattern to match; `names` are
    those of the base's modules. Empty for a base that never had separate experts.
    """
    model_type = getattr(getattr(bare(model), "config", None), "model_type", None)
    parts = _MOE_TARGET_MODULE_MAPPING.get(_MODEL_TO_CONVERSION_PATTERN.get(model_type), {})
    return [f"{name}.0.{part}" for name in names if name.endswith(".experts") for part in parts]
