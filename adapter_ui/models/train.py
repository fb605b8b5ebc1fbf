"""The training process: `python -m adapter_ui.models.train RUN_FOLDER` trains what the folder says.

Reads the recipe, the rows and the prepared base; writes events, and at last the adapter. It needs no network,
knows no queue and no page, and can be run by hand, in several processes under `accelerate launch` too.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from filelock import FileLock
from transformers import Trainer
from transformers.utils import logging

from adapter_ui.domain import RunState
from adapter_ui.errors import AdapterUIError
from adapter_ui.models.system_memory import MMAP_THRESHOLD, give_memory_back, set_allocator
from adapter_ui.models.tuning.data import EncodedData, encode_examples, row_limit
from adapter_ui.models.tuning.events import RunCallback, StopHeard
from adapter_ui.models.tuning.metrics import baseline, measure
from adapter_ui.models.tuning.model import class_names, load_trainable
from adapter_ui.models.tuning.plain_lora import first_factors
from adapter_ui.models.tuning.processes import (
    as_the_first,
    is_first,
    join_the_others,
    leave_the_others,
    run_of_this_process,
    wait_for_all,
)
from adapter_ui.models.tuning.samples import SamplesAtEvaluations, prompts_of, write_samples
from adapter_ui.models.tuning.saving import TrainingFacts, save_adapter
from adapter_ui.models.tuning.trainer import trainer_for, unprepare
from adapter_ui.training.checkpoints import newest_step, remove_torn
from adapter_ui.training.disk import FULL, is_full
from adapter_ui.training.divergence import DIVERGED
from adapter_ui.training.keeping import give_space_back, newest_good, note_labels
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.run_folder import RunFolder
from adapter_ui.training.run_status import read_status

NICENESS = 10
# How long a process that failed lets the first tell what may have failed there too, before it ends them all.
TELLING_SECONDS = 5.0
# Larger ones go back to the system when they are freed. Batches differ in length, so in a heap few of them
# fit the holes of those before: 80 MB on a 135M base. Mapping them anew costs no time that could be measured.
LARGE_TENSOR_BYTES = 8 * 1024**2


def train(run: RunFolder) -> None:
    """Train from the first event to the last. Raises AdapterUIErrors for what a user can mend."""
    recipe, base, examples = run.read_recipe(), run.read_base(), run.read_examples()
    tell(run, RunState.RUNNING, "Loading the base model.")
    labels = class_names(recipe, base, examples.labels)
    if labels and is_first():
        note_labels(run, labels)
    loaded = load_trainable(recipe, base, labels)
    first = first_factors(loaded.model)
    tell(run, RunState.RUNNING, "Reading the data.")
    data = encode_examples(examples, labels, loaded.tokenizer, recipe, row_limit(recipe, loaded))
    prompts = prompts_of(examples, data, recipe, loaded) if is_first() else []
    if is_first():
        remove_torn(run.checkpoints)
    wait_for_all()
    checkpoint = newest_good(run)
    if prompts and checkpoint is None:
        tell(run, RunState.RUNNING, "Answering two prompts before training.")
        write_samples(run, loaded, prompts, "before", 0)
    callback = RunCallback(run)
    trainer = trainer_for(run, recipe, loaded, data, callback)
    trainer.add_callback(SamplesAtEvaluations(run, loaded, prompts))
    if checkpoint is None:
        write_metrics_before(run, trainer, recipe, data)
    tell(run, RunState.RUNNING, "Training." if checkpoint is None else f"Resuming from {checkpoint.name}.")
    if not as_the_first(run.stop_asked):
        keep_little_memory()
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if callback.diverged_at is not None:
        run.append(DIVERGED, step=callback.diverged_at)
        fail(run, diverged(callback.diverged_at, recipe, callback.skipped_in_a_row))
        return
    step, total_steps = trainer.state.global_step, trainer.state.max_steps
    facts = facts_of(run, trainer, data, callback) if step else None
    if facts is None or (callback.stopped and as_the_first(run.pause_asked)):
        tell_rest(run, step, total_steps)
        return
    tell(run, RunState.SAVING, "Saving the adapter.")
    if not is_first():
        return
    save_adapter(run, loaded.model, labels, facts, first)
    if callback.stopped:
        tell(run, RunState.CANCELLED, f"Stopped at step {step} of {total_steps}; the adapter so far is kept.")
        return
    write_samples(run, loaded, prompts, "after", step)
    tell(run, RunState.DONE, f"Trained for {step} steps.")
    shutil.rmtree(run.checkpoints, ignore_errors=True)  # last: until it is done, it may have to go on


def keep_little_memory() -> None:
    """Training needs memory in other sizes than the load and the answers before it."""
    set_allocator(MMAP_THRESHOLD, LARGE_TENSOR_BYTES)
    give_memory_back()


def write_metrics_before(run: RunFolder, trainer: Trainer, recipe: Recipe, data: EncodedData) -> None:
    """What the untrained model reaches on the rows held back, and what a baseline without a model does."""
    if data.validation and not as_the_first(run.stop_asked):
        tell(run, RunState.RUNNING, "Measuring the rows held back, before training.")
        with suppress(StopHeard):
            found = measure(trainer, data) | baseline(recipe.task_type, data)
            unprepare(trainer)
            run.append("metrics_before", metrics=found)


def facts_of(run: RunFolder, trainer: Trainer, data: EncodedData, callback: RunCallback) -> TrainingFacts:
    """What the card will say, with the metrics at the end of a run that was not stopped; these are written
    down, and measured anew only when the last step was not evaluated.
    """
    step, after = callback.evaluated
    if data.validation and not callback.stopped:
        if step != trainer.state.global_step:
            tell(run, RunState.RUNNING, "Measuring the rows held back, after training.")
            with suppress(StopHeard):
                after = measure(trainer, data)
        if not callback.stopped:
            run.append("metrics_after", metrics=after)
    return TrainingFacts(
        rows=data.learned,
        validation_rows=data.held_back,
        step=trainer.state.global_step,
        total_steps=trainer.state.max_steps,
        measured=callback.measured,
        before=read_status(run).metrics_before,
        after={} if callback.stopped else after,
    )


def tell(run: RunFolder, state: RunState, message: str) -> None:
    run.append("state", state=state, message=message)


def tell_rest(run: RunFolder, step: int, total_steps: int) -> None:
    """A run that was paused, or stopped before it learned anything, saves no adapter."""
    kept = newest_step(run.checkpoints)
    if not run.pause_asked and kept:
        message = f"Stopped before step {kept + 1}; the checkpoint of step {kept} can be kept or resumed."
        tell(run, RunState.CANCELLED, message)
    elif not run.pause_asked:
        tell(run, RunState.CANCELLED, "Stopped before the first step.")
    elif step == 0:
        tell(run, RunState.PAUSED, "Paused before its next step.")
    else:
        tell(run, RunState.PAUSED, f"Paused at step {step} of {total_steps}; its memory is free.")


def fail(run: RunFolder, message: str) -> None:
    run.append("error", message=message)
    tell(run, RunState.FAILED, message)


def diverged(step: int, recipe: Recipe, skipped: int) -> str:
    what = "The loss stopped being a number"
    if skipped:
        what = f"The gradient overflowed in {skipped} steps in a row, the last of them"
    return f"{what} at step {step}; lower the learning rate (it is {recipe.learning_rate:g}) or use bf16."


@contextmanager
def failures_told(run: RunFolder) -> Iterator[None]:
    """Write what a user can mend as the last event; anything else is a traceback for the supervisor."""
    try:
        yield
    except AdapterUIError as error:
        fail(run, error.message)
    except (MemoryError, torch.OutOfMemoryError):
        fail(run, "There was not enough memory; use a smaller batch or max_length, or another precision.")
    except Exception as error:  # the writers of tensors and tokenizers raise types of their own
        if not is_full(error):
            raise
        give_space_back(run)
        fail(run, FULL)


@contextmanager
def failures_left_to_the_first() -> Iterator[None]:
    """A process that fails ends with its error, upon which its launcher ends the others."""
    try:
        yield
    except Exception:
        time.sleep(TELLING_SECONDS)
        raise


def main(arguments: Sequence[str]) -> None:
    os.nice(NICENESS)  # who chats with a model meanwhile goes first
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    join_the_others()
    run = run_of_this_process(Path(arguments[0]))
    if not is_first():
        with failures_left_to_the_first():
            train_unless_ended(run)
        return
    with failures_told(run), FileLock(run.lock):
        train_unless_ended(run)


def train_unless_ended(run: RunFolder) -> None:
    if as_the_first(bool(run.read_events()) and read_status(run).state.ended):
        say_why_not(run)
    else:
        train(run)
    leave_the_others()


def say_why_not(run: RunFolder) -> None:
    """To who started it by hand; the app's queue starts nothing that has ended."""
    if is_first():
        status = read_status(run)
        way_out = "resume it in the app" if status.resumable else "start a new one to train again"
        print(f"Nothing to train: this run is {status.state.value}; {way_out}.", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
