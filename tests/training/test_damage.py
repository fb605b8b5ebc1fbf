"""What goes wrong around a run costs that run at most, and no other: full disks, torn files, slow ends."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapter_ui.domain import RunState
from adapter_ui.errors import AdapterUIError, InvalidInput
from adapter_ui.training.endings import end, note_death, recover
from adapter_ui.training.process import ProcessMark
from adapter_ui.training.run_folder import RunFolder, run_folders
from adapter_ui.training.run_status import fold, read_status
from adapter_ui.training.runs import Runs
from tests.training.conftest import pirate_rows, recipe, wait_for

ROOT = Path(__file__).parents[2]
FEWEST_WRITES = 16


def no_space(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_run_that_no_disk_has_room_for_is_never_listed(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full, pytest.raises(AdapterUIError, match="disk is full; free some space"):
        full.setattr(RunFolder, "append", no_space)
        runs.start(recipe(), pirate_rows())
    assert runs.all() == ()
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["kill", "full"])
def test_whatever_write_of_the_queue_fails_no_half_run_is_listed_and_all_go_on(
    kind: str, tmp_path: Path
) -> None:
    """Every write of the process that queues a run and starts its training, in turn."""
    command = [sys.executable, "-m", "tests.training.queue_faults", kind, tmp_path]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr[-3000:]
    faults = [json.loads(line) for line in answer.stdout.splitlines()]
    assert len(faults) >= FEWEST_WRITES
    waiting = [fault for fault in faults if fault["listed"]]
    assert 5 < len(waiting) < len(faults)
    for fault in faults:
        assert set(fault["ended"]) == {"done"} and len(fault["ended"]) == 1 + len(fault["listed"]), fault
        assert fault["left"] == [], fault
        if kind == "full":
            assert bool(fault["refused"]) != bool(fault["listed"]), fault
            assert "disk is full; free some space" in (fault["refused"] or fault["listed"][0][1]), fault
    assert {state for fault in waiting for state, _ in fault["listed"]} == {"queued"}


@pytest.mark.parametrize("damage", ["empty events", "torn recipe", "no recipe"])
def test_a_damaged_folder_costs_no_other_run(
    damage: str, prepare: Callable[..., Any], tmp_path: Path
) -> None:
    folder = tmp_path / "runs"
    first = Runs(folder, prepare)
    try:
        whole, broken = (first.start(recipe(max_steps=1), pirate_rows()) for _ in range(2))
        wait_for(first, broken, lambda now: now.state is RunState.DONE)
    finally:
        first.close()
    if damage == "empty events":
        (folder / broken / "events.jsonl").write_text("")
    elif damage == "torn recipe":
        (folder / broken / "recipe.json").write_text('{"base_model": "x')
    else:
        (folder / broken / "recipe.json").unlink()
    (folder / ".new-left-behind").mkdir()
    fold.cache_clear()  # as in an app that was started anew
    again = Runs(folder, prepare)
    try:
        assert {status.run_id for status in again.all()} == {whole, broken}
        assert again.status(whole).state is RunState.DONE
        assert not (folder / ".new-left-behind").exists()
        status = again.status(broken)
        assert status.state is RunState.FAILED and "damaged" in status.error
        assert again.adapter_folder(broken).is_dir() and status.adapter == f"run:{broken}"
        with pytest.raises(InvalidInput, match="damaged"):
            again.resume(broken)
        added = again.start(recipe(max_steps=1), pirate_rows())
        wait_for(again, added, lambda now: now.state is RunState.DONE)
        again.delete(broken)
        assert {run.path.name for run in run_folders(folder)} == {whole, added}
    finally:
        again.close()


def test_time_is_counted_while_a_process_has_the_run_in_hand(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.write(recipe(), pirate_rows())
    times = [(0, "queued"), (10, "running"), (70, "paused"), (5000, "queued"), (5100, "running")]
    lines = [f'{{"event": "state", "time": {at}, "state": "{state}"}}\n' for at, state in times]
    run.events.write_text("".join(lines))
    assert read_status(run).seconds == 60
    with run.events.open("a") as file:
        file.write('{"event": "log", "time": 5130, "step": 3, "loss": 1.0}\n')
    assert read_status(run).seconds == 90
    end(run, RunState.INTERRUPTED, "Nobody saw it die, and it was found much later.")
    assert read_status(run).seconds == 90


def test_the_step_shown_goes_back_to_where_a_run_goes_on(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    run.append("plan", total_steps=40, step=0)
    for step in (1, 30):
        run.append("log", step=step, loss=1.0)
    run.append("plan", total_steps=40, step=20)
    assert read_status(run).step == 20
    run.append("log", step=21, loss=1.0)
    assert read_status(run).step == 21


def test_who_saves_is_let_finish_and_who_hangs_is_not(prepare: Callable[..., Any], tmp_path: Path) -> None:
    run = a_run(tmp_path / "runs" / "20260101-0000-abcd")
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    ProcessMark.of("trainer", process.pid).write(run)
    run.append("state", state=RunState.SAVING)
    run.stop_file.touch()
    os.utime(run.stop_file, (1, 1))
    runs = Runs(tmp_path / "runs", prepare, stop_grace_seconds=0.1)
    try:
        time.sleep(1.0)
        assert process.poll() is None
        run.append("state", state=RunState.RUNNING)
        status = wait_for(runs, run.path.name, lambda now: now.state.ended)
    finally:
        process.kill()
        runs.close()
    assert (status.state, process.wait()) == (RunState.CANCELLED, -9)


def test_a_stop_waits_for_a_step_as_slow_as_those_before(prepare: Callable[..., Any], tmp_path: Path) -> None:
    run = a_run(tmp_path / "runs" / "20260101-0000-abcd")
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    ProcessMark.of("trainer", process.pid).write(run)
    run.append("state", state=RunState.RUNNING)
    run.append("plan", total_steps=10, step=0)
    run.append("log", step=2, loss=1.0, eta_seconds=8 * 60.0)
    run.stop_file.touch()
    os.utime(run.stop_file, (time.time() - 90,) * 2)
    runs = Runs(tmp_path / "runs", prepare, stop_grace_seconds=0.1)
    try:
        time.sleep(1.0)
        assert process.poll() is None
        os.utime(run.stop_file, (time.time() - 130,) * 2)
        wait_for(runs, run.path.name, lambda now: now.state.ended)
    finally:
        process.kill()
        runs.close()
    assert process.wait() == -9


def test_a_mark_that_a_loss_of_power_tore_is_nobodys(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    run.append("state", state=RunState.RUNNING)
    run.process.touch()
    mark = ProcessMark.read(run)
    assert mark is not None and not mark.alive
    recover(run)
    assert read_status(run).state is RunState.INTERRUPTED
    assert ProcessMark.read(run) is None


def test_a_run_that_never_trained_waits_again_whoever_had_it_in_hand(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    ProcessMark("trainer", os.getpid(), 0.0).write(run)
    recover(run)
    assert read_status(run).state is RunState.QUEUED
    assert ProcessMark.read(run) is None


def test_what_a_dying_process_still_told_is_its_cause(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    run.append("state", state=RunState.RUNNING)
    run.append("error", message="There was not enough memory.")
    note_death(run, "The training process ended without saying why.")
    status = read_status(run)
    assert (status.state, status.error) == (RunState.FAILED, "There was not enough memory.")


def test_an_adapter_is_there_when_its_process_died_while_it_replaced_an_older_one(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    run.append("state", state=RunState.SAVING)
    for name, text in (("adapter.replaced", "old"), ("adapter.partial", "new")):
        (run.path / name).mkdir()
        (run.path / name / "weights").write_text(text)
    note_death(run, "It was killed.")
    assert (run.adapter / "weights").read_text() == "new"
    assert read_status(run).adapter == f"run:{run.path.name}"


def a_run(folder: Path) -> RunFolder:
    """One that waits for its turn."""
    run = RunFolder(folder)
    run.path.mkdir(parents=True, exist_ok=True)
    run.write(recipe(), pirate_rows())
    run.append("state", state=RunState.QUEUED)
    return run
