"""A mix of whole adapters: its rank, its bounds, its config, and the file that PEFT loads.

Knows the adapters' folders and the recipe; nothing of where the mix will stand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from peft import LoraConfig
from safetensors.torch import save_file

from adapter_ui.domain import ADAPTER_WEIGHTS, Combination, MixRecipe, Progress
from adapter_ui.errors import UnsupportedAdapter
from adapter_ui.models.mixing.combine import combined
from adapter_ui.models.mixing.factors import Factors, LoraAdapter, read_lora

LARGEST_FILE = 4_000_000_000
BYTES_OF_FP32 = 4
# Multiplications of all decompositions of whole changes, roughly: those of a 1B model take some minutes.
MOST_WORK = 2e12


def mix(recipe: MixRecipe, folders: Sequence[Path], base_model: str, target: Path) -> Iterator[Progress]:
    """Write the mix of the adapters in `folders`, in the order of the recipe's parts, into `target`.

    What the dare types drop is drawn module by module in the order of their names, so a recipe gives the same
    file again. Raises BadAdapter and UnsupportedAdapter.
    """
    adapters = []
    for part, folder in zip(recipe.parts, folders, strict=True):
        yield Progress("read", f"Reading {part.adapter}")
        adapters.append(read_lora(folder))
    modules = parts_by_module(adapters, [part.weight for part in recipe.parts])
    rank = rank_of(recipe, modules)
    refuse_too_much(recipe, modules, rank)
    tensors: dict[str, torch.Tensor] = {}
    torch.manual_seed(recipe.seed)
    for done, (name, parts) in enumerate(modules.items()):
        yield Progress("mix", f"Mixing by {recipe.combination}", done, len(modules), "modules")
        tensors |= combined(parts, recipe.combination, recipe.density, rank).named(name)
    yield Progress("write", "Writing the mix")
    save_file(tensors, target / ADAPTER_WEIGHTS, metadata={"format": "pt"})
    mixed_config(adapters, rank, base_model).save_pretrained(str(target))


def parts_by_module(
    adapters: Sequence[LoraAdapter], weights: Sequence[float]
) -> dict[str, list[tuple[Factors, float]]]:
    """For each module the factors of the adapters that change it, with the adapters' weights."""
    names = sorted({name for adapter in adapters for name in adapter.factors})
    modules = {
        name: [
            (adapter.factors[name], weight)
            for adapter, weight in zip(adapters, weights, strict=True)
            if name in adapter.factors
        ]
        for name in names
    }
    for name, parts in modules.items():
        refuse_other_shapes(name, [factors for factors, _ in parts])
    return modules


def refuse_other_shapes(name: str, factors: Sequence[Factors]) -> None:
    shapes = {(one.kind, one.down.shape[1:], one.up.shape[0], one.up.shape[2:]) for one in factors}
    if len(shapes) > 1:
        raise UnsupportedAdapter(
            f"The adapters do not agree on the shape of {name[:120]}; they were made for different bases."
        )


def rank_of(recipe: MixRecipe, modules: Mapping[str, Sequence[tuple[Factors, float]]]) -> int:
    """The one rank of all modules of the mix: the sum of the parts' for cat, else the largest."""
    if recipe.rank is not None:
        return recipe.rank
    ranks = [[factors.rank for factors, _ in parts] for parts in modules.values()]
    return max(sum(each) if recipe.combination is Combination.CAT else max(each) for each in ranks)


def refuse_too_much(
    recipe: MixRecipe, modules: Mapping[str, Sequence[tuple[Factors, float]]], rank: int
) -> None:
    """Raise UnsupportedAdapter before work or a file without end."""
    first = [parts[0][0] for parts in modules.values()]
    size = sum(rank * one.parameters // one.rank for one in first) * BYTES_OF_FP32
    if size > LARGEST_FILE:
        raise UnsupportedAdapter(
            f"The mix would have rank {rank} and {size / 1e9:.1f} GB, more than "
            f"{LARGEST_FILE / 1e9:.0f}; use svd with a smaller rank."
        )
    sides = [sorted((one.down.flatten(1).shape[1], one.up.shape[0])) for one in first]
    work = sum(short * short * long for short, long in sides)
    if recipe.combination.by_svd and recipe.combination is not Combination.SVD and work > MOST_WORK:
        factors_only = recipe.combination.value.removesuffix("_svd")
        raise UnsupportedAdapter(
            f"{recipe.combination} decomposes every whole matrix of the base, which would take hours here; "
            f"use {factors_only} or svd."
        )


def mixed_config(adapters: Sequence[LoraAdapter], rank: int, base_model: str) -> LoraConfig:
    """The config of a LoRA whose scaling is 1: PEFT takes the first adapter's, and with its rsLoRA would
    scale the mix a second time.
    """
    task = next((one.config.task_type for one in adapters if one.config.task_type), None)
    return LoraConfig(
        base_model_name_or_path=base_model,
        task_type=task,
        r=rank,
        lora_alpha=rank,
        target_modules=sorted(set().union(*(one.targets for one in adapters))),
        fan_in_fan_out=adapters[0].config.fan_in_fan_out,
        inference_mode=True,
    )
