"""Every method that a recipe can name: it learns, it is saved as PEFT loads it, and it can be resumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from adapter_ui.errors import InvalidRecipe
from adapter_ui.models.train import trainer_for
from adapter_ui.models.tuning.data import encode_examples, row_limit
from adapter_ui.models.tuning.events import RunCallback
from adapter_ui.models.tuning.model import load_trainable
from adapter_ui.training.measuring import measure
from adapter_ui.training.methods import METHODS
from adapter_ui.training.recipe import Recipe, virtual_tokens
from adapter_ui.training.run_folder import PreparedBase, RunFolder
from adapter_ui.training.run_status import read_status
from tests.training.conftest import BASE_ID, pirate_rows
from tests.training.test_training import WEIGHTS_FILE, reviews, trained

LORA_KINDS: list[dict[str, Any]] = [
    {"use_dora": True},
    {"init_lora_weights": "gaussian", "use_rslora": True},
    {"init_lora_weights": "orthogonal"},
]
SMALLER: dict[str, dict[str, Any]] = {
    "MISS": {"r": 8},
    "VERA": {"r": 16},
    "P_TUNING": {"encoder_reparameterization_type": "LSTM", "encoder_hidden_size": 16},
}


def own_recipe(method: str, **fields: Any) -> Recipe:
    """A recipe with the method's own defaults and learning rate, save for what makes it small."""
    steps = {"max_steps": 6, "per_device_train_batch_size": 4, "lr_scheduler_type": "constant"}
    return Recipe.parse({"base_model": BASE_ID, "method": method, "precision": "fp32", **steps, **fields})


def plain_llama(tiny_models: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(tiny_models / "llama", dtype=torch.float32)


@pytest.mark.parametrize(
    ("method", "fields"),
    [*((method, SMALLER.get(method, {})) for method in METHODS), *(("LORA", kind) for kind in LORA_KINDS)],
)
def test_it_learns_and_its_folder_answers_as_the_trained_model_did(
    method: str, fields: dict[str, Any], tiny_models: Path, tmp_path: Path
) -> None:
    """Trained by hand as the process does, to have the model in hand; saved by the process itself."""
    settings, base = own_recipe(method, **fields), PreparedBase(tiny_models / "llama", BASE_ID)
    run = trained(tmp_path, settings, pirate_rows(), base)
    losses = [entry["loss"] for entry in read_status(run).history]
    assert all(torch.isfinite(torch.tensor(losses)))
    assert losses[-2] + losses[-1] < losses[0] + losses[1]
    assert json.loads((run.adapter / "adapter_config.json").read_text())["peft_type"] == method

    live = load_trainable(settings, base, ())
    data = encode_examples(pirate_rows(), (), live.tokenizer, settings, row_limit(settings, live))
    again = RunFolder(tmp_path / "by hand")
    again.path.mkdir()
    trainer_for(again, settings, live, data, RunCallback(again)).train()
    tokens = AutoTokenizer.from_pretrained(tiny_models / "llama")("What is 0?", return_tensors="pt")
    with torch.no_grad():
        saved = PeftModel.from_pretrained(plain_llama(tiny_models), run.adapter).eval()(**tokens).logits
        base_says = plain_llama(tiny_models)(**tokens).logits
        expected = live.model.eval()(**tokens).logits
    assert torch.allclose(saved, expected, atol=1e-5)
    assert not torch.allclose(saved[:, -base_says.shape[1] :], base_says, atol=1e-4)


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if name != "LORA"])
@pytest.mark.parametrize("precision", ["bf16", pytest.param("int8", marks=pytest.mark.slow)])
def test_it_learns_in_fp32_over_a_smaller_base(
    method: str, precision: str, tiny_models: Path, tmp_path: Path
) -> None:
    settings = own_recipe(method, precision=precision, **SMALLER.get(method, {}))
    base = PreparedBase(tiny_models / "llama", BASE_ID)
    model = load_trainable(settings, base, ()).model
    assert {value.dtype for value in model.parameters() if value.requires_grad} == {torch.float32}
    losses = [
        entry["loss"] for entry in read_status(trained(tmp_path, settings, pirate_rows(), base)).history
    ]
    assert losses[-2] + losses[-1] < losses[0] + losses[1]


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.resumable])
def test_a_checkpoint_holds_all_that_is_trained(method: str, tiny_models: Path, tmp_path: Path) -> None:
    """A model that is resumed from the last checkpoint answers as the one that was saved there."""
    settings = own_recipe(method, **SMALLER.get(method, {}))
    base = PreparedBase(tiny_models / "llama", BASE_ID)
    live = load_trainable(settings, base, ())
    data = encode_examples(pirate_rows(), (), live.tokenizer, settings, row_limit(settings, live))
    run = RunFolder(tmp_path)
    trainer_for(run, settings, live, data, RunCallback(run)).train()
    fresh = load_trainable(settings, base, ())
    resumed = trainer_for(run, settings, fresh, data, RunCallback(run))
    resumed.train(resume_from_checkpoint=str(run.checkpoints / "checkpoint-6"))
    tokens = live.tokenizer("What is 0?", return_tensors="pt")
    with torch.no_grad():
        assert torch.equal(live.model.eval()(**tokens).logits, fresh.model.eval()(**tokens).logits)


