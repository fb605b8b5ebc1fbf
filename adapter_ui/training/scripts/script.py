"""A run as one Python script that needs transformers and PEFT and nothing of this app.

The script is put together from parts, so that it holds only what its run needs. What strangers named (the
base, labels, modules) goes in as Python literals, in one block at the top. Knows recipes and prepared bases;
reads and writes no files.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from string import Template

from adapter_ui.errors import InvalidInput
from adapter_ui.training.methods import METHODS, STARTS_FROM_THE_BASE
from adapter_ui.training.recipe import Recipe, virtual_tokens
from adapter_ui.training.run_folder import PreparedBase
from adapter_ui.training.scripts import loading, rows, training
from adapter_ui.training.scripts.imports import imports
from adapter_ui.training.scripts.settings import (
    NAMED_HEADS,
    STARTING_ADAPTER,
    refuse_what_has_no_words,
    settings,
)
from adapter_ui.training.scripts.targets import continued_adapter, helpers, helpers_of_continued, new_adapter

__all__ = ["STARTING_ADAPTER", "training_script"]

# With --cpu, accelerate starts a single process whatever it is asked for; with --multi_gpu it starts all of
# them, and where no GPU is they talk through gloo. With port 0 it looks for a free one: on the port that it
# takes by default, two launches on one machine would meet.
LAUNCH = (
    "accelerate launch --multi_gpu --num_machines 1 --mixed_precision no --dynamo_backend no "
    "--main_process_port 0 --num_processes 2 train.py"
)
AVERAGED_BY_THE_MODEL = ("SEQ_CLS", "TOKEN_CLS", "SEQ_2_SEQ_LM")
ROUNDED = """

The run's own base had its weights {};
the Hub's are not, so the losses differ a little unless `--base` names that folder."""
OPENING = Template('''
"""Trains $what with transformers and PEFT on the rows of data.jsonl beside this file.

    pip install $requirements

    python train.py
    $launch

The second command lets two processes share each batch, on two GPUs or on one CPU; where the last batch of an
epoch is too small for that, they read some of its rows twice.

The base is fetched from the Hub; `--base FOLDER` takes it from this machine. The adapter, and the losses in
trainer_state.json, are written to `--output`, a folder.$rounded
"""
''')


def training_script(recipe: Recipe, base: PreparedBase, labels: Sequence[str]) -> str:
    """The text of `train.py`, which reads the run's rows from `data.jsonl` beside it, and the adapter that is
    trained further from the folder STARTING_ADAPTER.

    `labels` are the classes in the order of the head's outputs. Raises InvalidInput for a run that a script
    of these parts would not reproduce.
    """
    refuse_what_has_no_words(recipe)
    refuse_unnamed_classes(recipe, base, labels)
    continued = base.adapter is not None
    rewritten = not continued and recipe.init_lora_weights in STARTS_FROM_THE_BASE
    sections = [
        settings(recipe, base, labels),
        rows.encoder(recipe),
        rows_part(recipe),
        *(helpers_of_continued(recipe) if continued else helpers(recipe)),
        load_part(recipe, continued=continued),
        *training_helpers(recipe, rewritten=rewritten),
        train_part(recipe, rewritten=rewritten),
    ]
    body = "\n\n\n".join(section.strip("\n") for section in sections) + "\n"
    return opening(recipe, base.rounded, continued=continued) + imports(body, recipe.method) + "\n\n\n" + body


def refuse_unnamed_classes(recipe: Recipe, base: PreparedBase, labels: Sequence[str]) -> None:
    """PEFT keeps no class names; without its own, an adapter's head cannot be matched with the rows."""
    if base.adapter is not None and recipe.task_type in NAMED_HEADS and not labels:
        raise InvalidInput(
            "The adapter that this run trains further does not name its classes, which a script needs; "
            "download the adapter instead.",
            field="format",
        )


