"""What would fit when a fine-tune does not: smaller batches, then shorter rows, then a smaller precision.

Tries recipes in that order; what a recipe needs is for its caller to say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from adapter_ui.domain import Precision
from adapter_ui.errors import InvalidRecipe
from adapter_ui.training.combinations import refuse_bad_combinations
from adapter_ui.training.recipe import Recipe

SHORTEST_ROWS = 64
BY_SIZE = (Precision.FP32, Precision.BF16, Precision.INT8, Precision.NF4)


def what_fits(
    recipe: Recipe, row_tokens: int, needed: Callable[[Recipe], int], available_bytes: int
) -> Recipe | None:
    """The recipe that changes least and fits; None when none does. Rows have up to `row_tokens`
    tokens.
    """
    found = (one for one in smaller(recipe, row_tokens) if needed(one) <= available_bytes)
    return next(found, None)


def smaller(recipe: Recipe, row_tokens: int) -> Iterator[Recipe]:
    """Ever smaller recipes: a smaller precision comes last, and then again with what came before."""
    yield from smaller_batches(recipe)
    yield from shorter_rows(recipe, row_tokens)
    for other in smaller_precisions(recipe):
        yield other
        yield from smaller_batches(other)
        yield from shorter_rows(other, row_tokens)


def smaller_batches(recipe: Recipe) -> Iterator[Recipe]:
    """As many rows in an optimizer step, in more passes."""
    rows = recipe.per_device_train_batch_size * recipe.gradient_accumulation_steps
    batch = recipe.per_device_train_batch_size // 2
    while batch:
        passes = math.ceil(rows / batch)
        yield recipe.model_copy(
            update={"per_device_train_batch_size": batch, "gradient_accumulation_steps": passes}
        )
        batch //= 2


def shorter_rows(recipe: Recipe, row_tokens: int) -> Iterator[Recipe]:
    """One row in a pass, cut at ever smaller powers of two."""
    alone = [recipe, *smaller_batches(recipe)][-1]
    tokens = 2 ** math.floor(math.log2(max(1, min(recipe.max_length, row_tokens) - 1)))
    while tokens >= SHORTEST_ROWS:
        yield alone.model_copy(update={"max_length": tokens})
        tokens //= 2


def smaller_precisions(recipe: Recipe) -> Iterator[Recipe]:
    """In those that the method, from its start, can be trained in."""
    known = Precision.BF16 if recipe.precision is Precision.FP16 else recipe.precision
    for precision in BY_SIZE[BY_SIZE.index(known) + 1 :] if known in BY_SIZE else ():
        other = recipe.model_copy(update={"precision": precision})
        if is_allowed(other):
            yield other


def is_allowed(recipe: Recipe) -> bool:
    try:
        refuse_bad_combinations(recipe)
    except InvalidRecipe:
        return False
    return True


def in_words(recipe: Recipe, fitting: Recipe) -> str:
    """The fields in which they differ, with the values that fit."""
    before, after = recipe.to_json(), fitting.to_json()
    return ", ".join(f"{name} {after[name]}" for name in CHANGED if after[name] != before[name])


CHANGED = ("per_device_train_batch_size", "gradient_accumulation_steps", "max_length", "precision")
