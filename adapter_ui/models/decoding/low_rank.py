"""LoRA adapters as the factors that their base's modules need, read straight from the adapter's file.

Covers what is a plain product beside a linear module (Hu et al. 2021; scaling as in PEFT's LoraConfig, with
rsLoRA by Kalajdzievski 2023). Whatever else LoRA's config can ask for (DoRA, embeddings, trained biases and
tokens, saved modules …) is left to PEFT. Nothing here touches the base.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import bitsandbytes
import torch
from peft import LoraConfig, PeftConfig
from peft.tuners.tuners_utils import check_target_module_exists
from peft.utils.other import get_pattern_key
from transformers.pytorch_utils import Conv1D

from adapter_ui.domain.plain_lora import beyond_plain_lora
from adapter_ui.models.placement import works_on

PREFIX = "base_model.model."
LINEAR = (torch.nn.Linear, Conv1D, bitsandbytes.nn.Linear8bitLt, bitsandbytes.nn.Linear4bit)


@dataclass(frozen=True)
class Factors:
    """What one adapter adds to one module: x @ down.T @ up, with the scaling in `up`.

    `down` is [rank, in], `up` is [rank, out]; both in fp32, as PEFT keeps adapters, since a small product in
    bf16 takes a CPU five times as long.
    """

    down: torch.Tensor
    up: torch.Tensor


@dataclass(frozen=True, eq=False)
class LowRank:
    """A LoRA adapter: its factors by the names of the base's modules."""

    factors: Mapping[str, Factors]

    @property
    def bytes(self) -> int:
        return sum(pair.down.nbytes + pair.up.nbytes for pair in self.factors.values())


def linear_modules(model: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """The modules of a bare base that a LoRA can sit on, by name.

    An expert of a mixture of experts sees some of the tokens, in its own order: no row can be told there.
    """
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, LINEAR) and "expert" not in name
    }


def low_rank(
    config: PeftConfig,
    tensors: Mapping[str, torch.Tensor],
    modules: Mapping[str, torch.nn.Module],
) -> LowRank | None:
    """The factors of a plain LoRA; None where its file does not hold exactly what its config asks for."""
    targets = [name for name in modules if check_target_module_exists(config, name)]
    wanted = {f"{PREFIX}{name}.lora_{part}.weight" for name in targets for part in "AB"}
    if not targets or wanted != tensors.keys():
        return None
    found = {name: factors_of(config, name, tensors, modules[name]) for name in targets}
    return None if None in found.values() else LowRank(found)


def is_plain(config: PeftConfig) -> bool:
    if type(config) is not LoraConfig or not config.target_modules or config.target_modules == "all-linear":
        return False
    return not beyond_plain_lora(shallow(config), shallow(LoraConfig(task_type=config.task_type)))


def shallow(config: LoraConfig) -> dict[str, Any]:
    return {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}


def factors_of(
    config: LoraConfig,
    name: str,
    tensors: Mapping[str, torch.Tensor],
    module: torch.nn.Module,
) -> Factors | None:
    """One module's factors, or None where the file's shapes are not those of the config and the module, or
    where the scaling makes them overflow.
    """
    down, up = (tensors[f"{PREFIX}{name}.lora_{part}.weight"] for part in "AB")
    rank = config.rank_pattern.get(get_pattern_key(config.rank_pattern, name), config.r)
    alpha = config.alpha_pattern.get(get_pattern_key(config.alpha_pattern, name), config.lora_alpha)
    size_in, size_out = sizes_of(module)
    if down.shape != (rank, size_in) or up.shape != (size_out, rank):
        return None
    scaling = alpha / (math.sqrt(rank) if config.use_rslora else rank)
    device = works_on(module)
    scaled = (up.to(device, torch.float32) * scaling).T.contiguous()
    return Factors(down.to(device, torch.float32), scaled) if torch.isfinite(scaled).all() else None


def sizes_of(module: torch.nn.Module) -> tuple[int, int]:
    if isinstance(module, Conv1D):
        return module.nx, module.nf
    return module.in_features, module.out_features
