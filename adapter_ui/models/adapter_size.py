"""Refuse an adapter whose config would take far more memory than its file: PEFT allocates by the config.

An upper bound from rank and widths is enough here; exact shapes are compared when the file is applied.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from peft import PeftConfig

from adapter_ui.domain import ADAPTER_CONFIG
from adapter_ui.errors import BadAdapter
from adapter_ui.models.patterns import module_names

# Each module that they change gets about `r` rows and columns of its own width.
WIDE_BY_RANK = ("LORA", "ADALORA", "DELORA", "DEFT", "GRALORA", "HIRA", "HRA", "LOHA", "MISS", "PEANUT")
BY_VIRTUAL_TOKENS = ("PREFIX_TUNING", "PROMPT_TUNING", "P_TUNING", "CARTRIDGE")
# In the file a number may have 1 byte, in memory 4; LoHa has two pairs of factors.
MOST_GROWTH = 16
SPARE_BYTES = 64 * 1024**2


def refuse_beyond_file(
    config: PeftConfig, tensors: Mapping[str, torch.Tensor], model: torch.nn.Module
) -> None:
    """Raise BadAdapter before PEFT builds what `tensors` could never fill."""
    asked = 4 * numbers_asked(config, model)
    stored = sum(tensor.nbytes for tensor in tensors.values())
    if asked > MOST_GROWTH * stored + SPARE_BYTES:
        raise BadAdapter(
            f"{ADAPTER_CONFIG} asks for about {asked / 1e9:.1f} GB, but the file holds {stored / 1e6:.1f} "
            "MB; ask the author for a matching pair."
        )


def numbers_asked(config: PeftConfig, model: torch.nn.Module) -> int:
    method = config.peft_type.value
    if method in BY_VIRTUAL_TOKENS:
        base = model.config.get_text_config()
        layers = base.num_hidden_layers if method in ("PREFIX_TUNING", "CARTRIDGE") else 1
        return 2 * config.num_virtual_tokens * layers * base.hidden_size
    if method not in WIDE_BY_RANK:
        return 0
    first = config.init_r if method == "ADALORA" else config.r
    ranks = [first, *(getattr(config, "rank_pattern", None) or {}).values()]
    return int(max(ranks)) * sum(widths(config, model))


def widths(config: PeftConfig, model: torch.nn.Module) -> list[int]:
    """Inputs and outputs of each linear module that the config names, of all where it names none."""
    targets = config.target_modules
    ends = tuple(f".{name}" for name in targets) if isinstance(targets, (list, set)) else None
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    named = [(name, base.get_submodule(name)) for name in module_names(model)]
    return [
        module.in_features + module.out_features
        for name, module in named
        if hasattr(module, "in_features") and (ends is None or f".{name}".endswith(ends))
    ]
