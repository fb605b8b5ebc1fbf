"""The fixed prompts while a run trains: asked at each evaluation, bounded, no trace in its losses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from adapter_ui.models.train import trainer_for
from adapter_ui.models.tuning.data import encode_examples, row_limit
from adapter_ui.models.tuning.events import RunCallback
from adapter_ui.models.tuning.model import load_trainable
from adapter_ui.models.tuning.samples import MOST_TIMES
from adapter_ui.training.data import read_table
from adapter_ui.training.examples import to_examples
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.run_folder import PreparedBase, RunFolder
from adapter_ui.training.run_status import read_status
from tests.training.chat_templates import ALTERNATING
from tests.training.conftest import BASE_ID, pirate_rows, recipe
from tests.training.test_training import trained
from tests.training.tiny_t5 import build_t5

EPOCHS = {"max_steps": -1, "validation_fraction": 0.5, "lora_dropout": 0.3}


def test_prompts_are_asked_at_each_evaluation_and_change_no_loss(tmp_path: Path, tiny_models: Path) -> None:
    base = PreparedBase(tiny_models / "llama", BASE_ID)
    settings = recipe(num_train_epochs=3, **EPOCHS)
    run = trained(tmp_path / "asked", settings, pirate_rows(), base)
    status = read_status(run)
    assert all(sample.held_back for sample in status.samples)
    for sample in status.samples:
        assert [answer.step for answer in sample.answers] == [0, 2, 4, 6]
        assert (sample.answers[0].text, sample.answers[-1].text) == (sample.before, sample.after)
    losses = [row["loss"] for row in status.history if "loss" in row]
    assert losses == pytest.approx(unasked_losses(base, settings, tmp_path / "unasked"), rel=1e-6, abs=1e-6)
    assert all(row["memory_bytes"] > 0 for row in status.history)


def unasked_losses(base: PreparedBase, settings: Recipe, folder: Path) -> list[float]:
    folder.mkdir()
    run = RunFolder(folder)
    live = load_trainable(settings, base, ())
    data = encode_examples(pirate_rows(), (), live.tokenizer, settings, row_limit(settings, live))
    trainer = trainer_for(run, settings, live, data, RunCallback(run))
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def test_many_epochs_are_asked_after_some_of_them(tmp_path: Path, tiny_models: Path) -> None:
    settings = recipe(num_train_epochs=2 * MOST_TIMES + 1, **EPOCHS)
    run = trained(tmp_path, settings, pirate_rows(), PreparedBase(tiny_models / "llama", BASE_ID))
    steps = [answer.step for answer in read_status(run).samples[0].answers]
    assert steps == [0, *range(6, 31, 6), 34]


@pytest.mark.parametrize("task_type", ["CAUSAL_LM", "SEQ_2_SEQ_LM"])
def test_a_prompt_that_the_base_has_no_room_for_is_not_asked(
    task_type: str, tmp_path: Path, tiny_models: Path
) -> None:
    folder = tiny_models / "llama" if task_type == "CAUSAL_LM" else build_t5(tmp_path / "t5")
    short = [{"prompt": f"What is {at}?", "completion": f"It is {at}."} for at in range(6)]
    long = {"prompt": "What is the sea? " * 400, "completion": "Wild."}
    examples = to_examples(read_table(json.dumps([long, *short])), {}, task_type)
    base = PreparedBase(folder, BASE_ID)
    run = trained(tmp_path, recipe(task_type=task_type, max_steps=2, max_length=64), examples, base)
    assert [sample.prompt for sample in read_status(run).samples] == ["What is 0?", "What is 1?"]


def test_a_conversation_that_the_template_refuses_is_not_asked(tmp_path: Path, tiny_models: Path) -> None:
    base = shutil.copytree(tiny_models / "llama", tmp_path / "llama")
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = ALTERNATING
    tokenizer.save_pretrained(base)
    answered = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    talks = [[*answered, {"role": "assistant", "content": "more"}], answered, answered]
    examples = to_examples(read_table(json.dumps([{"messages": talk} for talk in talks])), {}, "CAUSAL_LM")
    run = trained(tmp_path, recipe(max_steps=1), examples, PreparedBase(base, BASE_ID))
    assert [sample.expected for sample in read_status(run).samples] == ["b"]
