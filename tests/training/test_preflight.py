"""The report before a start: exact counts from the child process, memory, warnings, refusals."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from adapter_ui.domain import BaseFacts, LengthHistogram, Precision
from adapter_ui.errors import InvalidRecipe
from adapter_ui.training.data import read_table
from adapter_ui.training.examples import to_examples
from adapter_ui.training.figures import Figures
from adapter_ui.training.fitting import smaller
from adapter_ui.training.measuring import measure
from adapter_ui.training.methods import METHODS, STARTS_THAT_READ_THE_BASE
from adapter_ui.training.preflight import check
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.run_folder import PreparedBase
from tests.training.chat_templates import ALTERNATING
from tests.training.conftest import BASE_ID, pirate_rows, recipe

GIGABYTE = 10**9
SMALL = BaseFacts(BASE_ID, parameters=135_000_000, hidden_size=576, layers=30, vocab_size=49_152)
FIGURES = Figures(
    tokens=1_000,
    longest=40,
    cut=0,
    unlearnable=0,
    trainable_parameters=460_800,
    adapter_bytes=1_843_200,
    lengths=LengthHistogram(2, (40,), limit=512, longest=40),
)


def test_the_report_puts_together_what_is_known() -> None:
    report = check(
        recipe(max_steps=-1, validation_fraction=0.25), pirate_rows(40), SMALL, 8 * GIGABYTE, FIGURES
    )
    assert (report.rows, report.validation_rows, report.steps) == (40, 10, 45)
    assert (report.tokens, report.longest, report.trainable_parameters) == (1_000, 40, 460_800)
    assert report.memory is not None
    assert report.memory.weights == 4 * 135_000_000
    assert report.memory.adapter == 4 * 460_800
    assert report.memory.optimizer == 12 * 460_800
    assert report.refusal is None


def test_without_figures_counts_are_not_known_and_memory_is_higher() -> None:
    guessed = check(recipe(), pirate_rows(), SMALL, 8 * GIGABYTE)
    exact = check(recipe(), pirate_rows(), SMALL, 8 * GIGABYTE, replace(FIGURES, longest=30))
    assert (guessed.tokens, guessed.longest, guessed.trainable_parameters) == (None, None, None)
    assert guessed.memory is not None
    assert exact.memory is not None
    assert guessed.memory.total > exact.memory.total


@pytest.mark.parametrize("cheaper", [{"precision": "bf16"}, {"precision": "nf4"}, {"max_length": 8}])
def test_memory_falls_with_what_the_refusal_advises(cheaper: dict[str, Any]) -> None:
    dear, less = (
        check(recipe(**fields), pirate_rows(), SMALL, GIGABYTE).memory
        for fields in ({"precision": "fp32"}, cheaper)
    )
    assert dear is not None
    assert less is not None
    assert less.total < dear.total


def test_what_cannot_fit_or_cannot_be_had_is_refused() -> None:
    refusal = check(recipe(), pirate_rows(), SMALL, GIGABYTE // 2).refusal
    assert refusal is not None
    assert "0.5 GB are free; nothing smaller fits; choose a smaller base" in refusal
    gone = replace(SMALL, available=False, problem="The base is gated; accept its licence first.")
    assert check(recipe(), pirate_rows(), gone, 8 * GIGABYTE).refusal == gone.problem


FITTING: list[tuple[str, int, float, dict[str, Any]]] = [
    ("fp32", 40, 1.8, {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2}),
    ("fp32", 40, 1.5, {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4}),
    (
        "fp32",
        400,
        1.8,
        {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 8, "max_length": 128},
    ),
    (
        "fp32",
        40,
        1.3,
        {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4, "precision": "bf16"},
    ),
]


@pytest.mark.parametrize(("precision", "longest", "gigabytes", "advice"), FITTING)
def test_the_refusal_says_what_would_fit_and_that_fits(
    precision: str, longest: int, gigabytes: float, advice: dict[str, Any]
) -> None:
    """A smaller batch if that is enough, then shorter rows, then another precision."""
    fields = {"precision": precision, "per_device_train_batch_size": 8}
    figures, room = replace(FIGURES, longest=longest), int(gigabytes * GIGABYTE)
    refusal = check(recipe(**fields), pirate_rows(), SMALL, room, figures).refusal
    assert refusal is not None
    assert f"; {', '.join(f'{name} {value}' for name, value in advice.items())} would fit" in refusal
    assert check(recipe(**{**fields, **advice}), pirate_rows(), SMALL, room, figures).refusal is None


def test_no_precision_is_advised_that_the_method_cannot_have() -> None:
    dear = recipe(method="LOKR", per_device_train_batch_size=1)
    assert Precision.NF4 not in {one.precision for one in smaller(dear, 40)}
    assert Precision.NF4 in {one.precision for one in smaller(recipe(), 40)}
    for start in STARTS_THAT_READ_THE_BASE:
        from_the_base = smaller(recipe(init_lora_weights=start), 40)
        assert {one.precision for one in from_the_base} == {Precision.FP32, Precision.BF16}


def test_an_unknown_size_refuses_nothing() -> None:
    report = check(recipe(), pirate_rows(), BaseFacts(BASE_ID), 1)
    assert (report.memory, report.refusal) == (None, None)


WARNINGS: list[tuple[dict[str, Any], Figures | None, str]] = [
    ({}, None, "Only 8 rows to train on"),
    ({"max_steps": 3}, None, "Only 3 optimizer steps"),
    ({"learning_rate": 0.01}, None, "0.01 is high for LoRA; 1e-4 to 3e-3 is usual, since"),
    ({"learning_rate": 1e-6}, None, "1e-06 is low for LoRA"),
    ({"method": "PROMPT_TUNING", "learning_rate": 1e-4}, None, "0.0001 is low for Prompt tuning; 3e-3 to"),
    ({"method": "P_TUNING"}, None, "keeps no checkpoints"),
    ({"max_steps": 1000}, None, "Every row is seen 250 times"),
    ({"max_steps": 1000}, replace(FIGURES, training_rows=80), "Every row is seen 25 times"),
    ({"bias": "all"}, None, "even with the adapter switched off"),
    ({"adapter": "run:x"}, None, "keeps its own rank"),
    ({}, replace(FIGURES, cut=3), "3 rows are longer than max_length=512 and are cut."),
    ({}, replace(FIGURES, unlearnable=2), "nothing of their answer can be learned within max_length=512: 2."),
    (
        {},
        replace(FIGURES, unlearnable=2, refused=2, first_refusal=(1, "Roles must alternate")),
        "the base's chat template refuses their turns: 2; the first: line 3: Roles must alternate.",
    ),
    ({}, replace(FIGURES, unused_classes=5), "has a head for 5 classes"),
    ({}, replace(FIGURES, other_classes=("ham", "spam")), "own head, for 2 other classes (ham, spam), so"),
]


@pytest.mark.parametrize(("fields", "figures", "sentence"), WARNINGS)
def test_what_is_likely_to_disappoint_is_said(
    fields: dict[str, Any], figures: Figures | None, sentence: str
) -> None:
    report = check(recipe(**fields), pirate_rows(), SMALL, 8 * GIGABYTE, figures)
    assert any(sentence in warning for warning in report.warnings)


@pytest.mark.parametrize("method", METHODS)
def test_a_methods_own_rate_is_not_warned_of_and_its_size_is_guessed(method: str) -> None:
    settings = Recipe.parse({"base_model": BASE_ID, "method": method})
    report = check(settings, pirate_rows(40), SMALL, 8 * GIGABYTE)
    assert not any("learning rate" in warning for warning in report.warnings)
    assert report.memory is not None
    assert report.memory.adapter > 0


def test_virtual_tokens_take_memory_as_others_do() -> None:
    few, many = (
        check(recipe(method="PROMPT_TUNING", num_virtual_tokens=count), pirate_rows(), SMALL, GIGABYTE).memory
        for count in (10, 500)
    )
    assert few is not None
    assert many is not None
    assert few.activations < many.activations


def test_dropped_rows_and_rare_labels_are_said() -> None:
    rows = [{"text": str(number), "label": "common"} for number in range(30)]
    table = read_table(json.dumps([*rows, {"text": "x", "label": "rare"}, {"text": "", "label": "rare"}]))
    settings = recipe(task_type="SEQ_CLS")
    report = check(settings, to_examples(table, {}, "SEQ_CLS"), SMALL, 8 * GIGABYTE)
    assert "Rows left out: 1; the first: row 32: “text” is empty." in report.warnings
    assert "The label “rare” is rare (on 1 of 31 rows) and will be guessed seldom." in report.warnings


@pytest.mark.parametrize(("tag", "is_said"), [(0, True), ("O", False)])
def test_tags_that_mark_no_entities_are_said(tag: object, is_said: bool) -> None:
    table = read_table(json.dumps([{"tokens": ["Ahoy", "Anne"], "tags": [tag, 3]}] * 30))
    report = check(recipe(task_type="TOKEN_CLS"), to_examples(table, {}, "TOKEN_CLS"), SMALL, 8 * GIGABYTE)
    assert any("No tag is O, B-… or I-…" in warning for warning in report.warnings) is is_said


SPLITS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"leaked": 3}, "Validation rows that stand among the training rows too: 3;"),
    ({}, {"unseen": ("no", "never")}, "No training row has the label “no”, “never”, so it cannot be learned"),
    ({"validation_fraction": 0.05}, {}, "Only 2 rows to validate on"),
]


@pytest.mark.parametrize(("fields", "found", "sentence"), SPLITS)
def test_what_the_split_gives_away_is_said(
    fields: dict[str, Any], found: dict[str, Any], sentence: str
) -> None:
    report = check(recipe(**fields), pirate_rows(40), SMALL, 8 * GIGABYTE, replace(FIGURES, **found))
    assert any(warning.startswith(sentence) for warning in report.warnings)


def test_repeated_rows_are_counted() -> None:
    rows = [{"prompt": "a", "completion": "b"}] * 3 + [{"prompt": "a", "completion": "c"}]
    report = check(recipe(), to_examples(read_table(json.dumps(rows)), {}, "CAUSAL_LM"), SMALL, GIGABYTE)
    assert any("more than once: 2 repeat an earlier one" in warning for warning in report.warnings)


def test_a_good_recipe_on_good_data_gets_no_warning() -> None:
    settings = recipe(max_steps=-1, learning_rate=2e-4)
    assert check(settings, pirate_rows(40), SMALL, 8 * GIGABYTE, FIGURES).warnings == ()


def test_the_child_counts_what_training_will_see(tiny_models: Path) -> None:
    base = PreparedBase(tiny_models / "llama", BASE_ID)
    figures = measure(recipe(), pirate_rows(), base)
    tokenizer = AutoTokenizer.from_pretrained(base.folder)
    turns = [
        [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["completion"]}]
        for row in pirate_rows().rows
    ]
    lengths = [len(tokenizer.apply_chat_template(turn)["input_ids"]) for turn in turns]
    assert (figures.tokens, figures.longest, figures.cut) == (sum(lengths), max(lengths), 0)
    # r=8 on q_proj (64 -> 64) and v_proj (64 -> 32) of two layers
    assert figures.trainable_parameters == 2 * 8 * (64 + 64 + 64 + 32)
    assert figures.adapter_bytes == 4 * figures.trainable_parameters


def test_the_child_names_the_conversation_that_the_template_refuses(
    tiny_models: Path, tmp_path: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_models / "llama")
    tokenizer.chat_template = ALTERNATING
    tokenizer.save_pretrained(shutil.copytree(tiny_models / "llama", tmp_path / "llama"))
    good = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    rows = [{"messages": turns} for turns in ([], good, [*good, good[1]], good)]
    examples = to_examples(read_table(json.dumps(rows)), {}, "CAUSAL_LM")
    figures = measure(recipe(), examples, PreparedBase(tmp_path / "llama", BASE_ID))
    assert (figures.refused, figures.unlearnable, sum(figures.lengths.counts)) == (1, 1, 2)
    report = check(recipe(), examples, SMALL, 8 * GIGABYTE, figures)
    assert report.rows == 2
    told = [warning for warning in report.warnings if warning.startswith("Rows left out")]
    assert told == [
        "Rows left out: 1; the first: row 1: the conversation has no question with an answer after it.",
        "Rows left out since the base's chat template refuses their turns: 1; the first: row 3: "
        "Conversation roles must alternate.",
    ]


def test_the_child_tells_what_does_not_fit_the_base(tiny_models: Path) -> None:
    base = PreparedBase(tiny_models / "llama", BASE_ID)
    with pytest.raises(InvalidRecipe, match="did you mean q_proj") as caught:
        measure(recipe(target_modules=["q_prok"]), pirate_rows(), base)
    assert caught.value.field == "target_modules"


def test_a_count_that_takes_too_long_is_ended(tiny_models: Path) -> None:
    base = PreparedBase(tiny_models / "llama", BASE_ID)
    with pytest.raises(InvalidRecipe, match="took longer than 0 seconds"):
        measure(recipe(), pirate_rows(), base, deadline_seconds=0.1)
