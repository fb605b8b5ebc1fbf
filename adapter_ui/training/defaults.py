"""What a recipe's fields are when nobody says: by task, method, rows, base and machine, each with its reason.

Pure: it is told what the choice depends on, and looks nothing up. Fields that depend on none of this have one
default, which stands in `adapter_ui.training.recipe`.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapter_ui.domain import BaseFacts, PrecisionChoice
from adapter_ui.training.methods import METHODS

SMALL_BASE = 500_000_000
HEADED = frozenset({"SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS"})
"""Tasks whose answer comes from a new head, which starts at random."""
LARGE_STEPS, LARGEST_USUAL = 1e-3, 3e-3
HEADS_STEPS = (LARGE_STEPS, 1e-2)
# Up to so many rows, so many times over: on very few rows some ten steps are a run.
EPOCHS = ((10, 15.0), (50, 8.0), (200, 5.0), (1_000, 4.0), (10_000, 3.0), (50_000, 2.0))
UNKNOWN_EPOCHS, EPOCHS_OF_MANY = 3.0, 1.0
SMALLEST_BATCH, STEPS_OF_AN_EPOCH = 4, 40
FEWEST_TO_VALIDATE, FEW_TO_VALIDATE = 20, 50
VALIDATED_ROWS = 200
UNEVEN, ENOUGH_TO_GROUP = 2.0, 100
"""The longest row of most (nine in ten) has so many times the middle one's length; and fewer rows are left at
random, since sorted they make the same batches in every epoch.
"""


@dataclass(frozen=True)
class RowFacts:
    """How many rows there are (0: not known yet), whether their lengths differ much, and how many classes
    they name.
    """

    count: int = 0
    uneven: bool = False
    labels: int = 0

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]], labels: int = 0) -> RowFacts:
        lengths = sorted(len(str(row)) for row in rows)
        longest_of_most = lengths[len(lengths) * 9 // 10]
        return cls(len(rows), longest_of_most > UNEVEN * statistics.median(lengths), labels)


@dataclass(frozen=True)
class Situation:
    """What the defaults depend on. `precision` is the machine's own choice; `base_parameters` None when they
    are not known.
    """

    task_type: str
    method: str
    rows: RowFacts
    precision: PrecisionChoice
    base_parameters: int | None = None

    @property
    def small_base(self) -> bool:
        """An encoder whose size is not known is taken for a small one, as nearly all are."""
        if self.base_parameters is None:
            return self.task_type in HEADED
        return self.base_parameters <= SMALL_BASE


@dataclass(frozen=True)
class Default:
    """A field's value when it is left out. `reason` ends a sentence that begins with the value."""

    value: str | int | float
    reason: str


def chosen_defaults(situation: Situation) -> dict[str, Default]:
    """The fields of a recipe that depend on the situation, by name."""
    return {
        "precision": Default(situation.precision.precision.value, situation.precision.reason),
        "learning_rate": learning_rate(situation),
        "num_train_epochs": epochs(situation.rows.count),
        "per_device_train_batch_size": batch_size(situation),
        "train_sampling_strategy": sampling(situation.rows),
        "validation_fraction": validation(situation.rows.count),
    }


def learning_rate(situation: Situation) -> Default:
    method = METHODS[situation.method]
    rate = method.learning_rate
    if situation.task_type in HEADED and situation.small_base:
        low, high = HEADS_STEPS
        return Default(min(max(rate, low), high), "a head that is new starts at random and has far to go")
    if rate < LARGE_STEPS and takes_large_steps(situation):
        kind = "an encoder with a decoder" if situation.task_type == "SEQ_2_SEQ_LM" else "a base this small"
        return Default(LARGE_STEPS, f"{kind} takes larger steps")
    return Default(rate, method.rate_reason)


def takes_large_steps(situation: Situation) -> bool:
    """Whether more than the method's own rates are usual: on small bases, and on T5 and its like."""
    return situation.small_base or situation.task_type == "SEQ_2_SEQ_LM"


def usual_rates(method: str, task_type: str, base: BaseFacts) -> tuple[float, float]:
    """The learning rates that need no warning."""
    low, high = METHODS[method].usual_rates
    small = base.parameters is None or base.parameters <= SMALL_BASE
    return low, max(high, LARGEST_USUAL) if small or task_type == "SEQ_2_SEQ_LM" else high


def epochs(rows: int) -> Default:
    if not rows:
        return Default(UNKNOWN_EPOCHS, "usual; it follows the number of rows once there are some")
    times = next((times for most, times in EPOCHS if rows <= most), EPOCHS_OF_MANY)
    if times > UNKNOWN_EPOCHS:
        return Default(times, f"{rows:,} rows are few and are seen more often")
    return Default(times, f"{rows:,} rows are enough to be seen {'once' if times == 1 else 'so seldom'}")


def batch_size(situation: Situation) -> Default:
    """As many as usually fit, but not so many that an epoch has no steps."""
    wanted = 16 if situation.task_type in HEADED else 8
    reason = "short passes, which leave room for more rows" if wanted == 16 else "a small base leaves room"
    if not situation.small_base:
        wanted, reason = SMALLEST_BATCH, "a large base leaves room for few rows"
    most = max(SMALLEST_BATCH, situation.rows.count // STEPS_OF_AN_EPOCH)
    size = next(size for size in (16, 8, SMALLEST_BATCH) if size <= min(wanted, most))
    return Default(size, reason if size == wanted else "few rows, and an epoch shall have some steps")


def sampling(rows: RowFacts) -> Default:
    if not rows.uneven:
        return Default("random", "the rows are of about one length" if rows.count else "usual")
    if rows.count < ENOUGH_TO_GROUP:
        return Default("random", "so few rows would make the same batches in every epoch")
    return Default("group_by_length", "lengths differ, and batches of one length pad less")


def validation(rows: int) -> Default:
    if rows < FEWEST_TO_VALIDATE:
        reason = "so few rows are all needed to learn from" if rows else "none until there are rows"
        return Default(0.0, reason)
    if rows < FEW_TO_VALIDATE:
        return Default(0.25, "of few rows a quarter, or their figures would be chance")
    share = min(0.1, round(VALIDATED_ROWS / rows, 4))
    return Default(max(share, 0.0001), "enough to see what it does with rows it never saw")
