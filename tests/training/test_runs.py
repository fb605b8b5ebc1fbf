"""Runs from start to end with real training processes: done, stopped, killed, queued, found again."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import psutil
import pytest
from safetensors.numpy import load_file

from adapter_ui.domain import Progress, RunState
from adapter_ui.errors import BaseUnavailable, InvalidInput, UnknownRun
from adapter_ui.training.process import ProcessMark
from adapter_ui.training.run_folder import PreparedBase, RunFolder, write_json
from adapter_ui.training.runs import MAX_WAITING, Runs
from tests.training.conftest import end_all, pirate_rows, recipe, wait_for

ENDLESS = {"max_steps": 100_000, "lr_scheduler_type": "constant"}


def is_training(status: Any) -> bool:
    return status.step >= 2


def has_ended(status: Any) -> bool:
    return status.state.ended


def process_of(folder: Path, run_id: str) -> ProcessMark:
    mark = ProcessMark.read(RunFolder(folder / run_id))
    assert mark is not None
    return mark


def test_a_stopped_run_keeps_the_adapter_so_far_and_saw_no_secrets(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_7f3a")
    monkeypatch.setenv("MY_API_KEY", "7f3a")
    run_id = runs.start(recipe(**ENDLESS), pirate_rows())
    wait_for(runs, run_id, is_training)
    environment = psutil.Process(process_of(tmp_path / "runs", run_id).pid).environ()
    assert not any("7f3a" in value for value in environment.values())
    assert environment["HF_HUB_OFFLINE"] == "1"
    with pytest.raises(InvalidInput, match="stop it before"):
        runs.delete(run_id)
    runs.stop(run_id)
    status = wait_for(runs, run_id, has_ended)
    assert status.state is RunState.CANCELLED
    assert f"Stopped at step {status.step} of 100000" in status.message
    assert status.adapter == f"run:{run_id}"
    tensors = load_file(runs.adapter_folder(run_id) / "adapter_model.safetensors")
    assert all(tensor.any() for name, tensor in tensors.items() if "lora_B" in name)


def test_a_killed_process_is_a_failure_in_words(runs: Runs, tmp_path: Path) -> None:
    run_id = runs.start(recipe(**ENDLESS), pirate_rows())
    wait_for(runs, run_id, is_training)
    os.kill(process_of(tmp_path / "runs", run_id).pid, signal.SIGKILL)
    status = wait_for(runs, run_id, has_ended)
    assert status.state is RunState.FAILED
    assert status.error is not None
    assert "stopped by the system, most likely for memory" in status.error
    assert status.adapter is None
    assert status.history


@pytest.mark.slow
def test_a_run_survives_its_app_and_is_found_again(
    runs: Runs, prepare: Callable[..., Any], tmp_path: Path
) -> None:
    run_id = runs.start(recipe(**ENDLESS), pirate_rows())
    step = wait_for(runs, run_id, is_training).step
    process = process_of(tmp_path / "runs", run_id)
    runs.close()
    again = Runs(tmp_path / "runs", prepare, stop_grace_seconds=5)
    try:
        wait_for(again, run_id, lambda status: status.step > step)
        assert process_of(tmp_path / "runs", run_id) == process
        again.stop(run_id)
        assert wait_for(again, run_id, has_ended).state is RunState.CANCELLED
    finally:
        end_all(again)
        again.close()


@pytest.mark.slow
def test_a_run_that_died_unwatched_is_interrupted_and_the_queue_goes_on(
    runs: Runs, prepare: Callable[..., Any], tmp_path: Path
) -> None:
    died = runs.start(recipe(**ENDLESS), pirate_rows())
    waiting = runs.start(recipe(max_steps=1), pirate_rows())
    wait_for(runs, died, is_training)
    process = process_of(tmp_path / "runs", died)
    runs.close()
    os.kill(process.pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(process.pid)])
    again = Runs(tmp_path / "runs", prepare)
    try:
        assert again.status(died).state is RunState.INTERRUPTED
        assert wait_for(again, waiting, has_ended).state is RunState.DONE
        assert [status.run_id for status in again.all()] == [waiting, died]
    finally:
        end_all(again)
        again.close()


def test_one_trains_at_a_time_and_a_waiting_one_can_be_cancelled(runs: Runs) -> None:
    first = runs.start(recipe(**ENDLESS), pirate_rows())
    second = runs.start(recipe(), pirate_rows())
    wait_for(runs, first, is_training)
    assert runs.status(second).state is RunState.QUEUED
    assert runs.stop(second).state is RunState.CANCELLED
    runs.delete(second)
    with pytest.raises(UnknownRun):
        runs.status(second)
    assert runs.status(first).state is RunState.RUNNING


@pytest.mark.slow
def test_a_process_that_does_not_stop_is_killed(prepare: Callable[..., Any], tmp_path: Path) -> None:
    runs = Runs(tmp_path / "runs", prepare, stop_grace_seconds=0.5)
    try:
        run_id = runs.start(recipe(**ENDLESS), pirate_rows())
        wait_for(runs, run_id, is_training)
        os.kill(process_of(tmp_path / "runs", run_id).pid, signal.SIGSTOP)
        runs.stop(run_id)
        status = wait_for(runs, run_id, has_ended)
        assert (status.state, status.adapter) == (RunState.CANCELLED, None)
        assert "by force" in status.message
    finally:
        end_all(runs)
        runs.close()


@pytest.mark.slow
def test_a_loss_that_is_no_number_ends_the_run_at_its_step(runs: Runs) -> None:
    run_id = runs.start(
        recipe(learning_rate=1.0, lora_alpha=4096, r=1, precision="fp16", max_steps=50, warmup_ratio=0),
        pirate_rows(),
    )
    status = wait_for(runs, run_id, has_ended)
    assert status.state is RunState.FAILED
    assert status.error is not None
    assert f"stopped being a number at step {status.step}" in status.error
    assert status.adapter is None


def test_an_error_of_the_recipe_is_told_in_one_sentence(runs: Runs) -> None:
    run_id = runs.start(recipe(target_modules=["q_prok"]), pirate_rows())
    status = wait_for(runs, run_id, has_ended)
    assert status.state is RunState.FAILED
    assert status.error == "The base has no linear module “q_prok”; did you mean q_proj?"


@pytest.mark.slow
def test_a_crash_is_told_by_its_last_line_without_local_paths(
    prepare: Callable[..., Any], tmp_path: Path
) -> None:
    def prepare_nothing(_: RunFolder) -> Generator[Progress, None, PreparedBase]:
        yield Progress("base", "Fetching.")
        return PreparedBase(tmp_path / "nowhere" / "deep", "org/name")

    runs = Runs(tmp_path / "runs", prepare_nothing)
    try:
        status = wait_for(runs, runs.start(recipe(), pirate_rows()), has_ended)
        assert status.state is RunState.FAILED
        assert status.error is not None
        assert "config.json" in status.error
        assert str(tmp_path) not in status.error
    finally:
        runs.close()


def test_a_base_that_cannot_be_had_fails_the_run(tmp_path: Path) -> None:
    def prepare_fails(_: RunFolder) -> Generator[Progress, None, PreparedBase]:
        yield Progress("base", "Fetching.")
        raise BaseUnavailable("The base is gone; choose another.")

    runs = Runs(tmp_path / "runs", prepare_fails)
    try:
        status = wait_for(runs, runs.start(recipe(), pirate_rows()), has_ended)
        assert (status.state, status.error) == (RunState.FAILED, "The base is gone; choose another.")
    finally:
        runs.close()


@pytest.mark.slow
def test_a_run_whose_base_was_being_fetched_waits_again_after_a_restart(
    prepare: Callable[..., Any], tmp_path: Path
) -> None:
    fetching, closing = threading.Event(), threading.Event()

    def prepare_slowly(_: RunFolder) -> Generator[Progress, None, PreparedBase]:
        yield Progress("base", "Fetching the base.", 1, 4)
        fetching.set()
        closing.wait(30)
        yield Progress("base", "Fetching the base.", 2, 4)
        raise AssertionError("the fetching goes on after the app was closed")

    runs = Runs(tmp_path / "runs", prepare_slowly)
    run_id = runs.start(recipe(max_steps=1), pirate_rows())
    assert fetching.wait(30)
    assert runs.status(run_id).message == "Fetching the base. 25 %"
    closer = threading.Thread(target=runs.close)
    closer.start()
    closing.set()
    closer.join()
    assert runs.status(run_id).state is RunState.QUEUED
    again = Runs(tmp_path / "runs", prepare)
    try:
        assert wait_for(again, run_id, has_ended).state is RunState.DONE
    finally:
        end_all(again)
        again.close()


@pytest.mark.parametrize("run_id", ["20260101-0000-abcd", "../runs", "", ".new-x", "a/b", "x" * 200])
def test_what_is_no_run_is_unknown(runs: Runs, run_id: str) -> None:
    for ask in (runs.status, runs.stop, runs.delete, runs.adapter_folder):
        with pytest.raises(UnknownRun):
            ask(run_id)


def test_the_queue_is_bounded_and_leftovers_are_removed(tmp_path: Path) -> None:
    asked, closing = threading.Event(), threading.Event()

    def prepare_waits(_: RunFolder) -> Generator[Progress, None, PreparedBase]:
        asked.set()
        closing.wait(30)
        yield Progress("base", "Fetching.")
        raise AssertionError("the fetching goes on after the app was closed")

    leftover = tmp_path / "runs" / ".deleted-20260101-0000-abcd"
    leftover.mkdir(parents=True)
    (tmp_path / "runs" / "someone-elses-folder").mkdir()
    runs = Runs(tmp_path / "runs", prepare_waits)
    ids = [runs.start(recipe(), pirate_rows()) for _ in range(MAX_WAITING)]
    assert asked.wait(30)
    with pytest.raises(InvalidInput, match="20 runs are waiting already"):
        runs.start(recipe(), pirate_rows())
    assert not leftover.exists()
    assert {status.run_id for status in runs.all()} == set(ids)
    closer = threading.Thread(target=runs.close)
    closer.start()
    closing.set()
    closer.join()


def test_a_recipe_of_another_version_fails_its_run_and_no_other(
    prepare: Callable[..., Any], tmp_path: Path
) -> None:
    old = RunFolder(tmp_path / "runs" / "20260101-0000-abcd")
    old.path.mkdir(parents=True)
    old.write(recipe(), pirate_rows())
    write_json(old.path / "recipe.json", {**recipe().to_json(), "gone": 1})
    old.append("state", state=RunState.QUEUED)
    runs = Runs(tmp_path / "runs", prepare)
    try:
        status = wait_for(runs, old.path.name, has_ended)
        assert status.state is RunState.FAILED
        assert status.error is not None
        assert "no field “gone”" in status.error
    finally:
        runs.close()
