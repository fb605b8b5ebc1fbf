"""Save a trained adapter as a plain PEFT folder that appears whole or not at all.

Beside PEFT's two files: `label_names.json` with a classifier's class names in order, since PEFT keeps none,
and a model card. Knows nothing of how the adapter was trained beyond what the card says.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import peft
import torch
import transformers
from peft import PeftModel

from adapter_ui.models.heads import LABELS_FILE
from adapter_ui.training.checkpoints import flush_to_disk
from adapter_ui.training.methods import METHODS
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.run_folder import PreparedBase, RunFolder

PIPELINES = {
    "CAUSAL_LM": "text-generation",
    "SEQ_CLS": "text-classification",
    "TOKEN_CLS": "token-classification",
}
SHOWN = ("loss", "eval_loss", "eval_accuracy")
PLAIN_WORD = re.compile(r"[\w.-]{1,60}", re.ASCII)


@dataclass(frozen=True)
class TrainingFacts:
    """What the card says of a training: rows, steps done of those planned, and the last measured values."""

    rows: int
    validation_rows: int
    step: int
    total_steps: int
    measured: Mapping[str, float]


def save_adapter(
    run: RunFolder,
    model: PeftModel,
    recipe: Recipe,
    base: PreparedBase,
    labels: Sequence[str],
    facts: TrainingFacts,
) -> None:
    """Write the adapter beside its place, let it reach the disk, and move it there in one step."""
    partial = run.path / "adapter.partial"
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial, save_embedding_layers=False)
    if labels:
        (partial / LABELS_FILE).write_text(json.dumps(list(labels), ensure_ascii=False), encoding="utf-8")
    (partial / "README.md").write_text(model_card(recipe, base, labels, facts), encoding="utf-8")
    for path in (*partial.iterdir(), partial):
        flush_to_disk(path)
    replaced = run.path / "adapter.replaced"
    shutil.rmtree(replaced, ignore_errors=True)
    if run.adapter.exists():  # of a run that was stopped and resumed
        run.adapter.rename(replaced)
    partial.rename(run.adapter)
    flush_to_disk(run.path)
    shutil.rmtree(replaced, ignore_errors=True)


def model_card(recipe: Recipe, base: PreparedBase, labels: Sequence[str], facts: TrainingFacts) -> str:
    """The README of the adapter, with the front matter that the Hub files it by."""
    method = METHODS[recipe.method].title
    licence = [f"license: {base.license}"] if base.license and PLAIN_WORD.fullmatch(base.license) else []
    front = [
        "---",
        "library_name: peft",
        f"base_model: {base.base_model}",
        f"pipeline_tag: {PIPELINES[recipe.task_type]}",
        *licence,
        "tags:",
        f"- base_model:adapter:{base.base_model}",
        f"- {recipe.method.lower().replace('_', '-')}",
        "- adapter-ui",
        "---",
        "",
    ]
    title = " ".join(recipe.name.split()) or f"{method} for {base.base_model}"
    partly = "" if facts.step == facts.total_steps else f" of {facts.total_steps}: the run was stopped"
    about = [
        f"# {title}",
        "",
        f"This {method} adapter for `{base.base_model}` was trained on {facts.rows} rows "
        f"({facts.validation_rows} more held back) for {facts.step} steps{partly}.",
        "",
        *(f"- {name}: {value:.4g}" for name, value in facts.measured.items() if name in SHOWN),
        *([f"- labels: {', '.join(labels)}"] if labels else []),
        f"- PEFT {peft.__version__}, transformers {transformers.__version__}, torch {torch.__version__}",
        "",
        "## Recipe",
        "",
        "```json",
        json.dumps(recipe.to_json(), indent=2, ensure_ascii=False),
        "```",
        "",
    ]
    return "\n".join([*front, *about])
