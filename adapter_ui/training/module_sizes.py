"""How many parameters each method trains on one linear module, told from its inputs and outputs.

As PEFT builds its layers; pure arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from adapter_ui.training.recipe import Recipe

Size = Callable[[Recipe, int, int], int]


def lora(recipe: Recipe, inputs: int, outputs: int) -> int:
    return recipe.r * (inputs + outputs) + outputs * recipe.use_dora


def adalora(recipe: Recipe, inputs: int, outputs: int) -> int:
    return recipe.init_r * (inputs + outputs + 1)


def loha(recipe: Recipe, inputs: int, outputs: int) -> int:
    return 2 * recipe.r * (inputs + outputs)


def lokr(recipe: Recipe, inputs: int, outputs: int) -> int:
    """A product of two factors; each is split by the rank where that makes it smaller."""
    (in_small, in_large), (out_small, out_large) = (
        factorised(size, recipe.decompose_factor) for size in (inputs, outputs)
    )
    split_first = recipe.decompose_both and recipe.r < max(out_small, in_small) / 2
    split_second = recipe.r < max(out_large, in_large) / 2
    first = recipe.r * (out_small + in_small) if split_first else out_small * in_small
    return first + (recipe.r * (out_large + in_large) if split_second else out_large * in_large)


def factorised(size: int, factor: int) -> tuple[int, int]:
    """Two numbers whose product is the size: the first is the factor, or the divisor nearest to it, or to the
    square root, that PEFT's search reaches.
    """
    if factor > 0 and size % factor == 0:
        return factor, size // factor
    most = size if factor == -1 else factor
    small, large = 1, size
    while small < large:
        larger = next(one for one in range(small + 1, size + 1) if size % one == 0)
        if larger + size // larger > 1 + size or larger > most:
            break
        small, large = larger, size // larger
    return min(small, large), max(small, large)


def oft(recipe: Recipe, inputs: int, outputs: int) -> int:
    """A rotation of each block of inputs, given by the numbers above its diagonal."""
    block = divisor_near(inputs, recipe.oft_block_size)
    return inputs // block * (block * (block - 1) // 2)


def divisor_near(size: int, wanted: int) -> int:
    """The divisor of the size that is nearest to the one wanted; of two that are, the smaller."""
    if wanted >= size:
        return size
    divisors = (one for one in range(1, size + 1) if size % one == 0)
    return min(divisors, key=lambda one: (abs(one - wanted), one))


def vera(recipe: Recipe, inputs: int, outputs: int) -> int:
    return recipe.r + outputs


def miss(recipe: Recipe, inputs: int, outputs: int) -> int:
    return recipe.r * outputs


OF_MODULE: Mapping[str, Size] = {
    "LORA": lora,
    "ADALORA": adalora,
    "LOHA": loha,
    "LOKR": lokr,
    "OFT": oft,
    "VERA": vera,
    "MISS": miss,
}
