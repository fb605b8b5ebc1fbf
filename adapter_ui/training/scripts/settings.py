"""The block of literals at the top of an exported script: the one place for what the run's owner chose or
strangers named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapter_ui.domain import MODEL_CLASS_OF_TASK, Precision
from adapter_ui.domain.heads import HEADS, NEW_MODULES, unsaved_heads
from adapter_ui.errors import InvalidInput
from adapter_ui.training.methods import METHODS
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.run_folder import PreparedBase
from adapter_ui.training.scripts.loading import COMPUTE_DTYPE, QUANTIZATION
from adapter_ui.training.scripts.targets import TRAINED_WHOLE

STARTING_ADAPTER = "starting_adapter"
NAMED_HEADS = ("SEQ_CLS", "TOKEN_CLS")
DTYPES = {Precision.FP32: "float32", Precision.FP16: "float16"}
TRAINER_FIELDS = (
    "learning_rate",
    "num_train_epochs",
    "max_steps",
    "gradient_accumulation_steps",
    "lr_scheduler_type",
    "weight_decay",
    "seed",
    "train_sampling_strategy",
)
TOLD_OTHERWISE = {
    "name",
    "base_model",
    "adapter",
    "task_type",
    "method",
    "precision",
    "columns",
    "prompt_template",
    "completion_only_loss",
    "per_device_train_batch_size",
    "warmup_ratio",
    "max_length",
    "validation_fraction",
}


def refuse_what_has_no_words(recipe: Recipe) -> None:
    """A field that the parts do not know must not be passed over in silence."""
    known = {*METHODS[recipe.method].defaults, *TRAINER_FIELDS, *TOLD_OTHERWISE}
    for field, value in recipe.to_json().items():
        if field not in known and value != Recipe.model_fields[field].default:
            raise InvalidInput(
                f"The script has no words for {field}, which this run sets; download the adapter instead.",
                field="format",
            )


def settings(recipe: Recipe, base: PreparedBase, labels: Sequence[str]) -> str:
    """The lines of the block."""
    fields = recipe.to_json()
    # the Trainer reads warmup_steps below 1 as a share of all steps
    trainer = {name: fields[name] for name in TRAINER_FIELDS} | {"warmup_steps": recipe.warmup_ratio}
    asked, unsaved = recipe.task_type == "QUESTION_ANS", unsaved_heads(recipe.task_type)
    values: dict[str, Any] = {
        "BASE": base.base_model,
        "REVISION": base.revision,
        **({"STARTING_ADAPTER": STARTING_ADAPTER} if base.adapter else {}),
        **({"LABELS": ["start", "end"] if asked else list(labels)} if asked or labels else {}),
        **({"HEADS": HEADS} if recipe.task_type in TRAINED_WHOLE and not base.adapter else {}),
        **({"NEW_HEADS": unsaved} if unsaved and not base.adapter else {}),
        **({"TOKENS": recipe.trainable_tokens} if recipe.trainable_tokens and not base.adapter else {}),
        **({"PROMPT_TEMPLATE": recipe.prompt_template} if recipe.prompt_template else {}),
        "MAX_LENGTH": recipe.max_length,
        "VALIDATION_FRACTION": recipe.validation_fraction,
        "BATCH_SIZE": recipe.per_device_train_batch_size,
    }
    return "\n".join(
        [
            *(f"{name} = {value!r}" for name, value in values.items()),
            *([] if base.adapter else [f"ADAPTER = {literal(adapter_fields(recipe))}"]),
            f"TRAINER = {literal(trainer)}",
            f"MODEL_CLASS = {MODEL_CLASS_OF_TASK[recipe.task_type]}",
            f"DTYPE = torch.{DTYPES.get(recipe.precision, 'bfloat16')}",
            "ON_CPU = not torch.cuda.is_available()",
            *([f"COMPUTE_DTYPE = {COMPUTE_DTYPE}"] if recipe.precision.has_4_bits else []),
            *(
                [f"QUANTIZATION = {quantization(recipe, has_head=asked or bool(labels))}"]
                if recipe.precision.is_quantized
                else []
            ),
            "NOT_HERE = 0  # the place of an answer that a window does not hold"
            if asked
            else "IGNORED = -100  # the loss passes over what is labelled so",
        ]
    )


def quantization(recipe: Recipe, *, has_head: bool) -> str:
    """The expression for bitsandbytes' config; a new head is left out of it."""
    left_out = f",\n    llm_int8_skip_modules={[*NEW_MODULES]}" if has_head else ""
    return QUANTIZATION[recipe.precision.value].substitute(left_out=left_out)


def adapter_fields(recipe: Recipe) -> dict[str, Any]:
    """The fields of PEFT's config that are known without the base."""
    own = METHODS[recipe.method].defaults
    fields = {name: value for name, value in recipe.to_json().items() if name in own}
    for name in ("target_modules", "feedforward_modules"):
        if not fields.get(name):
            fields.pop(name, None)
    if recipe.target_modules == "all-linear" and recipe.task_type in TRAINED_WHOLE:
        fields.pop("target_modules", None)
    fields.pop("trainable_tokens", None)
    if recipe.method == "ADALORA":
        fields["total_step"] = 1  # until the Trainer has counted the steps
    if float(fields.get("lora_alpha", 0.5)).is_integer():
        fields["lora_alpha"] = int(fields["lora_alpha"])
    return {"task_type": recipe.task_type, **fields}


def literal(values: Mapping[str, Any]) -> str:
    """A dict in Python, one entry a line."""
    return "\n".join(["{", *(f"    {name!r}: {value!r}," for name, value in values.items()), "}"])
