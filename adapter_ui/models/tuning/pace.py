"""`python -m adapter_ui.models.tuning.pace FOLDER` takes a few steps of a fine-tune, times them, and ends.

Reads a run's folder as the training does, and writes `pace.json` into it, anew after each measured step. The
batches are of middling size, and their time is told for the mean one.
"""

from __future__ import annotations

import math
import os
import statistics
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import SaveStrategy
from transformers.utils import logging

from adapter_ui.models.loading import LoadedModel
from adapter_ui.models.train import NICENESS, keep_little_memory
from adapter_ui.models.tuning.data import EncodedData, encode_examples, in_one_line, row_limit
from adapter_ui.models.tuning.events import RunCallback
from adapter_ui.models.tuning.metrics import ROUGE_BATCH, texts_written
from adapter_ui.models.tuning.model import class_names, load_trainable
from adapter_ui.models.tuning.samples import prompts_of, write_samples
from adapter_ui.models.tuning.trainer import trainer_for
from adapter_ui.training.metrics import ROUGE_ROWS
from adapter_ui.training.pace import Pace, batches, mean_size, middling, pace_file
from adapter_ui.training.recipe import Recipe, steps_of_epoch
from adapter_ui.training.run_folder import RunFolder, write_json

UNTIMED_STEPS, TIMED_STEPS = 1, 2
"""The first step is slower than those after it: memory is asked for, and kernels are chosen."""


class Stopwatch(TrainerCallback):
    """Writes the pace down after each step that counts; `scale` is the mean batch's size over theirs."""

    def __init__(self, run: RunFolder, pace: Pace, scale: float) -> None:
        self.run, self.pace, self.scale = run, pace, scale
        self.begun = 0.0
        self.taken: list[float] = []

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.begun = now()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if state.global_step > UNTIMED_STEPS:
            self.taken.append(now() - self.begun)
            mean = self.scale * statistics.mean(self.taken)
            self.pace = replace(self.pace, step_seconds=mean, steps=len(self.taken))
            write(self.run, self.pace)


def now() -> float:
    """The time at which all that was asked of a GPU is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.monotonic()


def age() -> float:
    """Seconds since this process was started, its imports included."""
    return time.time() - psutil.Process().create_time()


def measure(run: RunFolder) -> None:
    """Load, take the steps, answer the sample prompts, and write the first texts that are measured, as the
    training will several times.
    """
    recipe, base, examples = run.read_recipe(), run.read_base(), run.read_examples()
    labels = class_names(recipe, base, examples.labels)
    loaded = load_trainable(recipe, base, labels)
    data = encode_examples(examples, labels, loaded.tokenizer, recipe, row_limit(recipe, loaded))
    few, scale = middling_rows(data, recipe)
    short = recipe.model_copy(update={"max_steps": UNTIMED_STEPS + TIMED_STEPS})
    trainer = trainer_for(run, short, loaded, few, RunCallback(run))
    trainer.args.save_strategy = SaveStrategy.NO
    trainer.args.train_sampling_strategy = "sequential"
    pace = Pace(age(), steps_of_epoch(recipe, len(data.training)), len(data.validation))
    stopwatch = Stopwatch(run, pace, scale)
    trainer.add_callback(stopwatch)
    keep_little_memory()
    trainer.train()
    begun = now()
    write_samples(run, loaded, prompts_of(examples, data, recipe, loaded), "before", 0)
    pace = replace(stopwatch.pace, answer_seconds=now() - begun)
    write(run, pace)
    if recipe.task_type == "SEQ_2_SEQ_LM" and data.validation:
        write(run, replace(pace, writing_seconds=seconds_of_texts(loaded, data)))


def seconds_of_texts(loaded: LoadedModel, data: EncodedData) -> float:
    """How long the texts of one evaluation take to write, told from their first batch."""
    prompts = [row["input_ids"] for row in data.validation[:ROUGE_ROWS]]
    begun = now()
    texts_written(loaded, prompts[:ROUGE_BATCH])
    return (now() - begun) * math.ceil(len(prompts) / ROUGE_BATCH)


def middling_rows(data: EncodedData, recipe: Recipe) -> tuple[EncodedData, float]:
    """The rows of the batches to take, and the mean batch's size over theirs."""
    lengths = [len(in_one_line(row, recipe.task_type)[0]) for row in data.training]
    grouped = recipe.train_sampling_strategy == "group_by_length"
    every = batches(lengths, recipe.per_device_train_batch_size, grouped=grouped, seed=recipe.seed)
    passes = (UNTIMED_STEPS + TIMED_STEPS) * recipe.gradient_accumulation_steps
    taken = middling(every, lengths, passes)
    few = [data.training[place] for batch in taken for place in batch]
    return replace(data, training=few, validation=[]), mean_size(every, lengths) / mean_size(taken, lengths)


def write(run: RunFolder, pace: Pace) -> None:
    write_json(pace_file(run), asdict(pace))


def main(folder: Path) -> None:
    os.nice(NICENESS)  # as the training is
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    measure(RunFolder(folder))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
