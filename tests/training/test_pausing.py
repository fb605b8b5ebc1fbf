"""A pause gives the memory back and keeps the run; the queue has places, and a way out of it."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import psutil
import pytest
from transformers import TrainerControl

from adapter_ui.domain import RunState
from adapter_ui.errors import InvalidInput
from adapter_ui.models.train import train
from adapter_ui.models.tuning.events import RunCallback
from adapter_ui.training.run_folder import PreparedBase, RunFolder
from adapter_ui.training.run_status import read_status
from adapter_ui.training.runs import Runs
from tests.training.conftest import BASE_ID, pirate_rows, recipe, wait_for
from tests.training.test_runs import ENDLESS, has_ended, is_training, process_of
from tests.training.test_training import trained


def test_a_paused_run_holds_no_memory_and_ends_as_if_it_had_not_rested(runs: Runs, tmp_path: Path) -> None:
    plan = {"max_steps": 40, "lora_dropout": 0.1}
    whole = runs.start(recipe(**plan), pirate_rows())
    undisturbed = wait_for(runs, whole, lambda status: status.state is RunState.DONE)
    run_id = runs.start(recipe(**plan), pirate_rows())
    wait_for(runs, run_id, is_training)
    process = process_of(tmp_path / "runs", run_id).pid
    assert runs.pause(run_id).message == "Pausing."
    paused = wait_for(runs, run_id, has_ended)
    assert paused.state is RunState.PAUSED
    assert paused.message == f"Paused at step {paused.step} of 40; its memory is free."
    assert (paused.adapter, paused.error, paused.checkpoint_step) == (None, None, paused.step)
    runs.resume(run_id)
    assert process not in psutil.pids()
    resumed = wait_for(runs, run_id, lambda status: status.state is RunState.DONE)
    assert [entry["loss"] for entry in resumed.history] == [entry["loss"] for entry in undisturbed.history]
    with pytest.raises(InvalidInput, match="nothing to pause"):
        runs.pause(run_id)


def test_a_pause_among_the_batches_of_a_step_keeps_every_whole_step(runs: Runs) -> None:
    run_id = runs.start(recipe(**ENDLESS, gradient_accumulation_steps=64), pirate_rows(128))
    wait_for(runs, run_id, is_training)
    runs.pause(run_id)
    paused = wait_for(runs, run_id, has_ended)
    assert (paused.state, paused.checkpoint_step) == (RunState.PAUSED, paused.step)


def test_what_was_read_of_a_step_is_read_again_as_it_was(
    tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dropout draws random numbers in each batch of a step, and has to draw the same ones once more."""
    settings = recipe(max_steps=4, lora_dropout=0.5, gradient_accumulation_steps=3)
    base = PreparedBase(tiny_models / "llama", BASE_ID)
    whole = trained(tmp_path / "whole", settings, pirate_rows(12), base)
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    run.write(settings, pirate_rows(12))
    run.write_base(base)
    run.append("state", state=RunState.QUEUED)
    stop_if_asked = RunCallback.stop_if_asked
    batches = count(1)

    def asked_in_the_third_step(callback: RunCallback, control: TrainerControl) -> None:
        if next(batches) == 8:
            run.pause_file.touch()
            run.stop_file.touch()
        stop_if_asked(callback, control)

    monkeypatch.setattr(RunCallback, "stop_if_asked", asked_in_the_third_step)
    train(run)
    paused = read_status(run)
    assert (paused.state, paused.step, paused.checkpoint_step) == (RunState.PAUSED, 2, 2)
    run.stop_file.unlink()
    run.pause_file.unlink()
    train(run)
    one, other = (
        [(entry["loss"], entry["grad_norm"]) for entry in read_status(each).history] for each in (whole, run)
    )
    assert one == other


def test_a_stop_has_the_last_word_over_a_pause(runs: Runs) -> None:
    run_id = runs.start(recipe(**ENDLESS), pirate_rows())
    wait_for(runs, run_id, is_training)
    runs.stop(run_id)
    assert wait_for(runs, run_id, has_ended).state is RunState.CANCELLED
    again = runs.resume(run_id).run_id
    wait_for(runs, again, lambda status: status.state is RunState.RUNNING)
    runs.pause(again)
    runs.stop(again)
    ended = wait_for(runs, again, has_ended)
    assert (ended.state, ended.adapter) == (RunState.CANCELLED, f"run:{again}")


def test_waiting_runs_have_places_and_leave_the_queue(runs: Runs) -> None:
    first = runs.start(recipe(**ENDLESS), pirate_rows())
    second, third, fourth = (runs.start(recipe(), pirate_rows()) for _ in range(3))
    wait_for(runs, first, is_training)
    assert [run.place for run in runs.all()] == [3, 2, 1, None]
    assert runs.stop(second).state is RunState.CANCELLED
    assert runs.pause(third).message == "Paused before it started."
    assert runs.status(fourth).place == 1
    assert runs.resume(third).place == 1
    assert runs.status(fourth).place == 2


def test_what_keeps_no_checkpoints_is_not_paused(runs: Runs) -> None:
    run_id = runs.start(recipe(**ENDLESS, method="ADALORA"), pirate_rows())
    with pytest.raises(InvalidInput, match="AdaLoRA cannot go on from a checkpoint; stop the run"):
        runs.pause(run_id)
