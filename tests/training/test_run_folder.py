"""A run's folder: what is written can be read, and a torn line harms no other."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from adapter_ui.domain import RunState, Sample, SampleAnswer
from adapter_ui.training.run_folder import PreparedBase, RunFolder
from adapter_ui.training.run_status import read_status
from tests.training.conftest import pirate_rows, recipe


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "20260101-0000-abcd")
    folder.path.mkdir()
    folder.write(recipe(name="Pirates ☠"), pirate_rows())
    folder.append("state", state=RunState.QUEUED, message="Waiting.")
    return folder


def test_recipe_rows_and_base_are_read_as_written(run: RunFolder) -> None:
    run.write_base(base := PreparedBase(run.path / "base", "org/name", "abc", run.path / "adapter"))
    assert run.read_recipe() == recipe(name="Pirates ☠")
    assert run.read_examples() == pirate_rows()
    assert run.read_base() == base


def test_events_become_a_status(run: RunFolder) -> None:
    run.append("state", state=RunState.RUNNING, message="Training.")
    run.append("plan", total_steps=4)
    run.append("sample", when="before", step=0, prompt="What is 0?", expected="Arrr!", text="0")
    run.append("log", step=1, loss=2.0, eta_seconds=30.0)
    run.append("log", step=1, eval_loss=2.5)
    run.append("log", step=2, loss=1.0, eta_seconds=20.0)
    for text in ("Ar", "Arr"):
        run.append("sample", when="during", step=2, prompt="What is 0?", expected="Arrr!", text=text)
    run.append("sample", when="after", step=4, prompt="What is 0?", expected="Arrr!", text="Arrr!")
    status = read_status(run)
    assert (status.state, status.step, status.total_steps, status.eta_seconds) == ("running", 2, 4, 20.0)
    assert status.history == ({"step": 1, "loss": 2.0, "eval_loss": 2.5}, {"step": 2, "loss": 1.0})
    answers = (SampleAnswer(0, "0"), SampleAnswer(2, "Arr"), SampleAnswer(4, "Arrr!"))
    assert status.samples == (Sample("What is 0?", "Arrr!", "0", "Arrr!", answers),)
    assert (status.name, status.base_model, status.adapter) == ("Pirates ☠", "tiny-org/tiny-llama", None)


@pytest.mark.parametrize(("back_at", "steps"), [(0, []), (2, [1, 2]), (3, [1, 2, 3])])
def test_an_attempt_that_goes_on_from_a_step_shows_nothing_that_was_lost_beyond_it(
    run: RunFolder, back_at: int, steps: list[int]
) -> None:
    asked = {"prompt": "What is 0?", "expected": "Arrr!"}
    run.append("state", state=RunState.RUNNING, message="Training.")
    run.append("plan", total_steps=4, step=0)
    run.append("sample", when="before", step=0, text="0", **asked)
    for step in (1, 2, 3):
        run.append("log", step=step, loss=9.0, eval_loss=8.0)
        run.append("sample", when="during", step=step, text="lost" if step > back_at else "kept", **asked)
    run.append("sample", when="after", step=3, text="saved", **asked)
    run.append("state", state=RunState.QUEUED, message="Waiting for its turn to go on.")
    assert [entry["step"] for entry in read_status(run).history] == [1, 2, 3]
    run.append("plan", total_steps=4, step=back_at)
    status = read_status(run)
    assert status.step == back_at
    assert [entry["step"] for entry in status.history] == steps
    (sample,) = status.samples
    assert "lost" not in {answer.text for answer in sample.answers}
    assert (sample.before, sample.after) == ("0", "saved")
    run.append("log", step=back_at + 1, loss=2.0)
    assert read_status(run).history[-1] == {"step": back_at + 1, "loss": 2.0}


def test_a_torn_line_is_passed_over_and_spoils_no_later_one(run: RunFolder) -> None:
    run.append("log", step=1, loss=2.0)
    with run.events.open("ab") as file:
        file.write(b'{"event": "log", "time": 1, "step": 2, "lo')
    assert read_status(run).step == 1
    run.append("log", step=3, loss=1.0)
    assert [entry["step"] for entry in read_status(run).history] == [1, 3]


def test_lines_that_are_no_events_are_passed_over(run: RunFolder) -> None:
    with run.events.open("ab") as file:
        file.write(b'[]\n{"step": 9}\n\xff\xfe\n\n')
    assert read_status(run).state is RunState.QUEUED


def test_a_number_that_json_does_not_have_is_never_written(run: RunFolder) -> None:
    with pytest.raises(ValueError, match="JSON"):
        run.append("log", step=1, loss=float("nan"))


def test_runs_that_start_at_once_have_an_order(tmp_path: Path) -> None:
    """The queue and the list go by it."""
    created = []
    for number in range(200):
        folder = RunFolder(tmp_path / f"20260101-0000-{number:04x}")
        folder.path.mkdir()
        folder.append("state", state=RunState.QUEUED)
        created.append(folder.created())
    assert all(earlier < later for earlier, later in itertools.pairwise(created))
