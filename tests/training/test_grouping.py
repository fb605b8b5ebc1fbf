"""Batches of rows of about one length: less padding, and the order of rows still follows from the seed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from adapter_ui.models.train import trainer_for
from adapter_ui.models.tuning import events
from adapter_ui.models.tuning.data import encode_examples
from adapter_ui.models.tuning.events import RunCallback
from adapter_ui.models.tuning.metrics import measure
from adapter_ui.models.tuning.model import load_trainable
from adapter_ui.training.data import read_table
from adapter_ui.training.examples import Examples, to_examples
from adapter_ui.training.export import export_run
from adapter_ui.training.run_folder import PreparedBase, RunFolder
from tests.training.conftest import BASE_ID, recipe
from tests.training.test_export import losses_of_run, losses_of_script
from tests.training.test_training import trained

STEPS = 10
PLAN: dict[str, Any] = {"train_sampling_strategy": "group_by_length", "max_steps": STEPS}


def rows_of_many_lengths(count: int = 12) -> Examples:
    """Every sixth row is of the same length. Twelve are six batches an epoch."""
    rows = [
        {"prompt": f"What is {number}?", "completion": "Arrr! " * (number % 6 * 4 + 1)}
        for number in range(count)
    ]
    return to_examples(read_table(json.dumps(rows)), {}, "CAUSAL_LM")


@pytest.fixture(scope="module")
def base(tiny_models: Path) -> PreparedBase:
    return PreparedBase(tiny_models / "llama", BASE_ID, revision="0" * 40)


@pytest.fixture(scope="module")
def run(base: PreparedBase, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return trained(tmp_path_factory.mktemp("grouped"), recipe(**PLAN), rows_of_many_lengths(), base)


class OrderOfEpoch(TrainerCallback):
    def on_epoch_begin(self, args: Any, state: Any, control: Any, train_dataloader: Any, **_: Any) -> None:
        train_dataloader.batch_sampler.sampler.generator = torch.Generator().manual_seed(
            42 + int(state.epoch or 0)
        )


def test_every_loss_is_that_of_a_plain_trainer_with_the_same_order(
    run: RunFolder, base: PreparedBase, tmp_path: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base.folder)
    rows = []
    for row in rows_of_many_lengths().rows:
        prompt = f"<s><|user|>\n{row['prompt']}</s>\n<|assistant|>\n"
        asked = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        whole = tokenizer(f"{prompt}{row['completion']}</s>\n", add_special_tokens=False)["input_ids"]
        labels = [-100] * len(asked) + whole[len(asked) :]
        rows.append({"input_ids": whole, "attention_mask": [1] * len(whole), "labels": labels})
    set_seed(42)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base.folder, dtype=torch.float32),
        LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16),
    )
    arguments = TrainingArguments(
        output_dir=str(tmp_path),
        learning_rate=0.01,
        max_steps=STEPS,
        warmup_steps=0.03,
        per_device_train_batch_size=2,
        train_sampling_strategy="group_by_length",
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        remove_unused_columns=False,
        disable_tqdm=True,
    )
    collator = DataCollatorForSeq2Seq(tokenizer)
    trainer = Trainer(model, arguments, collator, rows, callbacks=[OrderOfEpoch()])
    trainer.train()
    expected = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert losses_of_run(run) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def sightings() -> Examples:
    """Every question has another context, and each of these another length."""
    names = ("Anne", "Jack", "Mary", "Bart", "Grace", "Edward")
    rows = [
        {"question": "Who?", "context": f"Ahoy{', ahoy' * at}, {name} is here.", "answer": name}
        for at, name in enumerate(names * 4)
    ]
    return to_examples(read_table(json.dumps(rows)), {}, "QUESTION_ANS")


def test_answers_are_measured_as_without_grouping(tiny_models: Path, tmp_path: Path) -> None:
    """Each prediction is read in its own question's context."""
    fields: dict[str, Any] = {"task_type": "QUESTION_ANS", "validation_fraction": 0.5}
    live = load_trainable(recipe(**fields), PreparedBase(tiny_models / "bert", "tiny-org/tiny-bert"), ())
    data = encode_examples(sightings(), (), live.tokenizer, recipe(**fields), 512)

    def measured(strategy: str) -> dict[str, float]:
        settings = recipe(**fields, train_sampling_strategy=strategy)
        run = RunFolder(tmp_path)
        return measure(trainer_for(run, settings, live, data, RunCallback(run)), data)

    grouped = measured("group_by_length")
    assert grouped == measured("random")
    assert grouped["token_f1"] > 0


def test_batches_hold_less_padding(run: RunFolder, base: PreparedBase) -> None:
    grouped, mixed = (
        sum(len(row) - sum(row) for batch in masks for row in batch)
        for masks in (batches(run, base, "group_by_length"), batches(run, base, "random"))
    )
    assert grouped < mixed / 2


def batches(run: RunFolder, base: PreparedBase, strategy: str) -> list[list[list[int]]]:
    """The attention masks of one epoch's batches."""
    loader = trainer_of(run, base, strategy, rows=96).get_train_dataloader()
    return [batch["attention_mask"].tolist() for batch in loader]


def trainer_of(
    run: RunFolder, base: PreparedBase, strategy: str = "group_by_length", rows: int = 12
) -> Trainer:
    """A new trainer of so many rows, with dropout, which draws random numbers in each step."""
    settings = recipe(**{**PLAN, "train_sampling_strategy": strategy, "lora_dropout": 0.1})
    live = load_trainable(settings, base, ())
    data = encode_examples(rows_of_many_lengths(rows), (), live.tokenizer, settings, 512)
    return trainer_for(run, settings, live, data, RunCallback(run))


def test_a_run_resumed_within_its_second_epoch_goes_on_with_the_same_batches(
    run: RunFolder, base: PreparedBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "SAVING_SHARE", 1e9)  # so short a run has time for its last checkpoint only
    again = RunFolder(tmp_path)
    whole, resumed = trainer_of(again, base), trainer_of(again, base)
    whole.train()
    resumed.train(resume_from_checkpoint=str(again.checkpoints / f"checkpoint-{STEPS - 1}"))
    (*_, last), (*_, found) = (
        [entry for entry in one.state.log_history if "loss" in entry] for one in (whole, resumed)
    )
    assert (found["step"], found["loss"]) == (STEPS, last["loss"])


def test_the_script_gives_the_same_losses(base: PreparedBase, tmp_path: Path) -> None:
    run = trained(tmp_path, recipe(**PLAN, validation_fraction=0.25), rows_of_many_lengths(), base)
    archive = export_run(run, "script", tmp_path)
    found = losses_of_script(archive, base.folder, tmp_path / "script")
    assert found == pytest.approx(losses_of_run(run), rel=1e-6, abs=1e-6)
