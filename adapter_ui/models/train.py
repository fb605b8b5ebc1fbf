"""The training process: `python -m adapter_ui.models.train RUN_FOLDER` trains what the folder says.

Reads the recipe, the rows and the prepared base; writes events, and at last the adapter. It needs no network,
knows no queue and no page, and can be run by hand.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from transformers import (
    DataCollatorForSeq2Seq,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.utils import logging

from adapter_ui.domain import Precision, RunState
from adapter_ui.errors import AdapterUIError
from adapter_ui.models.loading import LoadedModel
from adapter_ui.models.system_memory import MMAP_THRESHOLD, give_memory_back, set_allocator
from adapter_ui.models.tuning.data import EncodedData, encode_examples, row_limit
from adapter_ui.models.tuning.events import RunCallback
from adapter_ui.models.tuning.losses import AVERAGED_BY_THE_MODEL, share_of_step
from adapter_ui.models.tuning.metrics import baseline, measure, measures_for
from adapter_ui.models.tuning.model import class_names, load_trainable
from adapter_ui.models.tuning.order import OrderOfSeed
from adapter_ui.models.tuning.plain_lora import PlainCheckpoints, first_factors
from adapter_ui.models.tuning.ranks import RankBudget
from adapter_ui.models.tuning.samples import SamplesAtEvaluations, sample_prompts, write_samples
from adapter_ui.models.tuning.saving import TrainingFacts, save_adapter
from adapter_ui.training.checkpoints import newest_step, remove_torn
from adapter_ui.training.disk import FULL, is_full
from adapter_ui.training.divergence import DIVERGED
from adapter_ui.training.keeping import give_space_back, newest_good
from adapter_ui.training.methods import METHODS
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.run_folder import RunFolder
from adapter_ui.training.run_status import read_status

NICENESS = 10
CHECKPOINT_SHARE = 0.1
# The one before the newest stays until the newest is sealed.
KEPT_CHECKPOINTS = 2
# Larger ones go back to the system when they are freed. Batches differ in length, so in a heap few of them
# fit the holes of those before: 80 MB on a 135M base. Mapping them anew costs no time that could be measured.
LARGE_TENSOR_BYTES = 8 * 1024**2


def train(run: RunFolder) -> None:
    """Train from the first event to the last. Raises AdapterUIErrors for what a user can mend."""
    recipe, base, examples = run.read_recipe(), run.read_base(), run.read_examples()
    tell(run, RunState.RUNNING, "Loading the base model.")
    labels = class_names(recipe, base, examples.labels)
    loaded = load_trainable(recipe, base, labels)
    first = first_factors(loaded.model)
    tell(run, RunState.RUNNING, "Reading the data.")
    data = encode_examples(examples, labels, loaded.tokenizer, recipe, row_limit(recipe, loaded))
    prompts = sample_prompts(examples, recipe.prompt_template)
    remove_torn(run.checkpoints)
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
    if not run.stop_asked:
        keep_little_memory()
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if callback.diverged_at is not None:
        run.append(DIVERGED, step=callback.diverged_at)
        fail(run, diverged(callback.diverged_at, recipe))
        return
    step, total_steps = trainer.state.global_step, trainer.state.max_steps
    if step == 0 or (callback.stopped and run.pause_asked):
        tell_rest(run, step, total_steps)
        return
    tell(run, RunState.SAVING, "Saving the adapter.")
    facts = facts_of(run, trainer, data, callback)
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
    if data.validation and not run.stop_asked:
        tell(run, RunState.RUNNING, "Measuring the rows held back, before training.")
        found = measure(trainer, data) | baseline(recipe.task_type, data)
        run.append("metrics_before", metrics=found)


def facts_of(run: RunFolder, trainer: Trainer, data: EncodedData, callback: RunCallback) -> TrainingFacts:
    """What the card will say, with the metrics at the end of a run that was not stopped; these are written
    down, and measured anew only when the last step was not evaluated.
    """
    step, after = callback.evaluated
    if data.validation and not callback.stopped:
        after = after if step == trainer.state.global_step else measure(trainer, data)
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


def trainer_for(
    run: RunFolder, recipe: Recipe, loaded: LoadedModel, data: EncodedData, callback: RunCallback
) -> Trainer:
    """A plain Trainer that reports to `callback` alone, and measures as the task is measured."""
    measures = measures_for(recipe.task_type, loaded, data)
    grouped = recipe.train_sampling_strategy == "group_by_length"
    averaged = recipe.task_type in AVERAGED_BY_THE_MODEL
    # AdaLoRA adds a term of its own to the model's loss
    own_loss = averaged and recipe.method != "ADALORA"
    trainer = Trainer(
        model=loaded.model,
        args=training_arguments(run, recipe, has_validation=bool(data.validation)),
        train_dataset=data.training,
        eval_dataset=data.validation or None,
        processing_class=loaded.tokenizer,
        data_collator=collator(recipe.task_type, loaded),
        compute_loss_func=share_of_step if own_loss else None,
        compute_metrics=measures.compute,
        preprocess_logits_for_metrics=measures.reduce,
        callbacks=[*method_callbacks(run, recipe, loaded), *([OrderOfSeed()] if grouped else []), callback],
    )
    trainer.remove_callback(PrinterCallback)
    if averaged and not own_loss:
        trainer.model_accepts_loss_kwargs = False
    return trainer


def collator(task_type: str, loaded: LoadedModel) -> Callable[[list[Any]], dict[str, torch.Tensor]]:
    """A decoder that is not shown its labels needs its inputs made of them."""
    model = {"model": loaded.model} if task_type == "SEQ_2_SEQ_LM" else {}
    return COLLATORS[task_type](loaded.tokenizer, **model)


def method_callbacks(run: RunFolder, recipe: Recipe, loaded: LoadedModel) -> list[TrainerCallback]:
    """What a method wants to be done while it trains; before the checkpoints are sealed."""
    if recipe.method == "ADALORA":
        return [RankBudget()]
    first = first_factors(loaded.model)
    return [PlainCheckpoints(run.checkpoints, first)] if first else []


def training_arguments(run: RunFolder, recipe: Recipe, *, has_validation: bool) -> TrainingArguments:
    on_gpu = torch.cuda.is_available()
    return TrainingArguments(
        output_dir=str(run.checkpoints),
        learning_rate=recipe.learning_rate,
        num_train_epochs=recipe.num_train_epochs,
        max_steps=recipe.max_steps,
        per_device_train_batch_size=recipe.per_device_train_batch_size,
        per_device_eval_batch_size=recipe.per_device_train_batch_size,
        gradient_accumulation_steps=recipe.gradient_accumulation_steps,
        warmup_steps=recipe.warmup_ratio,
        lr_scheduler_type=recipe.lr_scheduler_type,
        weight_decay=recipe.weight_decay,
        seed=recipe.seed,
        train_sampling_strategy=recipe.train_sampling_strategy,
        eval_strategy="epoch" if has_validation else "no",
        save_strategy="steps" if METHODS[recipe.method].resumable else "no",
        save_steps=CHECKPOINT_SHARE,
        save_total_limit=KEPT_CHECKPOINTS,
        logging_steps=1,
        logging_nan_inf_filter=False,
        include_num_input_tokens_seen="non_padding",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        label_names=LABELS.get(recipe.task_type, ["labels"]),
        dataloader_pin_memory=on_gpu,
        use_cpu=not on_gpu,
        fp16=on_gpu and recipe.precision is Precision.FP16,
    )


COLLATORS = {
    "CAUSAL_LM": DataCollatorForSeq2Seq,
    "SEQ_CLS": DataCollatorWithPadding,
    "TOKEN_CLS": DataCollatorForTokenClassification,
    "SEQ_2_SEQ_LM": DataCollatorForSeq2Seq,
    "QUESTION_ANS": DataCollatorWithPadding,
}
LABELS = {"QUESTION_ANS": ["start_positions", "end_positions"]}


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


def diverged(step: int, recipe: Recipe) -> str:
    return (
        f"The loss stopped being a number at step {step}; lower the learning rate "
        f"(it is {recipe.learning_rate:g}) or use bf16."
    )


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


def main(arguments: Sequence[str]) -> None:
    os.nice(NICENESS)  # who chats with a model meanwhile goes first
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    run = RunFolder(Path(arguments[0]))
    with failures_told(run), FileLock(run.lock):
        if not run.read_events() or not read_status(run).state.ended:
            train(run)


if __name__ == "__main__":
    main(sys.argv[1:])
