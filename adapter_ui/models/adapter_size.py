"""Refuse an adapter whose config would take far more memory than its file: PEFT allocates by the config.

PEFT first builds the adapter on a copy of the base without numbers, and what it creates there is held against
the tensors of the file. A few methods are counted by a formula instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from peft import LoraConfig, PeftConfig

from adapter_ui.domain import ADAPTER_CONFIG
from adapter_ui.domain.plain_lora import beyond_plain_lora
from adapter_ui.errors import BadAdapter
from adapter_ui.models.decoding.low_rank import LINEAR, shallow, sizes_of
from adapter_ui.models.fingerprint import bare
from adapter_ui.models.on_meta import Created, created_by
from adapter_ui.models.patterns import module_names

Modules = Mapping[str, torch.nn.Module]
# A number has 4 bytes here, whatever it has in the file.
NUMBER = 4
SPARE_BYTES = 64 * 1024**2
# What PEFT keeps beside the tensors that it saves: a second copy, or (OFT) the indices of a matrix's halves.
GROWTH = 2
GROWTH_OF = {"OFT": 6}
# What PEFT makes out of the base's sizes or weights and does not save, as a share of the base: projections,
# permutations, decompositions.
SHARE_OF_BASE: Mapping[str, float] = {
    **dict.fromkeys(("PVERA", "RANDLORA", "TINYLORA", "UNILORA", "VERA"), 0.25),
    **dict.fromkeys(("PSOFT", "SHIRA"), 1.0),
    **dict.fromkeys(("BOFT", "FROD", "OSF"), 2.0),
}
# Fields of a LoRA by which it is more than plain, and that `lora_bytes` counts.
COUNTED = {"bias", "lora_bias", "modules_to_save", "use_dora"}


def refuse_beyond_file(
    config: PeftConfig, tensors: Mapping[str, torch.Tensor], model: torch.nn.Module
) -> None:
    """Raise BadAdapter before PEFT builds what `tensors` could never fill; adapters may sit on `model`."""
    base = bare(model)
    stored = bytes_of(tensors)
    method = config.peft_type.value
    if method in FORMULAS:
        modules = {name: base.get_submodule(name) for name in module_names(model)}
        asked = FORMULAS[method](config, modules)
        if asked is not None:
            asked += copied_bytes(config, modules)
            if asked <= allowed(method, stored, NUMBER * base.num_parameters()):
                return
            if method not in UPPER_BOUNDS:
                raise beyond(asked, stored)
    created = created_by(config, base, SPARE_BYTES + GROWTH * stored)
    fitting = {key: one for key, one in tensors.items() if fits(key, one, created.saved)}
    if created.bytes > allowed(method, bytes_of(fitting), created.base_bytes):
        raise beyond(created.bytes, bytes_of(fitting), largest_of(created))
    fitting_tensors(created.saved, tensors)


def bytes_of(tensors: Mapping[str, torch.Tensor]) -> int:
    return NUMBER * sum(tensor.numel() for tensor in tensors.values())


def fits(key: str, tensor: torch.Tensor, expected: Mapping[str, torch.Tensor]) -> bool:
    return key in expected and tensor.shape == expected[key].shape


def allowed(method: str, stored: int, base_bytes: int) -> float:
    """Bytes that an adapter of the method may take over a base, for so many in its file."""
    growth = GROWTH_OF.get(method, GROWTH)
    return SPARE_BYTES + growth * stored + SHARE_OF_BASE.get(method, 0) * base_bytes


def beyond(asked: int, stored: int, largest: str = "") -> BadAdapter:
    return BadAdapter(
        f"{ADAPTER_CONFIG} asks for about {asked / 1e9:.1f} GB{largest}, but the file holds "
        f"{stored / 1e6:.1f} MB of that; ask the author for a matching pair."
    )


def largest_of(created: Created) -> str:
    name, tensor = max(created.parts.items(), key=lambda part: part[1].nbytes)
    return f" (the largest is {name[-80:]} of shape {tuple(tensor.shape)})"


def fitting_tensors(
    expected: Mapping[str, torch.Tensor], tensors: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Those of the file's tensors that PEFT would have saved. Raises BadAdapter when there is none, and when
    one has another shape.
    """
    fitting = {key: tensor for key, tensor in tensors.items() if key in expected}
    if not fitting:
        raise BadAdapter(
            "None of the adapter's tensors belongs to this base: choose the base that it was made for, or "
            "its model class (model_class) where its config names no task."
        )
    for key, tensor in fitting.items():
        if tensor.shape != expected[key].shape:
            raise BadAdapter(
                f"{key} has shape {tuple(tensor.shape)} in the adapter but {tuple(expected[key].shape)} on "
                "this base; the adapter was made for another base."
            )
    return fitting


