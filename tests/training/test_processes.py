"""One run trained by two processes that `accelerate launch` starts: the same losses, told by one of them."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from adapter_ui.domain import ADAPTER_WEIGHTS, RunState, RunStatus
from adapter_ui.training.checkpoints import is_whole, newest
from adapter_ui.training.process import TRAINER
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.run_folder import PreparedBase, RunFolder
from adapter_ui.training.run_status import read_status
from tests.training.conftest import BASE_ID, SECONDS, pirate_rows, recipe
from tests.training.launching import launcher
from tests.training.test_export import step_losses, without_dropout
from tests.training.test_grouping import rows_of_many_lengths
from tests.training.test_training import trained

STEPS = 4
CASES: dict[str, dict[str, Any]] = {
    "rows held back": {"validation_fraction": 0.25},
    "lengths": {"train_sampling_strategy": "group_by_length"},
    "a start from the base": {"init_lora_weights": "pissa"},
}


@pytest.fixture(scope="module")
def base(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedBase:
    folder = without_dropout(tiny_models / "llama", tmp_path_factory.mktemp("base") / "llama")
    return PreparedBase(folder, BASE_ID, revision="0" * 40)


def written(folder: Path, settings: Recipe, base: PreparedBase) -> RunFolder:
    run = RunFolder(folder / "run")
    run.path.mkdir(parents=True)
    grouped = settings.train_sampling_strategy == "group_by_length"
    run.write(settings, rows_of_many_lengths(16) if grouped else pirate_rows(16))
    run.write_base(base)
    run.append("state", state=RunState.QUEUED)
    return run


def losses_of_steps(run: RunFolder) -> list[float]:
    """Without the rows held back, which are averaged by batch, and two processes part these otherwise."""
    return step_losses(read_status(run).history)


def started_in_two(run: RunFolder) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*launcher(), *TRAINER, run.path],
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(launched: subprocess.Popen[str]) -> None:
    _, errors = launched.communicate(timeout=SECONDS)
    assert launched.returncode == 0, errors[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_two_processes_train_what_one_does_in_twice_the_passes(
    case: str, base: PreparedBase, tmp_path: Path
) -> None:
    fields = {"max_steps": STEPS, "per_device_train_batch_size": 2, **CASES[case]}
    twice = written(tmp_path / "written", recipe(**fields, gradient_accumulation_steps=2), base)
    alone = trained(tmp_path / "alone", twice.read_recipe(), twice.read_examples(), base)
    shared = written(tmp_path / "shared", recipe(**fields), base)
    ended(started_in_two(shared))
    assert losses_of_steps(shared) == pytest.approx(losses_of_steps(alone), abs=1e-5)
    told, expected = ([event["event"] for event in run.read_events()] for run in (shared, alone))
    assert told == expected
    assert read_status(shared).state is RunState.DONE
    by_two, by_one = (load_file(run.adapter / ADAPTER_WEIGHTS) for run in (shared, alone))
    assert all((by_two[name] - by_one[name]).abs().max() < 1e-3 for name in by_one)


@pytest.mark.slow
def test_two_processes_rest_at_one_step_and_go_on_together(base: PreparedBase, tmp_path: Path) -> None:
    steps = 60
    fields = {"max_steps": steps, "per_device_train_batch_size": 2}
    twice = written(tmp_path / "written", recipe(**fields, gradient_accumulation_steps=2), base)
    alone = trained(tmp_path / "alone", twice.read_recipe(), twice.read_examples(), base)
    shared = written(tmp_path / "shared", recipe(**fields), base)
    launched = started_in_two(shared)
    waited_for(shared, lambda status: status.step >= 2)
    shared.pause_file.touch()
    shared.stop_file.touch()
    ended(launched)
    paused = read_status(shared)
    assert (paused.state, paused.checkpoint_step) == (RunState.PAUSED, paused.step)
    checkpoint = newest(shared.checkpoints)
    assert checkpoint is not None
    assert is_whole(checkpoint)
    assert {"rng_state_0.pth", "rng_state_1.pth"} <= {path.name for path in checkpoint.iterdir()}
    shared.pause_file.unlink()
    shared.stop_file.unlink()
    shared.append("state", state=RunState.QUEUED)
    ended(started_in_two(shared))
    assert read_status(shared).state is RunState.DONE
    assert losses_of_steps(shared) == pytest.approx(losses_of_steps(alone), abs=1e-5)


@pytest.mark.slow
def test_what_fails_in_both_is_told_once(base: PreparedBase, tmp_path: Path) -> None:
    shared = written(tmp_path, recipe(target_modules=["no_such"]), base)
    launched = started_in_two(shared)
    launched.communicate(timeout=SECONDS)
    assert launched.returncode != 0
    status = read_status(shared)
    assert status.state is RunState.FAILED
    assert "no linear module" in str(status.error)
    assert [event["event"] for event in shared.read_events()].count("error") == 1


def waited_for(run: RunFolder, wanted: Any) -> RunStatus:
    deadline = time.monotonic() + SECONDS
    while not wanted(status := read_status(run)):
        assert time.monotonic() < deadline, status
        time.sleep(0.02)
    return status
