"""What a training tells while it runs, and how it is told to stop: the Trainer's callback on a run folder.

Writes events, seals checkpoints and reads the stop file; knows nothing of models or data.
"""

from __future__ import annotations

import math
import time
from collections.abc import Set
from typing import Any

import psutil
import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import IntervalStrategy, SaveStrategy

from adapter_ui.models.tuning.processes import as_the_first, is_first, wait_for_all
from adapter_ui.models.tuning.randomness import random_state
from adapter_ui.training.checkpoints import seal
from adapter_ui.training.metrics import METRICS
from adapter_ui.training.run_folder import RunFolder

MAX_LOGGED_STEPS = 2_000
CHECKPOINT_SECONDS = 300.0
# Of the time of a training, at most: a short one would otherwise spend much of it on writing checkpoints.
SAVING_SHARE = 0.02
# The first step alone is slow, and its batch may be unlike the others.
MEASURED_STEPS = 2
# The scale of fp16's gradients begins at 2**16 and halves in each skipped step; here it is far below 1.
MOST_SKIPPED = 30
LOGGED = ("loss", "learning_rate", "grad_norm", "epoch", *(f"eval_{name}" for name in METRICS))


class StopHeard(Exception):
    """The run was asked to stop while it was measured; the measuring is left at once."""


