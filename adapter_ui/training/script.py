"""A run as one Python script that needs transformers and PEFT and nothing of this app.

The script is put together from parts, so that it holds only what its run needs. What strangers named (the
base, labels, modules) goes in as Python literals, in one block at the top. Knows recipes and prepared bases;
reads and writes no files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from adapter_ui.domain import MODEL_CLASS_OF_TASK, Precision
from adapter_ui.errors import InvalidInput
from adapter_ui.training import script_parts as parts
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.run_folder import PreparedBase

QUANTIZED = {Precision.INT8, Precision.NF4, Precision.FP4}
DTYPES = {Precision.FP32: "float32", Precision.FP16: "float16"}
LORA_FIELDS = (
    "r",
    "lora_alpha",
    "lora_dropout",
    "bias",
    "use_rslora",
    "use_dora",
    "init_lora_weights",
)
TRAINER_FIELDS = (
    "learning_rate",
    "num_train_epochs",
    "max_steps",
    "gradient_accumulation_steps",
    "lr_scheduler_type",
    "weight_decay",
    "seed",
)
TOLD_OTHERWISE = {
    "name",
    "base_model",
    "adapter",
    "task_type",
    "method",
    "precision",
    "columns",
    "target_modules",
    "per_device_train_batch_size",
    "warmup_ratio",
    "max_length",
    "validation_fraction",
}
ENCODERS = {
    "CAUSAL_LM": parts.ENCODE_TEXT,
    "SEQ_CLS": parts.ENCODE_CLASSIFIED,
    "TOKEN_CLS": parts.ENCODE_TAGGED,
}
COLLATORS = {
    "CAUSAL_LM": "DataCollatorForSeq2Seq",
    "SEQ_CLS": "DataCollatorWithPadding",
    "TOKEN_CLS": "DataCollatorForTokenClassification",
}


def training_script(recipe: Recipe, base: PreparedBase, labels: Sequence[str]) -> str:
    """The text of `train.py`, which reads the run's rows from `data.jsonl` beside it.

    `labels` are the classes in the order of the head's outputs. Raises InvalidInput for a run that a script
    of these parts would not reproduce.
    """
    refuse_what_cannot_be_written(recipe, base)
    sections = [
        opening(recipe) + imports(recipe),
        settings(recipe, base, labels),
        ENCODERS[recipe.task_type],
        parts.ROWS,
        *([] if recipe.target_modules else [parts.USUAL_TARGETS]),
        load_part(recipe),
        *([parts.ACCURACY] if recipe.task_type == "SEQ_CLS" else []),
        train_part(recipe),
    ]
    return "\n\n\n".join(section.strip("\n") for section in sections) + "\n"


def refuse_what_cannot_be_written(recipe: Recipe, base: PreparedBase) -> None:
    if base.adapter is not None:
        raise InvalidInput(
            "This run trains an adapter further, and a script is written only for runs that start from a "
            "base; download the adapter instead.",
            field="format",
        )
    if recipe.method != "LORA" or recipe.task_type not in ENCODERS:
        raise InvalidInput(
            f"A script is written only for LORA on {', '.join(ENCODERS)}, and this run is {recipe.method} "
            f"for {recipe.task_type}; download the adapter instead.",
            field="format",
        )
    known = {*LORA_FIELDS, *TRAINER_FIELDS, *TOLD_OTHERWISE}
    for field, value in recipe.to_json().items():
        if field not in known and value != Recipe.model_fields[field].default:
            raise InvalidInput(
                f"The script has no words for {field}, which this run sets; download the adapter instead.",
                field="format",
            )


def opening(recipe: Recipe) -> str:
    """The docstring, with the packages that the script needs in the versions that this app trains with."""
    needed = ("torch", "transformers", "peft", "accelerate", *bitsandbytes(recipe))
    pinned = " ".join(f"{name}=={version(name).partition('+')[0]}" for name in needed)
    return parts.OPENING.substitute(requirements=pinned) + "\n"


def bitsandbytes(recipe: Recipe) -> tuple[str, ...]:
    return ("bitsandbytes",) if recipe.precision in QUANTIZED else ()


def imports(recipe: Recipe) -> str:
    """The import block: only names that the chosen parts use."""
    quantized = recipe.precision in QUANTIZED
    names = {
        "AutoConfig",
        "AutoTokenizer",
        MODEL_CLASS_OF_TASK[recipe.task_type],
        COLLATORS[recipe.task_type],
        "Trainer",
        "TrainingArguments",
        "set_seed",
        *(["BitsAndBytesConfig"] if quantized else []),
    }
    return "\n".join(
        [
            *(f"import {name}" for name in ("argparse", "json", "os", "random")),
            "from pathlib import Path",
            "",
            *(f"import {name}" for name in (*bitsandbytes(recipe), "torch")),
            f"from peft import LoraConfig, get_peft_model{', prepare_model_for_kbit_training' * quantized}",
            *([] if recipe.target_modules else [parts.IMPORT_USUAL_TARGETS]),
            "from transformers import (",
            *(f"    {name}," for name in sorted(names)),
            ")",
        ]
    )


def settings(recipe: Recipe, base: PreparedBase, labels: Sequence[str]) -> str:
    """The block of literals: the one place for what the run's owner chose or strangers named."""
    fields = recipe.to_json()
    if float(recipe.lora_alpha).is_integer():
        fields["lora_alpha"] = int(recipe.lora_alpha)
    values: dict[str, Any] = {
        "BASE": base.base_model,
        "REVISION": base.revision,
        **({"LABELS": list(labels)} if labels else {}),
        "MAX_LENGTH": recipe.max_length,
        "VALIDATION_FRACTION": recipe.validation_fraction,
        "BATCH_SIZE": recipe.per_device_train_batch_size,
    }
    lora = {"task_type": recipe.task_type} | {name: fields[name] for name in LORA_FIELDS if name in fields}
    if recipe.target_modules:
        lora["target_modules"] = recipe.target_modules
    # the Trainer reads warmup_steps below 1 as a share of all steps
    trainer = {name: fields[name] for name in TRAINER_FIELDS} | {"warmup_steps": recipe.warmup_ratio}
    return "\n".join(
        [
            *(f"{name} = {value!r}" for name, value in values.items()),
            f"LORA = {literal(lora)}",
            f"TRAINER = {literal(trainer)}",
            f"MODEL_CLASS = {MODEL_CLASS_OF_TASK[recipe.task_type]}",
            f"DTYPE = torch.{DTYPES.get(recipe.precision, 'bfloat16')}",
            *(
                [f"QUANTIZATION = {parts.QUANTIZATION[recipe.precision.value]}"]
                if recipe.precision in QUANTIZED
                else []
            ),
            "IGNORED = -100  # the loss passes over what is labelled so",
            "ON_CPU = not torch.cuda.is_available()",
        ]
    )


def load_part(recipe: Recipe) -> str:
    quantized = recipe.precision in QUANTIZED
    return parts.LOAD.substitute(
        head=parts.HEAD if recipe.task_type != "CAUSAL_LM" else "",
        quantization=", quantization_config=QUANTIZATION" if quantized else "",
        prepared=parts.PREPARED if quantized else "",
        targets="" if recipe.target_modules else ", target_modules=usual_targets(model)",
    )


def train_part(recipe: Recipe) -> str:
    return parts.TRAIN.substitute(
        collator=COLLATORS[recipe.task_type],
        metrics="accuracy" if recipe.task_type == "SEQ_CLS" else "None",
        fp16="not ON_CPU" if recipe.precision is Precision.FP16 else "False",
        labelled=parts.LABELLED if recipe.task_type != "CAUSAL_LM" else "",
    )


def literal(values: Mapping[str, Any]) -> str:
    """A dict in Python, one entry a line."""
    return "\n".join(["{", *(f"    {name!r}: {value!r}," for name, value in values.items()), "}"])
