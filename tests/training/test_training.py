"""A finished run: what it told, what it saved, and that it is what a plain Trainer would have made."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    Trainer,
    TrainingArguments,
    set_seed,
)

from adapter_ui.domain import RunState, RunStatus
from adapter_ui.models.heads import labels_of
from adapter_ui.models.train import train
from adapter_ui.training.data import read_table
from adapter_ui.training.examples import Examples, to_examples
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.run_folder import PreparedBase, RunFolder
from adapter_ui.training.run_status import read_status
from adapter_ui.training.runs import Runs
from tests.training.conftest import BASE_ID, pirate_rows, recipe, wait_for

STEPS = 5
WEIGHTS_FILE = "adapter_model.safetensors"
HEAD = "base_model.model.classifier.weight"


@dataclass(frozen=True)
class Finished:
    status: RunStatus
    adapter: Path
    states: list[str]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, prepare: Callable[..., Any]) -> Iterator[Finished]:
    """One run from start to end through the run table."""
    folder = tmp_path_factory.mktemp("runs")
    runs = Runs(folder, prepare)
    run_id = runs.start(recipe(max_steps=STEPS, warmup_ratio=0.2, name="Pirate --- talk"), pirate_rows())
    status = wait_for(runs, run_id, lambda now: now.state.ended)
    states = [
        event["state"] for event in RunFolder(folder / run_id).read_events() if event["event"] == "state"
    ]
    yield Finished(status, runs.adapter_folder(run_id), states)
    runs.close()


def test_a_run_moves_from_queued_to_done(finished: Finished) -> None:
    status = finished.status
    assert list(dict.fromkeys(finished.states)) == ["queued", "running", "saving", "done"]
    assert (status.state, status.step, status.total_steps, status.error) == (
        RunState.DONE,
        STEPS,
        STEPS,
        None,
    )
    assert [entry["step"] for entry in status.history] == list(range(1, STEPS + 1))
    assert {"loss", "learning_rate", "grad_norm", "tokens_per_second"} <= status.history[0].keys()
    assert status.adapter == f"run:{status.run_id}"
    assert status.seconds is not None
    assert status.eta_seconds is None
    assert [sample.prompt for sample in status.samples] == ["What is 0?", "What is 1?"]
    assert all(sample.before != sample.after for sample in status.samples)


def test_the_saved_folder_is_plain_peft_and_changes_the_base(finished: Finished, tiny_models: Path) -> None:
    base = AutoModelForCausalLM.from_pretrained(tiny_models / "llama")
    tokens = AutoTokenizer.from_pretrained(tiny_models / "llama")("What is 0?", return_tensors="pt")
    with torch.no_grad():
        before = base(**tokens).logits
        after = PeftModel.from_pretrained(base, finished.adapter)(**tokens).logits
    assert not torch.equal(before, after)
    config = json.loads((finished.adapter / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == (BASE_ID, "0" * 40)
    assert config["task_type"] == "CAUSAL_LM"


def test_the_card_tells_base_licence_recipe_and_loss(finished: Finished) -> None:
    card = (finished.adapter / "README.md").read_text()
    front = card.split("---\n")[1]
    assert f"base_model: {BASE_ID}\n" in front
    assert "license: apache-2.0\n" in front
    assert "# Pirate --- talk" in card
    assert f"for {STEPS} steps." in card
    assert f"- loss: {finished.status.history[-1]['loss']:.4g}" in card
    assert '"learning_rate": 0.01' in card


def test_every_loss_is_that_of_a_plain_trainer(finished: Finished, tiny_models: Path, tmp_path: Path) -> None:
    expected = plain_trainer_losses(tiny_models / "llama", tmp_path)
    assert [entry["loss"] for entry in finished.status.history] == pytest.approx(expected, rel=1e-6, abs=1e-6)


def plain_trainer_losses(base: Path, output: Path) -> list[float]:
    """The same training written down without any of this project's code."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    rows = []
    for number in range(8):
        prompt = f"<s><|user|>\nWhat is {number}?</s>\n<|assistant|>\n"
        asked = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        whole = tokenizer(f"{prompt}Arrr! {number} be the sea.</s>\n", add_special_tokens=False)["input_ids"]
        labels = [-100] * len(asked) + whole[len(asked) :]
        rows.append({"input_ids": whole, "attention_mask": [1] * len(whole), "labels": labels})
    set_seed(42)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32),
        LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16),
    )
    arguments = TrainingArguments(
        output_dir=str(output),
        learning_rate=0.01,
        max_steps=STEPS,
        warmup_steps=0.2,
        per_device_train_batch_size=2,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        remove_unused_columns=False,
        disable_tqdm=True,
    )
    trainer = Trainer(model, arguments, DataCollatorForSeq2Seq(tokenizer), rows)
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def trained(folder: Path, settings: Recipe, examples: Examples, base: PreparedBase) -> RunFolder:
    """A run trained in this process."""
    run = RunFolder(folder / "run")
    run.path.mkdir(parents=True)
    run.write(settings, examples)
    run.write_base(base)
    run.append("state", state=RunState.QUEUED)
    train(run)
    return run