class RunCallback(TrainerCallback):
    """Logs every step (of a long run every n-th), stops when asked, and at the first loss that is no number.

    A stop asks for a checkpoint first, as does every five minutes, so that the run can be resumed from there;
    one that would come too soon after the one before is left out.
    Measuring may take longer than a training's steps, so a stop is heard in it too: `leave_if_asked` raises
    StopHeard, which `adapter_ui.models.tuning.trainer` and the training catch.
    `stopped` and `diverged_at` (a step) say why a training ended early; `measured` has the last values, and
    `evaluated` the metrics at the last step that was evaluated.
    """

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self.stopped = False
        self.diverged_at: int | None = None
        self.measured: dict[str, float] = {}
        self.evaluated: tuple[int, dict[str, float]] = (0, {})
        self.started = self.saved = time.monotonic()
        self.first_step = self.saved_step = 0
        self.first_tokens = 0
        self.save_once_evaluated = False
        self.save_begun = self.saving_seconds = 0.0
        self.skipped_in_a_row = 0
        self.back_to_step = random_state()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.started = self.saved = time.monotonic()
        self.first_step = self.saved_step = state.global_step
        self.first_tokens = int(state.num_input_tokens_seen)
        self.run.append("plan", total_steps=state.max_steps, step=state.global_step)

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.back_to_step = random_state()  # the order of the epoch's rows is drawn after this

    def on_substep_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.stop_if_asked(control)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.stop_if_asked(control)
        self.back_to_step = random_state()
        since = time.monotonic() - self.saved
        due = self.stopped or since > CHECKPOINT_SECONDS
        if due and args.save_strategy != SaveStrategy.NO:
            control.should_save = True
        elif since * SAVING_SHARE < self.saving_seconds and state.global_step < state.max_steps:
            control.should_save = False
        self.save_begun = time.monotonic()
        if control.should_save and is_evaluated_next(args, state):
            # an evaluation draws random numbers, and a run that goes on from here would do without it
            control.should_save, self.save_once_evaluated = False, True
        control.should_save = as_the_first(control.should_save)
        self.save_once_evaluated = as_the_first(self.save_once_evaluated)

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        wait_for_all()  # each process writes the state of its random numbers into the checkpoint
        if is_first():
            seal(self.run.checkpoints / f"checkpoint-{state.global_step}")
        self.saved, self.saved_step = time.monotonic(), state.global_step
        self.saving_seconds = self.saved - self.save_begun

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.save_begun = time.monotonic()  # what is saved at the end of an epoch is saved after this

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        diverged = self.diverged_at is not None
        if self.save_once_evaluated:
            control.should_save, self.save_once_evaluated = not diverged, False
        if is_evaluated_next(args, state) and not diverged:
            return  # also when it was stopped: the evaluation is left once it has drawn its random numbers
        if self.stopped or diverged:
            control.should_evaluate = False
        if self.stopped and self.saved_step != state.global_step and args.save_strategy != SaveStrategy.NO:
            control.should_save = True  # it stopped between two steps, among the batches that make one
            self.back_to_step()  # these are read again when it goes on

    def on_prediction_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.leave_if_asked()

    def leave_if_asked(self) -> None:
        """Raises StopHeard when a stop was asked for."""
        if as_the_first(self.run.stop_asked):
            self.stopped = True
            raise StopHeard

    def end_here(self, args: TrainingArguments, state: TrainerState, control: TrainerControl) -> None:
        """End at a step whose evaluation was left. What that has drawn of the random numbers, it draws before
        its first batch, so a run that goes on from here is as one that was evaluated.
        """
        control.should_training_stop, control.should_evaluate = True, False
        control.should_save = self.saved_step != state.global_step and args.save_strategy != SaveStrategy.NO

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float],
        **_: Any,
    ) -> None:
        measured = {name: float(logs[name]) for name in LOGGED if name in logs}
        if "loss" not in measured and "eval_loss" not in measured:
            return  # the Trainer's own summary at the end
        finite = {name: value for name, value in measured.items() if math.isfinite(value)}
        self.measured |= finite
        if "eval_loss" in finite:
            found = {name.removeprefix("eval_"): finite[name] for name in finite if name.startswith("eval_")}
            self.evaluated = (state.global_step, found)
        if self.has_diverged(args, measured.keys() - finite.keys()):
            self.diverged_at = state.global_step
            control.should_training_stop = True
            control.should_save = False  # the state before this step is the one to go back to
        ends_here = self.stopped or self.diverged_at is not None
        if ends_here or "eval_loss" in finite or self.is_written(state):
            self.run.append("log", step=state.global_step, **finite, **self.speed(state))

    def has_diverged(self, args: TrainingArguments, not_finite: Set[str]) -> bool:
        """Whether what is no number says that the training is lost. A step in fp16 whose gradient overflows
        is skipped, and the next one is scaled less; it is lost where that never helps.
        """
        skipped = args.fp16 and not_finite == {"grad_norm"}
        self.skipped_in_a_row = self.skipped_in_a_row + 1 if skipped else 0
        return self.skipped_in_a_row >= MOST_SKIPPED if skipped else bool(not_finite)

    def is_written(self, state: TrainerState) -> bool:
        every = math.ceil(state.max_steps / MAX_LOGGED_STEPS)
        return state.global_step % every == 0 or state.global_step in (1, state.max_steps)

    def speed(self, state: TrainerState) -> dict[str, float]:
        seconds = max(time.monotonic() - self.started, 1e-6)
        done, tokens = state.global_step - self.first_step, state.num_input_tokens_seen - self.first_tokens
        left = (state.max_steps - state.global_step) * seconds / max(done, 1)
        return {
            "tokens_per_second": round(float(tokens) / seconds, 1),
            **({"eta_seconds": round(left, 1)} if done >= MEASURED_STEPS else {}),
            "memory_bytes": memory_in_use(),
        }

    def stop_if_asked(self, control: TrainerControl) -> None:
        if as_the_first(self.run.stop_asked):
            self.stopped = True
            control.should_training_stop = True


def is_evaluated_next(args: TrainingArguments, state: TrainerState) -> bool:
    """Whether the rows held back are measured after this step, the last of its epoch."""
    ends_epoch = math.isclose(state.epoch or 0, round(state.epoch or 0), abs_tol=1e-9)
    return args.eval_strategy == IntervalStrategy.EPOCH and ends_epoch


def memory_in_use() -> int:
    """Bytes that the training holds now: of its GPU where it has one, else of this process."""
    if torch.cuda.is_available():
        return torch.cuda.memory_reserved()
    return psutil.Process().memory_info().rss
