"""In fp16 a step whose gradient overflows is skipped; that alone is no divergence."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from adapter_ui.models.tuning.events import MOST_SKIPPED, RunCallback
from adapter_ui.training.run_folder import RunFolder
from adapter_ui.training.run_status import read_status
from tests.training.conftest import pirate_rows, recipe

OVERFLOWN = {"loss": 2.5, "grad_norm": math.inf, "learning_rate": 1e-3}
GOOD = {"loss": 2.4, "grad_norm": 1.0, "learning_rate": 1e-3}


@pytest.fixture
def callback(tmp_path: Path) -> RunCallback:
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    run.write(recipe(), pirate_rows())
    run.append("state", state="running")
    return RunCallback(run)


def logged(callback: RunCallback, *logs: dict[str, float], fp16: bool, tmp_path: Path) -> bool:
    """Whether the training is to end after these steps."""
    # transformers sets fp16 up for a GPU only; the callback reads no more than the flag
    arguments = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to="none")
    arguments.fp16 = fp16
    state, control = TrainerState(max_steps=100), TrainerControl()
    for step, log in enumerate(logs, start=1):
        state.global_step = step
        callback.on_log(arguments, state, control, log)
    return control.should_training_stop


def test_skipped_steps_do_not_end_a_training_in_fp16(callback: RunCallback, tmp_path: Path) -> None:
    most = [OVERFLOWN] * (MOST_SKIPPED - 1)
    assert not logged(callback, *most, GOOD, *most, GOOD, fp16=True, tmp_path=tmp_path)
    assert callback.diverged_at is None
    history = read_status(callback.run).history
    assert (history[0]["loss"], "grad_norm" in history[0], history[-1]["grad_norm"]) == (2.5, False, 1.0)


def test_so_many_in_a_row_do(callback: RunCallback, tmp_path: Path) -> None:
    assert logged(callback, GOOD, *[OVERFLOWN] * MOST_SKIPPED, fp16=True, tmp_path=tmp_path)
    assert callback.diverged_at == MOST_SKIPPED + 1


@pytest.mark.parametrize(
    ("log", "fp16"), [({**OVERFLOWN, "loss": math.nan}, True), (OVERFLOWN, False)], ids=["loss", "bf16"]
)
def test_a_loss_that_is_no_number_does_and_so_does_a_gradient_that_is_applied(
    callback: RunCallback, log: dict[str, float], fp16: bool, tmp_path: Path
) -> None:
    assert logged(callback, GOOD, log, fp16=fp16, tmp_path=tmp_path)
    assert callback.diverged_at == 2