def test_what_cannot_be_resumed_keeps_no_checkpoint_even_when_it_is_stopped(
    tiny_models: Path, tmp_path: Path
) -> None:
    settings, base = own_recipe("P_TUNING"), PreparedBase(tiny_models / "llama", BASE_ID)
    live = load_trainable(settings, base, ())
    data = encode_examples(pirate_rows(), (), live.tokenizer, settings, row_limit(settings, live))
    run = RunFolder(tmp_path)
    run.stop_file.touch()
    callback = RunCallback(run)
    trainer_for(run, settings, live, data, callback).train()
    assert callback.stopped
    assert not list(run.checkpoints.glob("checkpoint-*"))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_classifier_learns(precision: str, tiny_models: Path, tmp_path: Path) -> None:
    settings = own_recipe("OFT", task_type="SEQ_CLS", max_steps=40, learning_rate=0.05, precision=precision)
    run = trained(tmp_path, settings, reviews(), PreparedBase(tiny_models / "bert", "tiny-org/tiny-bert"))
    assert classes_found(tiny_models / "bert", run.adapter) == [0, 1]


def test_a_classifier_with_virtual_tokens_is_loaded_by_plain_peft(tiny_models: Path, tmp_path: Path) -> None:
    settings = own_recipe("PROMPT_TUNING", task_type="SEQ_CLS", validation_fraction=0.25)
    run = trained(tmp_path, settings, reviews(), PreparedBase(tiny_models / "bert", "tiny-org/tiny-bert"))
    assert "eval_accuracy" in read_status(run).history[-1]
    assert set(classes_found(tiny_models / "bert", run.adapter)) <= {0, 1}


def classes_found(base_folder: Path, adapter: Path) -> list[int]:
    """What plain PEFT says of a calm and a wild sea."""
    base = AutoModelForSequenceClassification.from_pretrained(base_folder, num_labels=2)
    model = PeftModel.from_pretrained(base, adapter).eval()
    tokenizer = AutoTokenizer.from_pretrained(base_folder)
    texts = ("the sea is calm today", "the sea is wild today")
    with torch.no_grad():
        return [int(model(**tokenizer(text, return_tensors="pt")).logits.argmax()) for text in texts]


@pytest.mark.parametrize("method", ["LORA", "IA3", "LN_TUNING"])
def test_a_tagger_finds_its_modules_on_a_base_whose_norms_peft_does_not_know(
    method: str, tiny_models: Path
) -> None:
    settings = own_recipe(method, task_type="TOKEN_CLS")
    base = PreparedBase(tiny_models / "bert", "tiny-org/tiny-bert")
    model = load_trainable(settings, base, ("O", "B-PER")).model
    assert model.get_nb_trainable_parameters()[0] > 0


def test_a_card_names_its_method(tiny_models: Path, tmp_path: Path) -> None:
    base = PreparedBase(tiny_models / "llama", BASE_ID)
    run = trained(tmp_path, own_recipe("PREFIX_TUNING", max_steps=1), pirate_rows(), base)
    card = (run.adapter / "README.md").read_text()
    assert "- prefix-tuning\n" in card
    assert f"This Prefix tuning adapter for `{BASE_ID}` was trained on 8 rows" in card


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"method": "LN_TUNING", "target_modules": ["q_proj"]}, "target_modules", "no normalisation module"),
        ({"method": "LN_TUNING", "target_modules": "all-linear"}, "target_modules", "name some"),
        ({"method": "IA3", "target_modules": ["k_prok"]}, "target_modules", "did you mean k_proj"),
    ],
)
def test_what_does_not_fit_the_base_is_told(
    fields: dict[str, Any], field: str, sentence: str, tiny_models: Path
) -> None:
    with pytest.raises(InvalidRecipe, match=sentence) as caught:
        load_trainable(own_recipe(**fields), PreparedBase(tiny_models / "llama", BASE_ID), ())
    assert caught.value.field == field


def test_virtual_tokens_take_room_of_the_context(tiny_models: Path) -> None:
    base = PreparedBase(tiny_models / "llama", BASE_ID)
    settings = own_recipe("PROMPT_TUNING", num_virtual_tokens=100, max_length=4096)
    assert virtual_tokens(settings) == 100
    loaded = load_trainable(settings, base, ())
    assert row_limit(settings, loaded) == 512 - 100
    with pytest.raises(InvalidRecipe, match="num_virtual_tokens is 510 and the base reads 512 tokens"):
        row_limit(own_recipe("PROMPT_TUNING", num_virtual_tokens=510), loaded)


@pytest.mark.parametrize("method", ["PREFIX_TUNING", "P_TUNING", "LN_TUNING"])
def test_the_child_counts_any_method(method: str, tiny_models: Path, tmp_path: Path) -> None:
    settings, base = own_recipe(method, max_steps=1), PreparedBase(tiny_models / "llama", BASE_ID)
    figures = measure(settings, pirate_rows(), base)
    live = load_trainable(settings, base, ()).model
    saved = load_file(trained(tmp_path, settings, pirate_rows(), base).adapter / WEIGHTS_FILE)
    assert figures.trainable_parameters == live.get_nb_trainable_parameters()[0]
    assert figures.adapter_bytes == 4 * sum(tensor.numel() for tensor in saved.values())
