"""A stop or a pause is heard while the run is measured too, and a save that hangs has an end."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter_ui.domain import RunState, RunStatus
from adapter_ui.models.tuning.data import encode_examples
from adapter_ui.models.tuning.events import RunCallback, StopHeard
from adapter_ui.models.tuning.metrics import measure
from adapter_ui.models.tuning.model import load_trainable
from adapter_ui.models.tuning.trainer import trainer_for
from adapter_ui.training.process import ProcessMark
from adapter_ui.training.run_folder import PreparedBase, RunFolder
from adapter_ui.training.runs import Runs
from tests.training.conftest import pirate_rows, recipe, wait_for
from tests.training.test_runs import has_ended
from tests.training.test_tasks_trained import orders
from tests.training.tiny_t5 import build_t5

EPOCH = 4
ROWS = 800
PLAN = {
    "max_steps": 2 * EPOCH,
    "gradient_accumulation_steps": ROWS // 2 // 2 // EPOCH,
    "validation_fraction": 0.5,
    "lora_dropout": 0.1,
}
"""So many rows are measured in hundreds of batches."""
MEASURING = "Measuring the rows held back, before training."


def is_done(status: RunStatus) -> bool:
    return status.state is RunState.DONE


def losses(status: RunStatus) -> list[float]:
    return [entry["loss"] for entry in status.history]


def test_a_pause_is_heard_while_rows_are_measured_and_costs_nothing(runs: Runs) -> None:
    whole = runs.start(recipe(**PLAN), pirate_rows(ROWS))
    undisturbed = wait_for(runs, whole, is_done)
    run_id = runs.start(recipe(**PLAN), pirate_rows(ROWS))
    wait_for(runs, run_id, lambda status: status.message == MEASURING)
    runs.pause(run_id)
    paused = wait_for(runs, run_id, has_ended)
    assert (paused.state, paused.step, paused.metrics_before) == (RunState.PAUSED, 0, {})
    runs.resume(run_id)
    wait_for(runs, run_id, lambda status: status.step == EPOCH)
    runs.pause(run_id)
    paused = wait_for(runs, run_id, has_ended)
    assert (paused.state, paused.step, paused.checkpoint_step) == (RunState.PAUSED, EPOCH, EPOCH)
    assert "eval_loss" not in paused.history[-1]
    runs.resume(run_id)
    resumed = wait_for(runs, run_id, is_done)
    assert resumed.metrics_before == undisturbed.metrics_before
    assert losses(resumed) == losses(undisturbed)
    assert resumed.history[-1]["eval_loss"] == undisturbed.history[-1]["eval_loss"]


def test_a_stop_is_heard_between_texts_that_are_written_to_measure(tmp_path: Path) -> None:
    settings = recipe(task_type="SEQ_2_SEQ_LM", validation_fraction=0.25)
    loaded = load_trainable(settings, PreparedBase(build_t5(tmp_path / "t5"), "tiny-org/tiny-t5"), ())
    data = encode_examples(orders(), (), loaded.tokenizer, settings, 64)
    run = RunFolder(tmp_path)
    trainer = trainer_for(run, settings, loaded, data, RunCallback(run))
    found = trainer.predict(data.validation)
    run.stop_file.touch()
    with pytest.raises(StopHeard):
        trainer.compute_metrics(found)
    with pytest.raises(StopHeard):
        measure(trainer, data)


@pytest.fixture
def hanging(tmp_path: Path, prepare: Callable[..., Any]) -> Iterator[tuple[Runs, RunFolder]]:
    """A table over a run whose process saves, and never ends."""
    run = RunFolder(tmp_path / "runs" / "hangs")
    run.path.mkdir(parents=True)
    run.write(recipe(), pirate_rows())
    run.append("state", state=RunState.QUEUED)
    run.append("state", state=RunState.SAVING, message="Saving the adapter.")
    process = subprocess.Popen(["sleep", "600"], start_new_session=True)
    ProcessMark.of("trainer", process.pid).write(run)
    table = Runs(tmp_path / "runs", prepare, saving_seconds=2)
    yield table, run
    table.close()
    process.kill()
    process.wait()


@pytest.mark.parametrize("stopped", [False, True])
def test_a_save_that_hangs_is_ended_and_told(hanging: tuple[Runs, RunFolder], stopped: bool) -> None:
    runs, run = hanging
    if stopped:
        run.stop_file.touch()
    status = wait_for_end(runs, run.path.name)
    assert (status.state, status.resumable) == (RunState.FAILED, True)
    assert status.error == (
        "Saving the adapter did not end within 2 seconds, so it was ended (its disk may hang); resume "
        "the run to save it again."
    )


def wait_for_end(runs: Runs, run_id: str) -> RunStatus:
    wait_for(runs, run_id, lambda status: status.state in (RunState.SAVING, RunState.FAILED))
    return wait_for(runs, run_id, has_ended)
