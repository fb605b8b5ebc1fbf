"""A decoder that classifies under learned tokens: a row's scores are its own, whatever shares its batch."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import DataCollatorWithPadding

from adapter_ui.models.tuning.model import load_trainable
from adapter_ui.training.data import read_table
from adapter_ui.training.examples import Examples, to_examples
from adapter_ui.training.export import export_run
from adapter_ui.training.run_folder import PreparedBase
from tests.training.conftest import BASE_ID, recipe
from tests.training.test_export import losses_of_run, losses_of_script
from tests.training.test_training import trained

TEXTS = ("Ahoy!", "The sea is calm today.", "Hoist the sails and steer for the island.", "Arrr, matey")
METHODS = ("PROMPT_TUNING", "P_TUNING")
IN_BATCHES: dict[str, Any] = {"task_type": "SEQ_CLS", "per_device_train_batch_size": 3}


@pytest.fixture(scope="module")
def base(tiny_models: Path) -> PreparedBase:
    return PreparedBase(tiny_models / "llama", BASE_ID, revision="0" * 40)


def texts_of_many_lengths() -> Examples:
    rows = [{"text": text, "label": label} for text in TEXTS for label in ("calm", "wild")]
    return to_examples(read_table(json.dumps(rows)), {}, "SEQ_CLS")


@pytest.mark.parametrize("method", METHODS)
def test_a_row_is_classified_alike_alone_and_in_a_batch(method: str, base: PreparedBase) -> None:
    live = load_trainable(recipe(**IN_BATCHES, method=method), base, ("calm", "wild"))
    rows = [live.tokenizer(text) for text in TEXTS]
    collate = DataCollatorWithPadding(live.tokenizer)
    with torch.inference_mode():
        together = live.model.eval()(**collate(rows)).logits
        alone = torch.cat([live.model(**collate([row])).logits for row in rows])
    assert torch.allclose(together, alone, atol=1e-5)
    assert not torch.allclose(alone[0], alone[1], atol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_its_script_learns_the_same(method: str, base: PreparedBase, tmp_path: Path) -> None:
    settings = recipe(**IN_BATCHES, method=method, validation_fraction=0.25)
    run = trained(tmp_path, settings, texts_of_many_lengths(), base)
    found = losses_of_script(export_run(run, "script", tmp_path), base.folder, tmp_path / "script")
    assert found == pytest.approx(losses_of_run(run), rel=1e-6, abs=1e-6)


def test_the_script_of_one_trained_further_learns_the_same(base: PreparedBase, tmp_path: Path) -> None:
    settings = recipe(**IN_BATCHES, method="PROMPT_TUNING")
    first = trained(tmp_path / "first", settings, texts_of_many_lengths(), base)
    again = settings.model_copy(update={"adapter": "run:first"})
    further = replace(base, adapter=first.adapter)
    run = trained(tmp_path / "further", again, texts_of_many_lengths(), further)
    found = losses_of_script(export_run(run, "script", tmp_path), base.folder, tmp_path / "script")
    assert found == pytest.approx(losses_of_run(run), rel=1e-6, abs=1e-6)
