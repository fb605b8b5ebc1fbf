"""Every method that a recipe can name: it learns, it is saved as PEFT loads it, and it can be resumed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    RobertaConfig,
    RobertaModel,
)

from adapter_ui.domain import RunState
from adapter_ui.errors import InvalidRecipe
from adapter_ui.models.train import trainer_for
from adapter_ui.models.tuning.data import encode_examples, row_limit
from adapter_ui.models.tuning.events import RunCallback
from adapter_ui.models.tuning.model import load_trainable
from adapter_ui.training.data import read_table
from adapter_ui.training.examples import Examples, to_examples
from adapter_ui.training.export import export_run
from adapter_ui.training.keeping import keep_checkpoint
from adapter_ui.training.measuring import measure
from adapter_ui.training.methods import METHODS
from adapter_ui.training.recipe import Recipe, virtual_tokens
from adapter_ui.training.run_folder import PreparedBase, RunFolder
from adapter_ui.training.run_status import read_status
from tests.hub.tiny_models import build_tokenizer, save_model
from tests.training.conftest import BASE_ID, pirate_rows
from tests.training.test_export import losses_of_run, losses_of_script
from tests.training.test_training import WEIGHTS_FILE, reviews, trained

LORA_KINDS: list[dict[str, Any]] = [
    {"use_dora": True},
    {"init_lora_weights": "gaussian", "use_rslora": True},
    {"init_lora_weights": "orthogonal"},
    {"init_lora_weights": "pissa"},
    {"init_lora_weights": "pissa_niter_16", "use_rslora": True},
    {"init_lora_weights": "olora", "lora_dropout": 0.1},
    {"init_lora_weights": "mica"},
    {"trainable_tokens": ["<s>", "</s>"]},
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


def trained_by_hand(folder: Path, settings: Recipe, base: PreparedBase, examples: Examples) -> PeftModel:
    """The model that a run of the recipe ends with, in hand."""
    live = load_trainable(settings, base, examples.labels)
    data = encode_examples(examples, examples.labels, live.tokenizer, settings, row_limit(settings, live))
    again = RunFolder(folder / "by hand")
    again.path.mkdir()
    trainer_for(again, settings, live, data, RunCallback(again)).train()
    return live.model


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

    live = trained_by_hand(tmp_path, settings, base, pirate_rows())
    tokens = AutoTokenizer.from_pretrained(tiny_models / "llama")("What is 0?", return_tensors="pt")
    with torch.no_grad():
        saved = PeftModel.from_pretrained(plain_llama(tiny_models), run.adapter).eval()(**tokens).logits
        base_says = plain_llama(tiny_models)(**tokens).logits
        expected = live.eval()(**tokens).logits
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
        ({"method": "LORA", "trainable_tokens": ["<s"]}, "trainable_tokens", "did you mean “<s>”"),
        ({"method": "LORA", "trainable_tokens": ["ß§ß"]}, "trainable_tokens", "no token “ß§ß”"),
        ({"method": "LORA", "init_lora_weights": "pissa", "r": 512}, "r", "directions to start from"),
        ({"method": "IA3", "target_modules": ["k_prok"]}, "target_modules", "did you mean k_proj"),
    ],
)
def test_what_does_not_fit_the_base_is_told(
    fields: dict[str, Any], field: str, sentence: str, tiny_models: Path
) -> None:
    with pytest.raises(InvalidRecipe, match=sentence) as caught:
        load_trainable(own_recipe(**fields), PreparedBase(tiny_models / "llama", BASE_ID), ())
    assert caught.value.field == field


def test_the_check_tells_a_rank_that_mica_has_no_directions_for(tiny_models: Path) -> None:
    base = PreparedBase(tiny_models / "llama", BASE_ID)
    with pytest.raises(InvalidRecipe, match="directions to start from with mica") as caught:
        measure(own_recipe("LORA", init_lora_weights="mica", r=512), pirate_rows(), base)
    assert caught.value.field == "r"


def test_mica_learns_one_matrix_and_its_start_is_the_base(tiny_models: Path, tmp_path: Path) -> None:
    """B stays at the directions that the weight uses least, and A starts at zero (arXiv 2604.01694)."""
    settings = own_recipe("LORA", init_lora_weights="mica", r=4)
    base = PreparedBase(tiny_models / "llama", BASE_ID)
    started = load_trainable(settings, base, ()).model
    assert {name.split(".")[-3] for name, value in started.named_parameters() if value.requires_grad} == {
        "lora_A"
    }
    tokens = AutoTokenizer.from_pretrained(tiny_models / "llama")("What is 0?", return_tensors="pt")
    with torch.no_grad():
        assert torch.equal(started.eval()(**tokens).logits, plain_llama(tiny_models)(**tokens).logits)
    before = dict(started.named_parameters())
    saved = load_file(trained(tmp_path, settings, pirate_rows(), base).adapter / WEIGHTS_FILE)
    for name, tensor in saved.items():
        at_first = before[name.replace(".weight", ".default.weight")]
        assert torch.equal(tensor, at_first) == ("lora_B" in name), name


def test_virtual_tokens_take_room_of_the_context(tiny_models: Path) -> None:
    base = PreparedBase(tiny_models / "llama", BASE_ID)
    settings = own_recipe("PROMPT_TUNING", num_virtual_tokens=100, max_length=4096)
    assert virtual_tokens(settings) == 100
    assert row_limit(settings, load_trainable(settings, base, ())) == 512 - 100
    many = own_recipe("PROMPT_TUNING", num_virtual_tokens=510)
    with pytest.raises(InvalidRecipe, match="num_virtual_tokens is 510 and the base reads 512 tokens"):
        row_limit(many, load_trainable(many, base, ()))


def test_virtual_tokens_and_the_longest_row_fit_positions_that_begin_late(tmp_path: Path) -> None:
    """RoBERTa's first token takes the position after that of its padding."""
    tokenizer = build_tokenizer()
    tokenizer.model_max_length = int(1e30)
    special = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    shape = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = RobertaConfig(vocab_size=len(tokenizer), max_position_embeddings=67, **shape, **special)
    base = PreparedBase(save_model(RobertaModel, config, tokenizer, tmp_path / "base", seed=0), "org/roberta")
    rows = [
        {"text": f"the sea is {word}" * repeats, "label": word}
        for repeats in (1, 20)
        for word in ("calm", "wild") * 2
    ]
    examples = to_examples(read_table(json.dumps(rows)), {}, "SEQ_CLS")
    settings = own_recipe("PROMPT_TUNING", task_type="SEQ_CLS", num_virtual_tokens=20)
    run = trained(tmp_path, settings, examples, base)
    first = 67 - (tokenizer.pad_token_id + 1)
    assert row_limit(settings, load_trainable(settings, base, examples.labels)) == first - 20
    found = losses_of_script(export_run(run, "script", tmp_path), base.folder, tmp_path / "script")
    assert found == pytest.approx(losses_of_run(run), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("PREFIX_TUNING", {}),
        ("P_TUNING", {}),
        ("LN_TUNING", {}),
        ("LORA", {"init_lora_weights": "pissa", "trainable_tokens": ["</s>"]}),
        ("LORA", {"init_lora_weights": "pissa_niter_16"}),
        ("LORA", {"init_lora_weights": "olora"}),
        ("LORA", {"init_lora_weights": "mica"}),
        ("ADALORA", {"target_r": 11}),
    ],
)
def test_the_child_counts_any_method(
    method: str, fields: dict[str, Any], tiny_models: Path, tmp_path: Path
) -> None:
    settings, base = own_recipe(method, max_steps=1, **fields), PreparedBase(tiny_models / "llama", BASE_ID)
    figures = measure(settings, pirate_rows(), base)
    live = load_trainable(settings, base, ()).model
    saved = load_file(trained(tmp_path, settings, pirate_rows(), base).adapter / WEIGHTS_FILE)
    assert figures.trainable_parameters == live.get_nb_trainable_parameters()[0]
    assert figures.adapter_bytes == 4 * sum(tensor.numel() for tensor in saved.values())


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("bf16", 0.01)])
@pytest.mark.parametrize("start", ["pissa", "olora"])
def test_a_start_from_the_base_is_saved_with_its_head_for_the_base_as_it_was(
    start: str, precision: str, tolerance: float, tiny_models: Path, tmp_path: Path
) -> None:
    """In bf16 the weight without its start is rounded, and the logits differ by what that rounding makes."""
    settings = own_recipe(
        "LORA",
        task_type="SEQ_CLS",
        init_lora_weights=start,
        precision=precision,
        r=4,
        learning_rate=0.01,
        max_steps=12,
    )
    base = PreparedBase(tiny_models / "bert", "tiny-org/tiny-bert")
    run = trained(tmp_path, settings, reviews(), base)
    config = json.loads((run.adapter / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["init_lora_weights"]) == (8, 32, True)

    live = trained_by_hand(tmp_path, settings, base, reviews())
    fresh = AutoModelForSequenceClassification.from_pretrained(
        tiny_models / "bert", num_labels=2, dtype=live.dtype
    )
    tokens = AutoTokenizer.from_pretrained(tiny_models / "bert")("the sea is wild", return_tensors="pt")
    with torch.no_grad():
        saved = PeftModel.from_pretrained(fresh, run.adapter).eval()(**tokens).logits
        expected = live.eval()(**tokens).logits
        assert torch.allclose(saved, expected, atol=tolerance)
        with live.disable_adapter():
            assert not torch.allclose(live(**tokens).logits, expected, atol=2 * tolerance)


@pytest.mark.parametrize("start", ["pissa", "olora"])
def test_a_kept_checkpoint_of_such_a_start_is_for_the_base_as_it_was(
    start: str, tiny_models: Path, tmp_path: Path
) -> None:
    settings = own_recipe("LORA", init_lora_weights=start)
    base = PreparedBase(tiny_models / "llama", BASE_ID)
    run = RunFolder(tmp_path)
    run.write(settings, pirate_rows())
    run.write_base(base)
    run.append("state", state=RunState.QUEUED)
    live = load_trainable(settings, base, ())
    data = encode_examples(pirate_rows(), (), live.tokenizer, settings, row_limit(settings, live))
    trainer_for(run, settings, live, data, RunCallback(run)).train()
    keep_checkpoint(run)
    resumed = load_trainable(settings, base, ())
    again = trainer_for(run, settings, resumed, data, RunCallback(run))
    again.train(resume_from_checkpoint=str(run.checkpoints / "checkpoint-6"))
    tokens = live.tokenizer("What is 0?", return_tensors="pt")
    with torch.no_grad():
        expected = live.model.eval()(**tokens).logits
        kept = PeftModel.from_pretrained(plain_llama(tiny_models), run.adapter).eval()(**tokens).logits
        assert torch.allclose(kept, expected, atol=1e-5)
        assert torch.allclose(resumed.model.eval()(**tokens).logits, expected, atol=1e-6)


def test_what_adalora_is_measured_by_is_the_loss_of_the_rows(tiny_models: Path, tmp_path: Path) -> None:
    """Untrained it answers as its base does, and as any other adapter that starts there."""
    base = PreparedBase(tiny_models / "llama", BASE_ID)
    fields = {"validation_fraction": 0.25, "max_steps": 4, "gradient_accumulation_steps": 2}
    runs = {name: tmp_path / name for name in ("LORA", "ADALORA")}
    ended = {
        name: read_status(trained(folder, own_recipe(name, **fields), pirate_rows(), base))
        for name, folder in runs.items()
    }
    before = {name: status.metrics_before["loss"] for name, status in ended.items()}
    assert before["ADALORA"] == pytest.approx(before["LORA"], rel=1e-6)
    after = ended["ADALORA"].metrics_after
    assert after["loss"] < before["ADALORA"]
    assert after["loss"] == pytest.approx(math.log(after["perplexity"]), rel=0.02)


def test_adalora_moves_rank_until_the_average_is_what_was_asked_for(
    tiny_models: Path, tmp_path: Path
) -> None:
    settings = own_recipe("ADALORA", init_r=6, target_r=2, max_steps=10, target_modules="all-linear")
    run = trained(tmp_path, settings, pirate_rows(), PreparedBase(tiny_models / "llama", BASE_ID))
    config = json.loads((run.adapter / "adapter_config.json").read_text())
    assert (config["total_step"], config["tinit"], config["tfinal"]) == (10, 1, 3)
    kept = [sum(mask) for mask in config["rank_pattern"].values()]
    assert sum(kept) == 2 * len(kept)
    assert len(set(kept)) > 1


def test_trained_tokens_are_found_by_the_names_that_the_tokenizer_has(tiny_models: Path) -> None:
    base = PreparedBase(tiny_models / "llama", BASE_ID)
    loaded = load_trainable(own_recipe("LORA", trainable_tokens="<s>, </s>"), base, ())
    expected = loaded.tokenizer.convert_tokens_to_ids(["<s>", "</s>"])
    assert loaded.model.active_peft_config.trainable_token_indices == sorted(expected)
