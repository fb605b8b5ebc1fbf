"""Each task on real rows in a real training process, against its baseline by a stated margin.

People wrote the rows, but for the orders: a program made those out of a few patterns.
The encoder is pretrained (all-MiniLM-L6-v2, 22M parameters), the text generator is SmolLM2-135M, and the
encoder-decoder starts from noise. The rows held back are drawn at random, so questions on one paragraph stand
on both sides of the split.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from platformdirs import user_cache_path

from adapter_ui.catalog.storage.embedded import EMBEDDED_BASE, embedded_folder
from adapter_ui.catalog.storage.library import STARTER
from adapter_ui.domain import Progress, RunState, RunStatus
from adapter_ui.settings import Settings
from adapter_ui.training.data import read_table
from adapter_ui.training.examples import to_examples
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.run_folder import PreparedBase, RunFolder
from adapter_ui.training.runs import Runs
from tests.training.conftest import end_all
from tests.training.real_bases import ENCODER_ID, build_encoder_decoder, fetch_encoder
from tests.training.tiny_t5 import T5_ID

# The page's way to these figures is what tests/e2e/test_good_figures.py goes.
pytestmark = [pytest.mark.thorough, pytest.mark.timeout(1_500)]

REAL = Path(__file__).parent / "real"
SECONDS = 1_200.0


@pytest.fixture(scope="module")
def encoder() -> Path:
    chosen = os.environ.get("ADAPTER_UI_TEST_CACHE")
    cache = Path(chosen) if chosen else user_cache_path("adapter-ui-tests", appauthor=False)
    cache.mkdir(parents=True, exist_ok=True)
    return fetch_encoder(cache)


def finished(folder: Path, base: Path, base_id: str, data: Path, **fields: Any) -> RunStatus:
    """The status of a run on `data`, with the columns that the app guesses."""

    def prepare(_: RunFolder) -> Generator[Progress, None, PreparedBase]:
        yield Progress("base", "It is here.")
        return PreparedBase(base, base_id)

    recipe = Recipe.parse({"base_model": base_id, "precision": "fp32", **fields})
    runs = Runs(folder / "runs", prepare)
    deadline = time.monotonic() + SECONDS
    try:
        run_id = runs.start(recipe, to_examples(read_table(data), {}, recipe.task_type))
        while not (status := runs.status(run_id)).state.ended:
            assert time.monotonic() < deadline, f"still at step {status.step}: {status.message}"
            time.sleep(0.5)
    finally:
        end_all(runs)
        runs.close()
    assert status.state is RunState.DONE, status.error
    return status


def test_sentiment_beats_the_majority_by_twenty_points(tmp_path: Path, encoder: Path) -> None:
    status = finished(
        tmp_path,
        encoder,
        ENCODER_ID,
        REAL / "sentences.csv",
        task_type="SEQ_CLS",
        learning_rate=2e-3,
        num_train_epochs=3,
        per_device_train_batch_size=16,
        max_length=64,
        validation_fraction=0.25,
    )
    majority = status.metrics_before["majority_accuracy"]
    assert 0.4 <= majority <= 0.6
    assert status.metrics_after["accuracy"] > majority + 0.2
    assert status.metrics_after["macro_f1"] > status.metrics_before["macro_f1"] + 0.2


def test_entities_beat_the_untrained_head_by_thirty_points(tmp_path: Path, encoder: Path) -> None:
    """The majority, O everywhere, finds no entity at all: an F1 of 0."""
    status = finished(
        tmp_path,
        encoder,
        ENCODER_ID,
        REAL / "entities.jsonl",
        task_type="TOKEN_CLS",
        learning_rate=2e-3,
        num_train_epochs=3,
        r=16,
        target_modules="all-linear",
        per_device_train_batch_size=8,
        max_length=64,
        validation_fraction=0.25,
    )
    assert status.metrics_after["entity_f1"] > status.metrics_before["entity_f1"] + 0.3


def test_a_style_halves_the_perplexity_of_the_untrained_base(
    tmp_path: Path, embedded_base_home: Path
) -> None:
    base = embedded_folder(Settings(home=embedded_base_home))
    assert base is not None
    status = finished(
        tmp_path,
        base,
        EMBEDDED_BASE,
        STARTER / "pirate" / "data.jsonl",
        learning_rate=1e-3,
        num_train_epochs=2,
        max_length=128,
        validation_fraction=0.25,
    )
    assert status.metrics_after["perplexity"] < status.metrics_before["perplexity"] / 2


def test_answers_beat_the_untrained_head_by_twenty_points(tmp_path: Path, encoder: Path) -> None:
    status = finished(
        tmp_path,
        encoder,
        ENCODER_ID,
        REAL / "questions.json",
        task_type="QUESTION_ANS",
        learning_rate=2e-3,
        num_train_epochs=4,
        r=16,
        target_modules="all-linear",
        per_device_train_batch_size=8,
        max_length=160,
        validation_fraction=0.2,
    )
    assert status.metrics_after["token_f1"] > status.metrics_before["token_f1"] + 0.2
    assert status.metrics_after["exact_match"] > status.metrics_before["exact_match"] + 0.1


def test_orders_become_their_json_by_more_than_half_of_the_words(tmp_path: Path) -> None:
    """The base is noise and writes nothing right, so all of the score was learned."""
    data = STARTER / "orders" / "data.jsonl"
    rows = [json.loads(line) for line in data.read_text(encoding="utf-8").splitlines()]
    base = build_encoder_decoder(tmp_path / "base", [text for row in rows for text in row.values()])
    status = finished(
        tmp_path,
        base,
        T5_ID,
        data,
        task_type="SEQ_2_SEQ_LM",
        learning_rate=3e-3,
        num_train_epochs=8,
        r=32,
        lora_alpha=64,
        target_modules="all-linear",
        per_device_train_batch_size=8,
        max_length=64,
        validation_fraction=0.2,
    )
    assert status.metrics_before["rouge_l"] < 0.05
    assert status.metrics_after["rouge_l"] > 0.5
