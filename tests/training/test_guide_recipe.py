"""The recipe of PEFT's own guide to token classification, on the largest encoder at hand and on real rows.

The guide trains roberta-large on BioNLP 2004 with a LoRA of r=16, lora_alpha=16, lora_dropout=0.1 and
bias="all", at a learning rate of 1e-3 with a weight decay of 0.01, for ten epochs of a thousand batches of
16. Here the rows are 400 of WNUT 2017, so that ten epochs are 190 steps. MiniLM gets all of them. The largest
encoder, all-mpnet-base-v2, has the shape of roberta-base (109M parameters, q and v for query and value), and
three epochs in batches of 4 have to do on a CPU: it has only begun to find names by then, and its margin is
as small.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from platformdirs import user_cache_path
from safetensors.torch import load_file
from transformers import AutoModelForTokenClassification

from adapter_ui.domain import ADAPTER_WEIGHTS, Precision
from adapter_ui.models.adapters import attach
from adapter_ui.models.heads import labels_of
from adapter_ui.models.loading import LoadedModel, load_base
from adapter_ui.models.train import trainer_for
from adapter_ui.models.tuning.data import encode_examples
from adapter_ui.models.tuning.events import RunCallback
from adapter_ui.models.tuning.metrics import measure
from adapter_ui.training.run_folder import RunFolder
from adapter_ui.training.run_status import read_status
from tests.training.real_bases import ENCODER_ID, LARGE_ENCODER_ID, fetch_encoder, fetch_large_encoder
from tests.training.test_real_data import REAL, finished

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_500)]

GUIDE: dict[str, Any] = {
    "task_type": "TOKEN_CLS",
    "r": 16,
    "lora_alpha": 16,
    "lora_dropout": 0.1,
    "bias": "all",
    "learning_rate": 1e-3,
    "weight_decay": 0.01,
    "per_device_train_batch_size": 16,
    "num_train_epochs": 10,
}
HERE: dict[str, Any] = {"max_length": 64, "validation_fraction": 0.25}


@dataclass(frozen=True)
class Case:
    """An encoder of so many `layers`, whose body goes by the name `prefix`. `margin` is of entity F1, above
    the new head; a tagger that says O everywhere, as the majority does, has an F1 of 0.
    """

    base_id: str
    fetch: Callable[[Path], Path]
    prefix: str
    layers: int
    margin: float
    fields: Mapping[str, Any] = field(default_factory=dict)


SHORTER = {"num_train_epochs": 3, "per_device_train_batch_size": 4, "target_modules": ["q", "v"]}
CASES = [
    Case(ENCODER_ID, fetch_encoder, "bert.", 6, 0.3),
    Case(LARGE_ENCODER_ID, fetch_large_encoder, "mpnet.", 12, 0.05, SHORTER),
]


@dataclass(frozen=True)
class Tuned:
    case: Case
    base: Path
    run: RunFolder


def as_parameter(case: Case) -> Any:
    """The large encoder trains for minutes, and shows what the small one does."""
    marks = [pytest.mark.thorough] if case.base_id == LARGE_ENCODER_ID else []
    return pytest.param(case, marks=marks, id=case.base_id)


@pytest.fixture(scope="module", params=map(as_parameter, CASES))
def tuned(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    case = request.param
    chosen = os.environ.get("ADAPTER_UI_TEST_CACHE")
    cache = Path(chosen) if chosen else user_cache_path("adapter-ui-tests", appauthor=False)
    cache.mkdir(parents=True, exist_ok=True)
    base = case.fetch(cache)
    folder = tmp_path_factory.mktemp("guide")
    recipe = {**GUIDE, **HERE, **case.fields}
    status = finished(folder, base, case.base_id, REAL / "entities.jsonl", **recipe)
    return Tuned(case, base, RunFolder(folder / "runs" / status.run_id))


def test_it_beats_the_untrained_head_and_the_majority(tuned: Tuned) -> None:
    status = read_status(tuned.run)
    assert status.metrics_after["entity_f1"] > status.metrics_before["entity_f1"] + tuned.case.margin


def test_every_bias_of_the_base_is_trained_and_saved(tuned: Tuned) -> None:
    tensors = load_file(tuned.base / "model.safetensors")
    before = {
        f"{tuned.case.prefix}{name}": tensor
        for name, tensor in tensors.items()
        if name.endswith(".bias") and not name.startswith("pooler.")  # which a tagger has not
    }
    saved = load_file(tuned.run.adapter / ADAPTER_WEIGHTS)
    assert "base_model.model.classifier.bias" in saved
    after = {plain(name): tensor for name, tensor in saved.items() if name.endswith(".bias")}
    assert before.keys() <= after.keys()
    assert len(before) == 1 + 8 * tuned.case.layers
    assert [name for name in before if torch.equal(after[name], before[name])] == []


def plain(name: str) -> str:
    """The base's own name of a tensor of the adapter."""
    return name.removeprefix("base_model.model.").replace(".base_layer", "")


def test_it_is_loaded_again_and_says_the_same(tuned: Tuned, tmp_path: Path) -> None:
    """By the engine's way and by plain PEFT: the figures of the run on the rows held back, and each other's
    logits.
    """
    labels = labels_of(tuned.run.adapter, tuned.base)
    loaded = load_base(tuned.base, Precision.FP32, "AutoModelForTokenClassification", labels=labels)
    loaded.model, _ = attach(loaded.model, tuned.run.adapter, "tuned")
    fresh = AutoModelForTokenClassification.from_pretrained(
        tuned.base, num_labels=len(labels), dtype=torch.float32
    )
    by_peft = PeftModel.from_pretrained(fresh, tuned.run.adapter).eval()
    inputs = loaded.tokenizer("Ada Lovelace met Charles Babbage in London.", return_tensors="pt")
    with torch.no_grad():
        assert torch.equal(loaded.model(**inputs).logits, by_peft(**inputs).logits)
    found, after = measured(tuned.run, loaded, labels, tmp_path), read_status(tuned.run).metrics_after
    assert found["entity_f1"] == pytest.approx(after["entity_f1"], abs=1e-9)
    assert found["loss"] == pytest.approx(after["loss"], abs=1e-5)


def measured(run: RunFolder, loaded: LoadedModel, labels: Sequence[str], folder: Path) -> dict[str, float]:
    """The metrics on the rows that the run held back."""
    recipe, examples = run.read_recipe(), run.read_examples()
    loaded.tokenizer.padding_side = "right"
    data = encode_examples(examples, labels, loaded.tokenizer, recipe, HERE["max_length"])
    again = RunFolder(folder)
    return measure(trainer_for(again, recipe, loaded, data, RunCallback(again)), data)
