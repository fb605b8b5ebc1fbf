"""One module's factors out of those of several LoRAs, as PEFT's `LoraModel.add_weighted_adapter` makes them.

The arithmetic is PEFT's own (`peft.utils.merge_utils`). Two things differ, and neither changes a result that
PEFT can give. Adapters of different ranks, which PEFT refuses for the types that combine A with A and B with
B, are padded with zero rows of A and zero columns of B after each has been pruned at its own size: the padded
adapter is the same adapter. And what nothing was pruned of is cut to a rank through its factors: a
decomposition of the small product of their triangular parts is that of the large one (Brand 2006, “Fast
low-rank modifications of the thin singular value decomposition”, section 2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from peft.utils.merge_utils import (
    calculate_majority_sign_mask,
    disjoint_merge,
    prune,
    reshape_weight_task_tensors,
    task_arithmetic,
)

from adapter_ui.domain import Combination
from adapter_ui.models.mixing.factors import Factors

Weighted = Sequence[tuple[Factors, float]]


def combined(parts: Weighted, combination: Combination, density: float, rank: int) -> Factors:
    """The factors of one module in the mix, in fp32, with scaling 1 and padded to `rank`.

    `parts` are the adapters that change this module, each with its weight.
    """
    in_fp32 = [(replace(one, down=one.down.float(), up=one.up.float()), weight) for one, weight in parts]
    if combination is Combination.CAT:
        found = stacked(in_fp32)
    elif combination is Combination.SVD:
        found = cut_factors(stacked(in_fp32), rank)
    elif combination.by_svd:
        found = cut_change(in_fp32, combination, density, rank)
    else:
        found = factor_by_factor(in_fp32, combination, density, rank)
    return found.padded(rank)


def stacked(parts: Weighted) -> Factors:
    """The exact weighted sum, of the sum of their ranks."""
    first = parts[0][0]
    down = torch.cat([one.down * weight * one.scaling for one, weight in parts])
    return Factors(down, torch.cat([one.up for one, _ in parts], dim=1), first.kind)


def factor_by_factor(parts: Weighted, combination: Combination, density: float, rank: int) -> Factors:
    """A of all combined, and B of all: each side takes the root of weight times scaling, A its sign too."""
    scaled = [weight * one.scaling for one, weight in parts]
    on_up = torch.tensor([math.sqrt(abs(one)) for one in scaled])
    on_down = torch.tensor([math.copysign(math.sqrt(abs(one)), one) for one in scaled])
    downs = pruned([one.down for one, _ in parts], combination, density)
    ups = pruned([one.up for one, _ in parts], combination, density)
    padded = [Factors(down, up).padded(rank) for down, up in zip(downs, ups, strict=True)]
    return Factors(
        merged([one.down for one in padded], on_down, combination),
        merged([one.up for one in padded], on_up, combination),
        parts[0][0].kind,
    )


def pruned(tensors: Sequence[torch.Tensor], combination: Combination, density: float) -> list[torch.Tensor]:
    if not combination.prunes or density == 1:
        return list(tensors)
    at_random = combination.prunes_at_random
    method = "random" if at_random else "magnitude"
    return [prune(tensor, density, method, rescale=at_random) for tensor in tensors]


def merged(tensors: list[torch.Tensor], weights: torch.Tensor, combination: Combination) -> torch.Tensor:
    """The weighted sum; where signs are elected, the mean of what has the sign that prevails."""
    if not combination.elects_signs:
        return task_arithmetic(tensors, weights)
    together = torch.stack(tensors)
    prevailing = calculate_majority_sign_mask(together, "total")
    return disjoint_merge(together * reshape_weight_task_tensors(together, weights), prevailing)


def cut_change(parts: Weighted, combination: Combination, density: float, rank: int) -> Factors:
    """Whole changes pruned and combined, then cut to `rank`: no longer of a low rank, so decomposed whole."""
    first = parts[0][0]
    changes = [one.up.flatten(1) @ one.down.flatten(1) * one.scaling for one, _ in parts]
    weights = torch.tensor([weight for _, weight in parts])
    change = merged(pruned(changes, combination, density), weights, combination)
    left, strengths, right = torch.linalg.svd(change, full_matrices=False)
    return shaped(left, strengths, right, rank, first)


def cut_factors(change: Factors, rank: int) -> Factors:
    """The best approximation of the change with at most `rank`, without ever building it whole."""
    up_basis, up_triangle = torch.linalg.qr(change.up.flatten(1))
    down_basis, down_triangle = torch.linalg.qr(change.down.flatten(1).T)
    left, strengths, right = torch.linalg.svd(up_triangle @ down_triangle.T, full_matrices=False)
    return shaped(up_basis @ left, strengths, right @ down_basis.T, rank, change)


def shaped(
    left: torch.Tensor, strengths: torch.Tensor, right: torch.Tensor, rank: int, like: Factors
) -> Factors:
    """A decomposition cut to `rank`, in the shapes of the module's factors; B carries the strengths."""
    kept = min(rank, len(strengths))
    down = right[:kept].reshape(kept, *like.down.shape[1:])
    up = (left[:, :kept] * strengths[:kept]).reshape(like.up.shape[0], kept, *like.up.shape[2:])
    return Factors(down.contiguous(), up.contiguous(), like.kind)
