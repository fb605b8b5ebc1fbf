"""Checkpoints are whole or not used, and a resumed run ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapter_ui.domain import ADAPTER_WEIGHTS, RunState
from adapter_ui.errors import InvalidInput
from adapter_ui.training.checkpoints import SEAL, newest, newest_step, remove_torn, seal
from adapter_ui.training.disk import FULL
from adapter_ui.training.examples import Examples
from adapter_ui.training.runs import Runs
from tests.tiers import in_tiers
from tests.training.conftest import pirate_rows, recipe, wait_for
from tests.training.export_cases import crews
from tests.training.test_runs import has_ended, process_of
from tests.training.test_tasks_trained import ships
from tests.training.test_training import reviews

ROOT = Path(__file__).parents[2]
FEWEST_WRITES = 60
FIRST_EVENT = 4
"""Of the faults: what fails before it has no words yet."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sealed checkpoints of the steps 9 and 10."""
    for step in (9, 10):
        checkpoint = tmp_path / f"checkpoint-{step}"
        checkpoint.mkdir()
        (checkpoint / "weights").write_bytes(b"some weights")
        (checkpoint / "state.json").write_text("{}")
        seal(checkpoint)
    return tmp_path


def cut(checkpoint: Path) -> None:
    os.truncate(checkpoint / "weights", 4)


def swap(checkpoint: Path) -> None:
    (checkpoint / "weights").write_bytes(b"same lengths")


def lose(checkpoint: Path) -> None:
    (checkpoint / "state.json").unlink()


def add(checkpoint: Path) -> None:
    (checkpoint / "more").touch()


def tear_seal(checkpoint: Path) -> None:
    os.truncate(checkpoint / SEAL, 9)


def test_the_latest_step_counts_by_number(folder: Path) -> None:
    assert newest(folder) == folder / "checkpoint-10"
    assert newest_step(folder) == 10
    assert newest(folder / "nowhere") is None


@pytest.mark.parametrize("damage", [cut, swap, lose, add, tear_seal])
def test_what_is_not_whole_is_passed_over_and_removed(folder: Path, damage: Callable[[Path], None]) -> None:
    damage(folder / "checkpoint-10")
    assert newest(folder) == folder / "checkpoint-9"
    remove_torn(folder)
    assert [path.name for path in folder.iterdir()] == ["checkpoint-9"]


STOPPED: dict[str, tuple[dict[str, Any], Examples]] = {
    "LoRA": ({}, pirate_rows()),
    "DoRA": ({"use_dora": True}, pirate_rows()),
    "trained tokens": ({"trainable_tokens": ["<s>"]}, pirate_rows()),
    "int8": ({"precision": "int8"}, pirate_rows()),
    "nf4": ({"precision": "nf4"}, pirate_rows()),
    "classes": ({"base_model": "tiny-org/tiny-bert", "task_type": "SEQ_CLS"}, reviews()),
    "tags with every bias": (
        {"base_model": "tiny-org/tiny-bert", "task_type": "TOKEN_CLS", "bias": "all"},
        crews(["Anne", "Jack", "Bart", "Mary"] * 2),
    ),
    "questions in int8": (
        {"base_model": "tiny-org/tiny-bert", "task_type": "QUESTION_ANS", "precision": "int8"},
        ships(),
    ),
}


@pytest.mark.parametrize(
    "case", in_tiers(STOPPED, quick=["LoRA"], slow=["trained tokens", "nf4", "tags with every bias"])
)
def test_a_stopped_run_goes_on_where_it_was(case: str, runs: Runs, tmp_path: Path) -> None:
    fields, rows = STOPPED[case]
    plan = {"max_steps": 40, "lora_dropout": 0.1, **fields}
    whole = runs.start(recipe(**plan), rows)
    undisturbed = wait_for(runs, whole, lambda status: status.state is RunState.DONE)
    assert undisturbed.checkpoint_step is None
    run_id = runs.start(recipe(**plan), rows)
    wait_for(runs, run_id, lambda status: status.step >= 3)
    runs.stop(run_id)
    stopped = wait_for(runs, run_id, has_ended)
    assert stopped.resumable and stopped.checkpoint_step == stopped.step
    runs.resume(run_id)
    resumed = wait_for(runs, run_id, lambda status: status.state is RunState.DONE)
    assert (resumed.error, resumed.resumable) == (None, False)
    assert [entry["loss"] for entry in resumed.history] == [entry["loss"] for entry in undisturbed.history]
    one, other = (tmp_path / "runs" / name / "adapter" / ADAPTER_WEIGHTS for name in (whole, run_id))
    assert one.read_bytes() == other.read_bytes()
    with pytest.raises(InvalidInput, match="nothing to resume"):
        runs.resume(run_id)


def test_a_killed_run_goes_on_and_its_failure_is_forgotten(runs: Runs, tmp_path: Path) -> None:
    run_id = runs.start(recipe(max_steps=200), pirate_rows())
    wait_for(runs, run_id, lambda status: status.step >= 25)
    process_of(tmp_path / "runs", run_id).kill()
    killed = wait_for(runs, run_id, has_ended)
    assert killed.state is RunState.FAILED and killed.error
    assert killed.checkpoint_step in (20, 40, 60)
    runs.resume(run_id)
    assert runs.status(run_id).error is None
    resumed = wait_for(runs, run_id, lambda status: status.state is RunState.DONE)
    assert [entry["step"] for entry in resumed.history] == list(range(1, 201))


@pytest.mark.slow
@pytest.mark.timeout(900)  # dozens of trainings, one after the other
@pytest.mark.parametrize("kind", ["kill", "full"])
def test_whatever_write_fails_nothing_torn_is_offered_and_the_end_is_the_same(
    kind: str, tiny_models: Path, tmp_path: Path
) -> None:
    """Killed, or out of disk, at every write of a run in turn."""
    command = [sys.executable, "-m", "tests.training.faults", kind, tmp_path, tiny_models / "llama"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    answer = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr[-3000:]
    undisturbed, *faults = (json.loads(line) for line in answer.stdout.splitlines())
    assert len(faults) >= FEWEST_WRITES
    for fault in faults:
        assert fault["offered"] in (None, undisturbed["adapter"]), fault
        assert {name: fault[name] for name in undisturbed} == undisturbed, fault
        assert fault["state"] == "done", fault
        assert fault["first_step"] == {None: 1, 2: 3, 4: None}[fault["checkpoint"]] or fault["then"] == "done"
    assert {fault["checkpoint"] for fault in faults} == {None, 2, 4}
    told = [fault["told"] for fault in faults if fault["then"] == "failed"]
    assert set(told) == ({FULL} if kind == "full" else set())
    if kind == "full":
        with_space_for_words = [fault for fault in faults[FIRST_EVENT::2] if fault["then"] != "done"]
        assert {fault["then"] for fault in with_space_for_words} == {"failed"}