def opening(recipe: Recipe, rounded: str, *, continued: bool) -> str:
    """The docstring, with the packages that the script needs in the versions that this app trains with."""
    quantized = ("bitsandbytes",) if recipe.precision.is_quantized else ()
    needed = ("torch", "transformers", "peft", "accelerate", *quantized)
    pinned = " ".join(f"{name}=={version(name).partition('+')[0]}" for name in needed)
    what = (
        f"the adapter in {STARTING_ADAPTER}/ further"
        if continued
        else f"an adapter ({METHODS[recipe.method].title})"
    )
    lines = {"what": what, "requirements": pinned, "launch": LAUNCH}
    return OPENING.substitute(**lines, rounded=rounded and ROUNDED.format(rounded)).lstrip("\n") + "\n"


def rows_part(recipe: Recipe) -> str:
    return rows.ROWS.substitute(
        is_learnable=rows.LEARNABLE.get(recipe.task_type, rows.LEARNABLE_LABELS),
        virtual_tokens=' - model.peft_config["default"].num_virtual_tokens' if virtual_tokens(recipe) else "",
    )


def load_part(recipe: Recipe, *, continued: bool) -> str:
    quantized = recipe.precision.is_quantized
    adapted, afterwards = continued_adapter(recipe) if continued else new_adapter(recipe)
    # a prefix lies in the cache, which checkpointing does without
    prepared = loading.PREPARED.substitute(
        checkpointing=loading.NO_CHECKPOINTING if recipe.method == "PREFIX_TUNING" else loading.CHECKPOINTING
    )
    has_head = recipe.task_type in (*NAMED_HEADS, "QUESTION_ANS")
    return loading.LOAD.substitute(
        what="the adapter to train further" if continued else "a new adapter",
        head=loading.HEAD if has_head else "",
        any_head=loading.ANY_HEAD if has_head else "",
        quantization="\n        quantization_config=QUANTIZATION," if quantized else "",
        prepared=prepared if quantized else "",
        adapted=adapted,
        afterwards=afterwards,
    )


def training_helpers(recipe: Recipe, *, rewritten: bool) -> list[str]:
    """What the training itself calls."""
    return [
        *([training.ACCURACY] if recipe.task_type == "SEQ_CLS" else []),
        *([training.SHARE_OF_STEP] if has_own_loss(recipe) else []),
        *([training.RANK_BUDGET] if recipe.method == "ADALORA" else []),
        *([training.PLAIN_LORA] if rewritten else []),
        *([training.ORDER_OF_SEED] if is_grouped(recipe) else []),
    ]


def train_part(recipe: Recipe, *, rewritten: bool) -> str:
    asked = recipe.task_type == "QUESTION_ANS"
    more = ["compute_metrics=accuracy"] if recipe.task_type == "SEQ_CLS" else []
    more += ["callbacks=[RankBudget()]"] if recipe.method == "ADALORA" else []
    more += ["compute_loss_func=share_of_step"] if has_own_loss(recipe) else []
    averaged = recipe.task_type in AVERAGED_BY_THE_MODEL and recipe.method == "ADALORA"
    return training.TRAIN.substitute(
        collator=training.COLLATORS[recipe.task_type],
        # a decoder that is not shown its labels needs its inputs made of them
        decoder=", model=model" if recipe.task_type == "SEQ_2_SEQ_LM" else "",
        averaged=training.AVERAGED if averaged else "",
        label_names='["start_positions", "end_positions"]' if asked else '["labels"]',
        first=training.FIRST_FACTORS if rewritten else "",
        plain=training.SAVE_PLAIN if rewritten else "",
        more="".join(f"\n        {one}," for one in more),
        fp16="not ON_CPU" if recipe.precision == "fp16" else "False",
        labelled=training.LABELLED if recipe.task_type in NAMED_HEADS else "",
        ordered=training.ORDERED if is_grouped(recipe) else "",
    )


def has_own_loss(recipe: Recipe) -> bool:
    return recipe.task_type in AVERAGED_BY_THE_MODEL and recipe.method != "ADALORA"


def is_grouped(recipe: Recipe) -> bool:
    return recipe.train_sampling_strategy == "group_by_length"
