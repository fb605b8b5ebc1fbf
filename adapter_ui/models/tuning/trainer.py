"""The Trainer of a run: a plain one, with what the recipe, the task and the method ask for.

Knows transformers' Trainer; nothing of how a run begins and ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils.data import Dataset, SequentialSampler
from transformers import (
    DataCollatorForSeq2Seq,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer_utils import EvalLoopOutput

from adapter_ui.domain import Precision
from adapter_ui.models.loading import LoadedModel
from adapter_ui.models.tuning.data import EncodedData
from adapter_ui.models.tuning.events import RunCallback, StopHeard
from adapter_ui.models.tuning.losses import AVERAGED_BY_THE_MODEL, share_of_step
from adapter_ui.models.tuning.metrics import measures_for
from adapter_ui.models.tuning.order import OrderOfSeed
from adapter_ui.models.tuning.plain_lora import PlainCheckpoints, first_factors
from adapter_ui.models.tuning.processes import is_first, is_one_of_several
from adapter_ui.models.tuning.ranks import RankBudget, loss_of_the_rows
from adapter_ui.training.methods import METHODS
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.run_folder import RunFolder

CHECKPOINT_SHARE = 0.1
# The one before the newest stays until the newest is sealed.
KEPT_CHECKPOINTS = 2


class RunTrainer(Trainer):
    """Leaves an evaluation in which a stop is heard, and then ends as at any step. What it measures is the
    loss of the rows.
    """

    def __init__(self, callback: RunCallback, callbacks: Sequence[TrainerCallback], **options: Any) -> None:
        super().__init__(callbacks=[*callbacks, callback], **options)
        self.run_callback = callback

    def evaluate(self, *arguments: Any, **options: Any) -> dict[str, float]:
        try:
            return super().evaluate(*arguments, **options)
        except StopHeard:
            self.run_callback.end_here(self.args, self.state, self.control)
            return {}

    def evaluation_loop(self, *arguments: Any, **options: Any) -> EvalLoopOutput:
        with loss_of_the_rows(self.model):
            return super().evaluation_loop(*arguments, **options)

    def _get_eval_sampler(self, eval_dataset: Dataset) -> SequentialSampler:
        """In their own order, by which predictions are told apart; transformers groups these rows by length
        where those of the training are.
        """
        return SequentialSampler(eval_dataset)


def trainer_for(
    run: RunFolder, recipe: Recipe, loaded: LoadedModel, data: EncodedData, callback: RunCallback
) -> Trainer:
    """A plain Trainer that reports to `callback` alone, and measures as the task is measured."""
    measures = measures_for(recipe.task_type, loaded, data, callback.leave_if_asked)
    grouped = recipe.train_sampling_strategy == "group_by_length"
    averaged = recipe.task_type in AVERAGED_BY_THE_MODEL
    # AdaLoRA adds a term of its own to the model's loss
    own_loss = averaged and recipe.method != "ADALORA"
    trainer = RunTrainer(
        callback,
        [*method_callbacks(run, recipe, loaded), *([OrderOfSeed()] if grouped else [])],
        model=loaded.model,
        args=training_arguments(run, recipe, has_validation=bool(data.validation)),
        train_dataset=data.training,
        eval_dataset=data.validation or None,
        processing_class=loaded.tokenizer,
        data_collator=collator(recipe.task_type, loaded),
        compute_loss_func=share_of_step if own_loss else None,
        compute_metrics=measures.compute,
        preprocess_logits_for_metrics=measures.reduce,
    )
    trainer.remove_callback(PrinterCallback)
    if averaged and not own_loss:
        trainer.model_accepts_loss_kwargs = False
    return trainer


def unprepare(trainer: Trainer) -> None:
    """Let a model that was measured be prepared again. accelerate passes over one that was prepared before,
    and nobody would sum the gradients of several processes.
    """
    if is_one_of_several():
        del trainer.model._is_accelerate_prepared


def collator(task_type: str, loaded: LoadedModel) -> Callable[[list[Any]], dict[str, torch.Tensor]]:
    """A decoder that is not shown its labels needs its inputs made of them."""
    model = {"model": loaded.model} if task_type == "SEQ_2_SEQ_LM" else {}
    return COLLATORS[task_type](loaded.tokenizer, **model)


def method_callbacks(run: RunFolder, recipe: Recipe, loaded: LoadedModel) -> list[TrainerCallback]:
    """What a method wants to be done while it trains; before the checkpoints are sealed."""
    if recipe.method == "ADALORA":
        return [RankBudget()]
    first = first_factors(loaded.model)
    return [PlainCheckpoints(run.checkpoints, first)] if first and is_first() else []


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
