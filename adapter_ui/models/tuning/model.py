"""The model that a training process trains: a frozen base with a new adapter, or one that is trained further.

Knows recipes and PEFT; nothing of data, files to write or the Trainer.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from peft import PeftConfig, PeftModel, PeftType, prepare_model_for_kbit_training
from peft.tuners.tuners_utils import cast_adapter_dtype
from transformers import PretrainedConfig, PreTrainedModel, set_seed

from adapter_ui.domain import MODEL_CLASS_OF_TASK
from adapter_ui.domain.classes import task_of_class
from adapter_ui.errors import InvalidRecipe
from adapter_ui.models.adapter_size import refuse_beyond_file
from adapter_ui.models.adapters import (
    add_empty_adapter,
    answer_in_the_dtype_asked,
    fill,
    read_adapter_config,
    read_json,
    read_tensors,
)
from adapter_ui.models.base_files import read_base_config
from adapter_ui.models.heads import labels_of, names_in_config
from adapter_ui.models.loading import LoadedModel, class_named, load_base, read_config
from adapter_ui.models.older_adapters import converted_tensors
from adapter_ui.models.tuning.last_token import classify_by_the_last_token
from adapter_ui.models.tuning.learned import skip_what_is_not_learned
from adapter_ui.models.tuning.methods import learn_one_matrix, train_norms_in_fp32, with_new_adapter
from adapter_ui.training.recipe import Recipe, loses_its_ends
from adapter_ui.training.run_folder import PreparedBase

ADAPTER_NAME = "default"


def load_trainable(recipe: Recipe, base: PreparedBase, labels: Sequence[str]) -> LoadedModel:
    """The base in the recipe's precision under a trainable adapter in fp32, the same one for the same seed.

    The adapter's config names the base as the Hub does, not this machine's folder. `labels` names the
    classes of the head. Raises InvalidRecipe when the recipe does not fit the base or the adapter.
    """
    refuse_other_kind(recipe, read_config(base.folder))
    set_seed(recipe.seed)
    loaded = load_base(
        base.folder,
        recipe.precision,
        MODEL_CLASS_OF_TASK[recipe.task_type],
        labels=tuple(labels) or own_head(recipe),
        one_class=True,
    )
    loaded.tokenizer.padding_side = "right"
    if recipe.precision.is_quantized:
        loaded.model = prepare_model_for_kbit_training(
            loaded.model,
            # a prefix lies in the cache, which checkpointing does without
            use_gradient_checkpointing=recipe.method != "PREFIX_TUNING",
            gradient_checkpointing_kwargs={"use_reentrant": False},
        )
    if base.adapter is None:
        loaded.model = with_new_adapter(loaded.model, recipe, loaded.tokenizer)
    else:
        loaded.model = continued(loaded.model, base.adapter, recipe)
    config = loaded.model.peft_config[ADAPTER_NAME]
    config.base_model_name_or_path, config.revision = base.base_model, base.revision
    if recipe.task_type == "CAUSAL_LM":
        skip_what_is_not_learned(loaded.model.get_base_model())
    if loses_its_ends(recipe):
        classify_by_the_last_token(loaded.model.get_base_model())
    return loaded


def own_head(recipe: Recipe) -> tuple[str, ...]:
    """The outputs of a head that a task has whatever the data says."""
    return ("start", "end") if recipe.task_type == "QUESTION_ANS" else ()


def refuse_other_kind(recipe: Recipe, config: PretrainedConfig) -> None:
    """A base of another architecture than the task needs."""
    if type(config) not in class_named(MODEL_CLASS_OF_TASK[recipe.task_type])._model_mapping:
        kind = " (an encoder with a decoder, such as T5)" if recipe.task_type == "SEQ_2_SEQ_LM" else ""
        raise InvalidRecipe(
            f"transformers has no model for {recipe.task_type}{kind} of the base's type, "
            f"{config.model_type}; choose another base or task.",
            field="base_model",
        )


def class_names(recipe: Recipe, base: PreparedBase, found: Sequence[str]) -> tuple[str, ...]:
    """The head's classes: those found in the data, in the order of the base's own head where that is for the
    same ones; or an adapter's own, which the data has to keep to.
    """
    if not found:
        return ()
    if base.adapter is None:
        own = classes_of_own_head(recipe, base.folder)
        return own if set(own) == set(found) else tuple(found)
    own = labels_of(base.adapter, base.folder)
    if strange := sorted(set(found) - set(own)):
        raise InvalidRecipe(
            f"The data has the label “{strange[0][:40]}”, which the adapter does not know; "
            f"it has {', '.join(own[:10])}.",
            field="data",
        )
    return own


def classes_of_own_head(recipe: Recipe, folder: Path) -> tuple[str, ...]:
    """What the base itself is a classifier for, in this task; empty when it is none or names no classes."""
    config = read_base_config(folder)
    return tuple(names_in_config(config)) if has_own_head(recipe, config.get("architectures")) else ()


def has_own_head(recipe: Recipe, architectures: object) -> bool:
    """Whether one of the classes that a base was saved as has a head for this task."""
    classes = architectures if isinstance(architectures, list) else []
    return any(task_of_class(name) == recipe.task_type for name in classes if isinstance(name, str))


def continued(model: PreTrainedModel, adapter: Path, recipe: Recipe) -> PeftModel:
    """The adapter in its folder on the base, made trainable; its method, sizes and targets are kept.

    Its own tensors become fp32, as PEFT has them in a new adapter, and hold what the file says and not what a
    smaller base's dtype rounds it to; a head stays in that dtype, which is what it is fed with.
    """
    peft_model = add_trainable(model, adapter, recipe)
    cast_adapter_dtype(peft_model, ADAPTER_NAME)
    if recipe.method == "LN_TUNING":
        train_norms_in_fp32(peft_model)
    config = peft_model.peft_config[ADAPTER_NAME]
    tensors = converted_tensors(config, read_tensors(adapter), model)
    refuse_beyond_file(config, tensors, model)
    fill(peft_model, tensors, ADAPTER_NAME)
    answer_in_the_dtype_asked(peft_model)
    return peft_model


def add_trainable(model: PreTrainedModel, adapter: Path, recipe: Recipe) -> PeftModel:
    """The modules of the adapter in its folder on the base, to be trained, still without its numbers."""
    config = read_adapter_config(adapter, model)
    refuse_other_adapter(config, recipe)
    config.inference_mode = False
    peft_model = add_empty_adapter(model, config, ADAPTER_NAME)
    if read_json(adapter).get("init_lora_weights") == "mica":
        learn_one_matrix(peft_model, ADAPTER_NAME)
    return peft_model


def refuse_other_adapter(config: PeftConfig, recipe: Recipe) -> None:
    method = PeftType(config.peft_type).value
    if method != recipe.method or config.task_type != recipe.task_type:
        raise InvalidRecipe(
            f"The adapter is a {method} for {config.task_type}, and the recipe trains a {recipe.method} for "
            f"{recipe.task_type}; take the adapter's own.",
            field="adapter",
        )
    if getattr(config, "prefix_projection", False):
        raise InvalidRecipe(
            "The network that makes this adapter's prefix is not saved with it, so it cannot be trained "
            "further; train a new one.",
            field="adapter",
        )