def reviews() -> Examples:
    rows = "\n".join(f"the sea is {word} today,{word}" for word in ("calm", "wild") * 8)
    return to_examples(read_table(f"text,label\n{rows}"), {}, "SEQ_CLS")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> RunFolder:
    settings = recipe(task_type="SEQ_CLS", max_steps=30, learning_rate=0.02, validation_fraction=0.25)
    base = PreparedBase(tiny_models / "bert", "tiny-org/tiny-bert")
    return trained(tmp_path_factory.mktemp("classifier"), settings, reviews(), base)


def test_a_classifier_learns_and_keeps_the_names_of_its_classes(
    classifier: RunFolder, tiny_models: Path
) -> None:
    status = read_status(classifier)
    assert status.state is RunState.DONE
    assert status.history[-1]["eval_accuracy"] == 1.0
    assert labels_of(classifier.adapter, tiny_models / "bert") == ("calm", "wild")
    base = AutoModelForSequenceClassification.from_pretrained(tiny_models / "bert", num_labels=2)
    model = PeftModel.from_pretrained(base, classifier.adapter).eval()
    tokenizer = AutoTokenizer.from_pretrained(tiny_models / "bert")
    texts = ["the sea is calm today", "the sea is wild today"]
    with torch.no_grad():
        logits = [model(**tokenizer(text, return_tensors="pt")).logits[0] for text in texts]
    assert [int(row.argmax()) for row in logits] == [0, 1]


def test_a_classifier_is_trained_further_with_its_own_classes(
    classifier: RunFolder, tiny_models: Path, tmp_path: Path
) -> None:
    settings = recipe(task_type="SEQ_CLS", adapter="run:x", max_steps=2, learning_rate=1e-5)
    base = PreparedBase(tiny_models / "bert", "tiny-org/tiny-bert", adapter=classifier.adapter)
    run = trained(tmp_path, settings, reviews(), base)
    before, after = (load_file(folder.adapter / WEIGHTS_FILE) for folder in (classifier, run))
    assert before.keys() == after.keys()
    assert all(torch.allclose(before[name], after[name], atol=1e-4) for name in before)
    assert not torch.equal(before[HEAD], after[HEAD])
    assert labels_of(run.adapter, tiny_models / "bert") == ("calm", "wild")


def test_words_are_labelled(tmp_path: Path, tiny_models: Path) -> None:
    rows = [{"tokens": ["Ahoy", name], "tags": ["O", "B-PER"]} for name in ("Anne", "Jack", "Mary", "Bart")]
    examples = to_examples(read_table(json.dumps(rows)), {}, "TOKEN_CLS")
    base = PreparedBase(tiny_models / "bert", "tiny-org/tiny-bert")
    run = trained(tmp_path, recipe(task_type="TOKEN_CLS", max_steps=20), examples, base)
    history = read_status(run).history
    assert history[-1]["loss"] < history[0]["loss"] / 2
    assert labels_of(run.adapter, tiny_models / "bert") == ("B-PER", "O")


@pytest.mark.parametrize("precision", ["bf16", "int8", "nf4", "fp4"])
def test_every_precision_learns_what_fp32_learns(
    precision: str, finished: Finished, tiny_models: Path, tmp_path: Path
) -> None:
    settings = recipe(max_steps=STEPS, warmup_ratio=0.2, precision=precision)
    run = trained(tmp_path, settings, pirate_rows(), PreparedBase(tiny_models / "llama", BASE_ID))
    losses = [entry["loss"] for entry in read_status(run).history]
    assert losses == pytest.approx([entry["loss"] for entry in finished.status.history], abs=0.15)
    assert losses[-1] < losses[0]


def test_an_adapter_is_trained_further_with_its_own_rank(
    finished: Finished, tiny_models: Path, tmp_path: Path
) -> None:
    base = PreparedBase(tiny_models / "llama", BASE_ID, adapter=finished.adapter)
    run = trained(tmp_path, recipe(adapter="run:x", r=64, learning_rate=1e-6), pirate_rows(), base)
    assert read_status(run).history[0]["loss"] < finished.status.history[0]["loss"]
    config = json.loads((run.adapter / "adapter_config.json").read_text())
    assert (config["r"], config["base_model_name_or_path"]) == (8, BASE_ID)


def test_the_same_seed_gives_the_same_adapter(tiny_models: Path, tmp_path: Path) -> None:
    base = PreparedBase(tiny_models / "llama", BASE_ID)
    settings = recipe(lora_dropout=0.1, max_steps=3)
    files = [
        (
            trained(tmp_path / name, settings, pirate_rows(), base).adapter / "adapter_model.safetensors"
        ).read_bytes()
        for name in ("one", "two")
    ]
    assert files[0] == files[1]
