"""Model cards: what an adapter or a merged model says of itself, with the front matter that the Hub reads.

Names and labels come from strangers, so the front matter goes through a YAML writer and texts stand in code
spans. The rows that were trained on appear as their count and a fingerprint only. Knows nothing of torch.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import yaml

from adapter_ui.domain import ADAPTER_CONFIG, Precision
from adapter_ui.training.merge_folder import MergeReport
from adapter_ui.training.methods import METHODS
from adapter_ui.training.metrics import METRICS, partly
from adapter_ui.training.prompt_template import ANSWER
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.run_folder import PreparedBase

PIPELINES = {
    "CAUSAL_LM": "text-generation",
    "SEQ_2_SEQ_LM": "text2text-generation",
    "SEQ_CLS": "text-classification",
    "TOKEN_CLS": "token-classification",
    "QUESTION_ANS": "question-answering",
    "FEATURE_EXTRACTION": "feature-extraction",
}
PLAIN_WORD = re.compile(r"[\w.-]{1,60}", re.ASCII)
BACKTICKS = re.compile(r"`+")
SPECIAL = re.compile(r"([\\`*\[\]<>&!|])")
LIBRARIES = ("peft", "transformers", "torch", "accelerate")
MOST_CURVE_ROWS = 20
CURVE = ("loss", "eval_loss", "learning_rate")


@dataclass(frozen=True)
class TrainingFacts:
    """What the card says of a training: steps done of those planned, the last measured values, and the
    metrics on the validation rows `before` and `after` it. `rows` and `validation_rows` are those that could
    be used; None for a checkpoint of a training that did not live to say.
    """

    rows: int | None
    validation_rows: int | None
    step: int
    total_steps: int
    measured: Mapping[str, float]
    before: Mapping[str, float]
    after: Mapping[str, float]


def adapter_card(
    recipe: Recipe,
    base: PreparedBase,
    labels: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    facts: TrainingFacts,
    history: Sequence[Mapping[str, float]],
) -> str:
    """The README of an adapter that a run trained."""
    method = METHODS[recipe.method].title
    held = f"{facts.validation_rows} " if facts.validation_rows else ""
    front = {
        "library_name": "peft",
        "base_model": base.base_model,
        "pipeline_tag": PIPELINES[recipe.task_type],
        **license_field(base.license),
        "tags": [
            f"base_model:adapter:{base.base_model}",
            recipe.method.lower().replace("_", "-"),
            "adapter-ui",
        ],
    }
    about = [
        front_matter(front),
        f"# {escaped(recipe.name) or f'{method} for {escaped(base.base_model)}'}",
        "",
        f"This {method} adapter for {code(base.base_model)}{at_revision(base.revision)} was trained "
        f"{further(recipe)}{extent(facts)}.",
        "",
        *(f"- {name}: {value:.4g}" for name, value in facts.measured.items() if name == "loss"),
        *base_weights(base.rounded),
        *([f"- labels: {', '.join(map(code, labels))}"] if labels else []),
        f"- data: {len(rows)} rows, SHA-256 {code(fingerprint(rows))} of their canonical JSON",
        f"- {versions(recipe.precision)}",
        "",
    ]
    return "\n".join(
        [
            *about,
            *section("Prompts", prompts_written(recipe)),
            *section(f"Measured on the {held}rows held back", metrics_table(facts)),
            *section("Curve", curve(history)),
            *section("Recipe", recipe_written(recipe)),
        ]
    )


def further(recipe: Recipe) -> str:
    return f"further from {code(recipe.adapter)} " if recipe.adapter else ""


def recipe_written(recipe: Recipe) -> list[str]:
    """The recipe, but for an adapter that was trained further without what its method has of its own: that
    is the adapter's, whatever the recipe says.
    """
    fields = recipe.to_json()
    if not recipe.adapter:
        return fenced("json", json.dumps(fields, indent=2, ensure_ascii=False))
    own = METHODS[recipe.method].defaults
    counted = {name: value for name, value in fields.items() if name not in own}
    return [
        *fenced("json", json.dumps(counted, indent=2, ensure_ascii=False)),
        "",
        f"What {METHODS[recipe.method].title} has of its own is that of the adapter it began from; it is in "
        f"{code(ADAPTER_CONFIG)}.",
    ]


def extent(facts: TrainingFacts) -> str:
    """How far the training came, and on what."""
    if facts.rows is None:
        return (
            f"for {facts.step} steps of {facts.total_steps}: the run broke off, and this is its last "
            "whole checkpoint"
        )
    partly = "" if facts.step == facts.total_steps else f" of {facts.total_steps}: the run was stopped"
    return f"on {facts.rows} rows ({facts.validation_rows} more held back) for {facts.step} steps{partly}"


def fingerprint(rows: Sequence[Mapping[str, Any]]) -> str:
    """The SHA-256 of the rows as canonical JSON, one a line: sorted keys, no spaces, UTF-8."""
    digest = hashlib.sha256()
    for row in rows:
        line = json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        digest.update(line.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()


def metrics_table(facts: TrainingFacts) -> list[str]:
    """The metrics on the validation rows, before and after; nothing where none were held back."""
    both = (facts.before, facts.after)
    names = [name for name in METRICS if any(name in metrics for metrics in both)]
    if not names:
        return []
    rows = [[METRICS[name].title, *(figure(metrics, name) for metrics in both)] for name in names]
    notes = partly(*both)
    return [*table(["metric", "before training", "after"], rows), *(["", *notes] if notes else [])]


def merged_card(report: MergeReport) -> str:
    """The README of an adapter merged into its base."""
    job = report.job
    front = {
        "library_name": "transformers",
        "base_model": job.base,
        "base_model_relation": "finetune",
        **({"pipeline_tag": PIPELINES[job.task_type]} if job.task_type in PIPELINES else {}),
        **license_field(job.license),
        "tags": ["merged-adapter", "adapter-ui"],
    }
    return "\n".join(
        [
            front_matter(front),
            f"# {escaped(job.adapter)} merged into {escaped(job.base)}",
            "",
            f"The adapter {code(job.adapter)} in the weights of {code(job.base)}{at_revision(job.revision)}, "
            f"in {job.precision}. On a few prompts the outputs differ from those of base and adapter by "
            f"{report.difference:.2g} of their spread (root mean square; {report.tolerance:g} was allowed).",
            "",
            *base_weights(job.rounded),
            f"- adapter's weights: SHA-256 {code(job.weights_sha256)}",
            f"- {versions()}",
            "",
        ]
    )


def front_matter(fields: Mapping[str, Any]) -> str:
    return f"---\n{yaml.safe_dump(dict(fields), sort_keys=False, allow_unicode=True)}---\n"


def license_field(found: str | None) -> dict[str, str]:
    return {"license": found} if found and PLAIN_WORD.fullmatch(found) else {}


def versions(precision: Precision | None = None) -> str:
    """The libraries at work; of a base that was quantized, the one that did it too."""
    names = (*LIBRARIES, "bitsandbytes") if precision and precision.is_quantized else LIBRARIES
    return ", ".join(f"{name} {version(name)}" for name in names)


def prompts_written(recipe: Recipe) -> list[str]:
    """How prompts must be written where the base's own template was not taken: one text that ends where the
    answer begins.
    """
    if not recipe.prompt_template:
        return []
    return [
        "The base's chat template was not used. Write each prompt as one text in this form, which the answer "
        "follows; in Adapter UI as a raw completion.",
        "",
        *fenced("text", recipe.prompt_template.partition(ANSWER)[0].rstrip(" ")),
    ]


def section(title: str, lines: Sequence[str]) -> list[str]:
    return [f"## {title}", "", *lines, ""] if lines else []


def curve(history: Sequence[Mapping[str, float]]) -> list[str]:
    """The measured steps as a table: at most twenty, evenly spread, the first and the last among them."""
    shown = evenly(history, MOST_CURVE_ROWS)
    names = [name for name in CURVE if any(name in entry for entry in shown)]
    if not names:
        return []
    return table(
        ["step", *names],
        [[f"{entry['step']:g}", *(figure(entry, name) for name in names)] for entry in shown],
    )


def evenly(history: Sequence[Mapping[str, float]], most: int) -> list[Mapping[str, float]]:
    if len(history) <= most:
        return list(history)
    return [history[round(index * (len(history) - 1) / (most - 1))] for index in range(most)]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def figure(values: Mapping[str, float], name: str) -> str:
    return f"{values[name]:.4g}" if name in values else "–"


def base_weights(rounded: str) -> list[str]:
    return [f"- weights of the base: {rounded}; those on the Hub are not"] if rounded else []


def at_revision(revision: str | None) -> str:
    return f" at revision {code(revision)}" if revision else ""


def one_line(text: str) -> str:
    """Without line ends and other characters that do not print, such as those that turn text around."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())


def escaped(text: str) -> str:
    """A stranger's text where Markdown would read it."""
    return SPECIAL.sub(r"\\\1", one_line(text))


def code(text: str) -> str:
    """A stranger's text as a code span, which no backtick in it can end."""
    text = one_line(text)
    fence = "`" * (longest_backticks(text) + 1)
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def fenced(language: str, text: str) -> list[str]:
    fence = "`" * max(3, longest_backticks(text) + 1)
    return [f"{fence}{language}", text, fence]


def longest_backticks(text: str) -> int:
    return max((len(run) for run in BACKTICKS.findall(text)), default=0)
