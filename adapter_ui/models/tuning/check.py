"""`python -m adapter_ui.models.tuning.check FOLDER` counts what a fine-tune would train, and ends.

Reads a run's folder and writes `figures.json` into it. The base's weights are not loaded: the model is
built on the meta device, where tensors have shapes and no memory.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict
from transformers import PretrainedConfig
from transformers.utils import logging

from adapter_ui.domain import MODEL_CLASS_OF_TASK
from adapter_ui.errors import AdapterUIError, InvalidInput
from adapter_ui.models.loading import LoadedModel, class_named, load_tokenizer, read_config
from adapter_ui.models.tuning.data import encode_examples, in_one_line, row_limit
from adapter_ui.models.tuning.methods import with_new_adapter
from adapter_ui.models.tuning.model import (
    ADAPTER_NAME,
    add_trainable,
    class_names,
    classes_of_own_head,
    has_own_head,
    own_head,
    refuse_other_kind,
)
from adapter_ui.models.tuning.plain_lora import is_factor, starts_from_the_base
from adapter_ui.models.tuning.token_rows import leaked_rows, token_rows, unseen_labels
from adapter_ui.training.figures import Figures, histogram
from adapter_ui.training.prompt_template import Wording
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.run_folder import PreparedBase, RunFolder, write_json

ADAPTER_BYTES = 4


def count(run: RunFolder) -> Figures:
    """The figures of the run. Raises AdapterUIErrors as the training itself would."""
    recipe, base, examples = run.read_recipe(), run.read_base(), run.read_examples()
    labels = class_names(recipe, base, examples.labels)
    loaded = weightless(recipe, base, labels)
    limit = row_limit(recipe, loaded)
    data = encode_examples(examples, labels, loaded.tokenizer, recipe, limit)
    return Figures(
        tokens=sum(len(in_one_line(row, recipe.task_type)[0]) for row in data.training),
        longest=max(data.lengths),
        cut=data.cut,
        unlearnable=data.unlearnable,
        refused=len(data.refusals),
        first_refusal=next(iter(data.refusals.items()), None),
        trainable_parameters=loaded.model.get_nb_trainable_parameters()[0],
        adapter_bytes=ADAPTER_BYTES * saved_parameters(loaded.model),
        lengths=histogram([length for length in data.lengths if length], limit),
        preview=token_rows(examples, labels, loaded.tokenizer, limit, Wording.of(recipe)),
        leaked=leaked_rows(data),
        unseen=unseen_labels(data, labels),
        training_rows=len(data.training),
        unused_classes=0 if base.adapter else unused_classes(recipe, read_config(base.folder), labels),
        other_classes=() if base.adapter else other_classes(recipe, base.folder, labels),
    )


def unused_classes(recipe: Recipe, config: PretrainedConfig, labels: Sequence[str]) -> int:
    """The classes of the base's own head for the task, where they are not as many as the `labels`; else 0."""
    is_other = labels and config.num_labels != len(labels)
    return config.num_labels if is_other and has_own_head(recipe, config.architectures) else 0


def other_classes(recipe: Recipe, folder: Path, labels: Sequence[str]) -> tuple[str, ...]:
    """The classes of the base's own head, where it is trained on from them for as many others."""
    own = classes_of_own_head(recipe, folder)
    is_named = not all(name == f"LABEL_{number}" for number, name in enumerate(own))
    return own if is_named and len(own) == len(labels) and set(own) != set(labels) else ()


def saved_parameters(model: PeftModel) -> int:
    """Numbers in the adapter's file. Of virtual tokens PEFT saves what their encoder gives, which has the
    shape of its embedding; asking a model without numbers for it fails.
    """
    if not model.active_peft_config.is_prompt_learning:
        saved = get_peft_model_state_dict(model, adapter_name=ADAPTER_NAME, save_embedding_layers=False)
        twice = starts_from_the_base(model)
        return sum(tensor.numel() * (2 if twice and is_factor(name) else 1) for name, tensor in saved.items())
    trained = [(name, value) for name, value in model.named_parameters() if value.requires_grad]
    head = sum(value.numel() for name, value in trained if not name.startswith("prompt_encoder."))
    return head + int(model.prompt_encoder[ADAPTER_NAME].embedding.weight.numel())


def weightless(recipe: Recipe, base: PreparedBase, labels: tuple[str, ...]) -> LoadedModel:
    """The model that would be trained, as shapes without numbers."""
    config = read_config(base.folder)
    refuse_other_kind(recipe, config)
    if head := labels or own_head(recipe):
        config.num_labels = len(head)
    with torch.device("meta"):
        model = class_named(MODEL_CLASS_OF_TASK[recipe.task_type]).from_config(config)
    tokenizer = load_tokenizer(base.folder)
    if base.adapter is None:
        model = with_new_adapter(model, recipe, tokenizer)
    else:
        model = add_trainable(model, base.adapter, recipe)
    return LoadedModel(model, tokenizer, torch.device("meta"))


def main(folder: Path) -> None:
    logging.set_verbosity_error()
    run = RunFolder(folder)
    try:
        write_json(run.figures, asdict(count(run)))
    except AdapterUIError as error:
        field = error.field if isinstance(error, InvalidInput) else "base_model"
        write_json(run.figures, {"error": error.message, "field": field})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