def lora_bytes(config: Any, modules: Modules) -> int | None:
    """At most what the factors of a LoRA take, with all of them at its highest rank."""
    fields = {name: value for name, value in shallow(config).items() if name not in COUNTED}
    if beyond_plain_lora(fields, shallow(LoraConfig(task_type=config.task_type))):
        return None
    rank = max([config.r, *config.rank_pattern.values()])
    beside = 2 if config.use_dora or config.lora_bias else 0
    widths = widths_of_targets(config, modules)
    return None if widths is None else NUMBER * (rank + beside) * sum(map(sum, widths))


def copied_bytes(config: PeftConfig, modules: Modules) -> int:
    """The modules that are saved whole, of which PEFT makes a copy; it takes the ends of names."""
    ends = tuple(config.modules_to_save or ())
    copied = [module for name, module in modules.items() if name and name.endswith(ends)]
    return NUMBER * sum(parameter.numel() for module in copied for parameter in module.parameters())


def widths_of_targets(config: Any, modules: Modules) -> list[tuple[int, int]] | None:
    """Inputs and outputs of each module that the config may mean: of those whose names end so, or of all
    linear ones. None where one of them is not linear.
    """
    targets = config.target_modules
    ends = tuple(f".{name}" for name in targets) if isinstance(targets, (list, set)) else None
    meant = [
        module
        for name, module in modules.items()
        if (f".{name}".endswith(ends) if ends is not None else isinstance(module, LINEAR))
    ]
    return [sizes_of(one) for one in meant] if all(isinstance(one, LINEAR) for one in meant) else None


def shira_bytes(config: Any, modules: Modules) -> int | None:
    """A value and two indices for each of the r(in + out) weights that change."""
    widths = widths_of_targets(config, modules)
    return None if widths is None else 3 * NUMBER * config.r * sum(map(sum, widths))


def unilora_bytes(config: Any, modules: Modules) -> int | None:
    """The shared vector, and an index and a scale for every number of a LoRA's factors; PEFT makes both by
    way of arrays of numpy's with 8 bytes a number.
    """
    widths = widths_of_targets(config, modules)
    if widths is None:
        return None
    return 16 * config.theta_d_length + (16 + NUMBER) * config.r * sum(map(sum, widths))


def boft_bytes(config: Any, modules: Modules) -> int | None:
    """Rotations in blocks, and the permutation between them as a whole matrix."""
    widths = widths_of_targets(config, modules)
    if widths is None:
        return None
    count = max(config.boft_block_num, 1)
    asked = 0
    for size_in, size_out in widths:
        block = config.boft_block_size or size_in // count
        asked += config.boft_n_butterfly_factor * (size_in * block + size_in**2) + size_out
    return NUMBER * asked


UPPER_BOUNDS = ("LORA",)
# PEFT asks the tensors of the last two for values while it builds, and builds a BOFT number by number.
FORMULAS: Mapping[str, Callable[[Any, Modules], int | None]] = {
    "LORA": lora_bytes,
    "BOFT": boft_bytes,
    "SHIRA": shira_bytes,
    "UNILORA": unilora_bytes,
}
