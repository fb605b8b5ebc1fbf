"""How long a fine-tune will take, from two steps of it that were timed: which batches to time, and the sum.

Arithmetic only; the steps are taken by `adapter_ui.training.measuring`.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adapter_ui.training.recipe import Recipe
from adapter_ui.training.run_folder import RunFolder

PASS_SHARE = 1 / 3
"""Of a step's time, what its forward pass takes: all that measuring a held-back row needs."""
MOST_ANSWERS = 8
Batch = Sequence[int]


@dataclass(frozen=True)
class Pace:
    """`steps` were timed, of `step_seconds` each on the mean batch. `start_seconds` pass before the first,
    and the sample prompts are answered in `answer_seconds`. After `epoch_steps`, `held_back` rows (or windows
    of them) are measured, and texts are written for it in `writing_seconds`.
    """

    start_seconds: float
    epoch_steps: int = 1
    held_back: int = 0
    step_seconds: float = 0.0
    steps: int = 0
    answer_seconds: float = 0.0
    writing_seconds: float = 0.0

    def seconds(self, recipe: Recipe, steps: int) -> float:
        """The whole run: the steps, and before, between and after them the rows held back and the samples."""
        rows = recipe.per_device_train_batch_size * recipe.gradient_accumulation_steps
        epochs = math.ceil(steps / self.epoch_steps)
        look = self.held_back / rows * self.step_seconds * PASS_SHARE + self.writing_seconds
        looks = 1 + epochs if self.held_back else 0
        answers = 2 + (min(epochs, MOST_ANSWERS) - 1 if self.held_back else 0)
        answering = answers * self.answer_seconds
        return self.start_seconds + steps * self.step_seconds + looks * look + answering


def pace_file(run: RunFolder) -> Path:
    return run.path / "pace.json"


def batches(lengths: Sequence[int], size: int, *, grouped: bool, seed: int) -> list[Batch]:
    """Rows, by their place, in batches much as the Trainer makes them."""
    places = list(range(len(lengths)))
    random.Random(seed).shuffle(places)
    if grouped:
        places.sort(key=lengths.__getitem__)
    return [places[begin : begin + size] for begin in range(0, len(places), size)]


def padded(batch: Batch, lengths: Sequence[int]) -> int:
    """Tokens that a model is fed with a batch."""
    return len(batch) * max(lengths[place] for place in batch)


def middling(every: Sequence[Batch], lengths: Sequence[int], count: int) -> list[Batch]:
    """So many batches of the middling sizes, the same ones again where there are fewer."""
    by_size = sorted(every, key=lambda batch: padded(batch, lengths))
    begin = max(0, (len(by_size) - count) // 2)
    middle = by_size[begin : begin + count]
    return [middle[at % len(middle)] for at in range(count)]


def mean_size(every: Sequence[Batch], lengths: Sequence[int]) -> float:
    return statistics.mean(padded(batch, lengths) for batch in every)
