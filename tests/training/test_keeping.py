"""A run that broke off keeps its last whole checkpoint, and it can be made an adapter like any other."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from adapter_ui.domain import Precision, RunState
from adapter_ui.errors import InvalidInput, UnknownRun
from adapter_ui.models import train as train_module
from adapter_ui.models.adapters import attach
from adapter_ui.models.heads import labels_of
from adapter_ui.models.loading import load_base
from adapter_ui.models.merging import outputs
from adapter_ui.models.train import failures_told, tell_rest
from adapter_ui.training.checkpoints import digest, newest, seal, step_of
from adapter_ui.training.keeping import keep_checkpoint, labels_for, newest_good, note_labels
from adapter_ui.training.run_folder import PreparedBase, RunFolder
from adapter_ui.training.run_status import read_status
from adapter_ui.training.runs import Runs
from adapter_ui.ui.tabs.library import run_rows
from adapter_ui.ui.tuning.run import run_view
from adapter_ui.ui.tuning.take_away import keeps
from tests.training.conftest import BASE_ID, pirate_rows, recipe, wait_for
from tests.training.failing_writes import fail_writes
from tests.training.test_runs import has_ended, process_of
from tests.training.test_training import reviews, trained

WEIGHTS = "adapter_model.safetensors"


def save_tensors(tensor: torch.Tensor, path: Path) -> None:
    save_file({"tensor": tensor}, path)


def save_text(tensor: torch.Tensor, path: Path) -> None:
    path.write_text(str(tensor.tolist()))


def test_a_killed_run_gives_its_checkpoint_as_an_adapter(
    runs: Runs, tmp_path: Path, tiny_models: Path
) -> None:
    run_id = runs.start(recipe(max_steps=200, name="Killed"), pirate_rows())
    with pytest.raises(InvalidInput, match="has not ended"):
        runs.keep_checkpoint(run_id)
    wait_for(runs, run_id, lambda status: status.step >= 25)
    process_of(tmp_path / "runs", run_id).kill()
    killed = wait_for(runs, run_id, has_ended)
    assert killed.adapter is None
    kept = runs.keep_checkpoint(run_id)
    assert (kept.state, kept.error) == (RunState.FAILED, killed.error)
    assert kept.adapter == f"run:{run_id}"
    folder = runs.adapter_folder(run_id)
    step = killed.checkpoint_step
    assert f"for {step} steps of 200: the run broke off" in (folder / "README.md").read_text()
    assert digest(folder / WEIGHTS) == digest(newest(tmp_path / "runs" / run_id / "checkpoints") / WEIGHTS)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_models / "llama"), folder)
    assert all(value.any() for name, value in model.named_parameters() if "lora_B" in name)
    runs.resume(run_id)
    done = wait_for(runs, run_id, lambda status: status.state is RunState.DONE)
    assert done.step == 200
    assert "for 200 steps." in (folder / "README.md").read_text()
    with pytest.raises(InvalidInput, match="is done"):
        runs.keep_checkpoint(run_id)
    with pytest.raises(UnknownRun):
        runs.keep_checkpoint("nothing")


def test_a_run_that_went_on_from_its_adapter_gives_its_newer_checkpoint(runs: Runs, tmp_path: Path) -> None:
    run_id = runs.start(recipe(max_steps=200), pirate_rows())
    wait_for(runs, run_id, lambda status: status.step >= 5)
    runs.stop(run_id)
    stopped = wait_for(runs, run_id, has_ended)
    assert stopped.adapter_step == stopped.step == stopped.checkpoint_step
    assert not keeps(stopped)
    runs.resume(run_id)
    wait_for(runs, run_id, lambda status: status.step >= stopped.step + 30)
    process_of(tmp_path / "runs", run_id).kill()
    killed = wait_for(runs, run_id, has_ended)
    assert killed.adapter_step == stopped.step < killed.checkpoint_step
    assert keeps(killed)
    for shown in (run_view(killed), run_rows((killed,))):
        assert f"The adapter is that of step {stopped.step}." in shown
    kept = runs.keep_checkpoint(run_id)
    assert kept.adapter_step == killed.checkpoint_step
    assert not keeps(kept)
    assert f"for {kept.adapter_step} steps of 200" in (runs.adapter_folder(run_id) / "README.md").read_text()


@pytest.mark.slow
def test_a_run_that_diverged_keeps_its_last_good_state(tiny_models: Path, tmp_path: Path) -> None:
    """A learning rate that rises until the outputs overflow."""
    settings = recipe(
        learning_rate=1.0, lora_alpha=4096, r=1, precision="fp16", max_steps=50, warmup_ratio=0.9
    )
    run = trained(tmp_path, settings, pirate_rows(), PreparedBase(tiny_models / "llama", BASE_ID))
    status = read_status(run)
    assert status.state is RunState.FAILED and "stopped being a number" in (status.error or "")
    good = newest_good(run)
    assert good is not None and step_of(good) + 1 < status.step
    keep_checkpoint(run)
    loaded = load_base(tiny_models / "llama", Precision.FP16, "AutoModelForCausalLM")
    model, _ = attach(loaded.model, run.adapter, "kept")
    assert torch.isfinite(outputs(model, loaded)).all()


def test_the_state_that_gave_no_number_is_not_kept(tmp_path: Path) -> None:
    run = waiting(tmp_path)
    for step in (2, 4):
        a_checkpoint(run, step)
    for step in (1, 2, 3, 4):
        run.append("log", step=step, loss=1.0)
    assert newest_good(run) == run.checkpoints / "checkpoint-4"
    run.append("log", step=4, eval_loss=1.0)
    assert newest_good(run) == run.checkpoints / "checkpoint-4"
    for told in (
        {"event": "error", "message": "The loss stopped being a number at step 5; lower it."},
        {"event": "diverged", "step": 5},
    ):
        run.append(**told)
        assert newest_good(run) == run.checkpoints / "checkpoint-2"
        assert read_status(run).checkpoint_step == 2
    for step in (3, 4, 5):  # resumed from the good one, with better luck
        run.append("log", step=step, loss=1.0)
    assert newest_good(run) == run.checkpoints / "checkpoint-4"


def test_a_classifier_whose_disk_was_full_at_the_end_keeps_the_names_of_its_classes(
    tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(train_module, "save_adapter", full)
    settings = recipe(task_type="SEQ_CLS", max_steps=10, validation_fraction=0.25)
    base = PreparedBase(tiny_models / "bert", "tiny-org/tiny-bert")
    with pytest.raises(OSError, match="No space"):
        trained(tmp_path, settings, reviews(), base)
    run = RunFolder(tmp_path / "run")
    run.append("state", state=RunState.FAILED, message="The disk is full.")
    keep_checkpoint(run)
    assert labels_of(run.adapter, tiny_models / "bert") == ("calm", "wild")
    card = (run.adapter / "README.md").read_text()
    assert "labels: `calm`, `wild`" in card and "| accuracy |" in card


def test_the_classes_are_those_that_the_training_has_and_no_strangers_list(
    tiny_models: Path, tmp_path: Path
) -> None:
    run, base = waiting(tmp_path), PreparedBase(tiny_models / "bert", "tiny-org/tiny-bert")
    run.write(recipe(task_type="SEQ_CLS"), reviews())
    run.write_base(base)
    assert labels_for(run) == ("calm", "wild")
    (tmp_path / "label_names.json").write_text("[0, 1]")
    run.write_base(replace(base, adapter=tmp_path))
    with pytest.raises(InvalidInput, match="try again once it trains"):
        labels_for(run)
    note_labels(run, ("wild", "calm", "odd"))
    assert labels_for(run) == ("wild", "calm", "odd")


def test_without_a_whole_checkpoint_there_is_nothing_to_keep(tmp_path: Path) -> None:
    run = waiting(tmp_path)
    with pytest.raises(InvalidInput, match="no whole checkpoint to keep; start it again"):
        keep_checkpoint(run)
    assert not run.adapter.exists()


def test_who_stops_a_resumed_run_before_its_next_step_is_told_what_is_kept(tmp_path: Path) -> None:
    run = waiting(tmp_path)
    run.stop_file.touch()
    tell_rest(run, 0, 4)
    assert read_status(run).message == "Stopped before the first step."
    a_checkpoint(run, 2)
    tell_rest(run, 0, 4)
    assert read_status(run).message == (
        "Stopped before step 3; the checkpoint of step 2 can be kept or resumed."
    )


@pytest.mark.parametrize("write", [torch.save, save_tensors, save_text], ids=["torch", "safetensors", "text"])
def test_a_full_disk_is_told_whoever_writes_and_gets_its_space_back(
    write: Callable[[torch.Tensor, Path], None], tmp_path: Path
) -> None:
    """In a process of its own, whose writes the kernel refuses from the middle of a checkpoint on."""
    run = waiting(tmp_path)
    a_checkpoint(run, 2)
    torn = run.checkpoints / "checkpoint-4"
    torn.mkdir()
    child = os.fork()
    if child == 0:
        try:
            with failures_told(run):
                fail_writes(kill=False, longest=400)
                write(torch.ones(5000), torn / "file")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert read_status(run).error == "The disk is full; free some space, then resume the run."
    assert [path.name for path in run.checkpoints.iterdir()] == ["checkpoint-2"]


def a_checkpoint(run: RunFolder, step: int) -> None:
    checkpoint = run.checkpoints / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    (checkpoint / "weights").write_bytes(b"some")
    seal(checkpoint)


def waiting(folder: Path) -> RunFolder:
    """A run that failed before it did anything."""
    run = RunFolder(folder / "run")
    run.path.mkdir()
    run.write(recipe(), pirate_rows())
    run.append("state", state=RunState.FAILED, message="It broke.")
    return run
