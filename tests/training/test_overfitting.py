"""When a run is said to learn its rows by heart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pytest

from adapter_ui.domain import RunState, RunStatus
from adapter_ui.training.overfitting import overfitting
from adapter_ui.ui.tuning.run import run_view


def history(losses: Sequence[float], **more: float) -> list[Mapping[str, float]]:
    """An evaluation at the end of each epoch of six steps, and the steps between them."""
    logs: list[Mapping[str, float]] = []
    for epoch, loss in enumerate(losses, start=1):
        logs += [{"step": step, "loss": 2.0} for step in range(6 * epoch - 5, 6 * epoch)]
        logs.append({"step": 6 * epoch, "epoch": float(epoch), "loss": 2.0, "eval_loss": loss, **more})
    return logs


@pytest.mark.parametrize(
    "losses",
    [
        [],
        [3.0],
        [3.0, 2.5, 2.0],
        [3.0, 2.0, 2.9],  # risen once: may be chance
        [3.0, 2.0, 2.04, 2.05],  # hardly
        [2.0, 4.0, 4.0, 1.9],  # and down again
        [math.nan, math.nan, math.nan],
    ],
    ids=str,
)
def test_a_loss_that_falls_or_hardly_rises_is_passed_over(losses: list[float]):
    assert overfitting(history(losses)) is None


def test_a_loss_that_turned_names_its_lowest_point_and_the_epochs_up_to_it():
    said = overfitting(history([3.25, 2.68, 2.64, 2.66, 2.9, 3.035]))
    assert said is not None
    assert "lowest at step 18 (2.640) and has risen to 3.035 since" in said
    assert "; 3 epochs, a lower learning rate" in said


def test_one_epoch_and_none_are_worded_as_such():
    first = overfitting(history([2.0, 3.0, 3.0]))
    without = overfitting([{"step": step, "eval_loss": loss} for step, loss in enumerate((2.0, 3.0, 3.0))])
    assert first is not None and "; 1 epoch, a lower" in first
    assert without is not None and "; fewer steps, a lower" in without


def test_the_page_says_so_while_it_runs_and_afterwards():
    turned = tuple(history([2.0, 3.0, 3.0]))
    for state in (RunState.RUNNING, RunState.DONE):
        assert "learned by heart" in run_view(RunStatus("r", state, total_steps=18, step=18, history=turned))
        assert "by heart" not in run_view(RunStatus("r", state, total_steps=18, step=18, history=turned[:6]))


@pytest.mark.parametrize(("seconds", "expected"), [(None, 0), (0.0, 0), (0.4, 0), (90.0, 1)])
def test_what_is_left_is_told_from_a_second_on(seconds: float | None, expected: int):
    status = RunStatus("r", RunState.RUNNING, total_steps=18, step=18, eta_seconds=seconds)
    assert run_view(status).count("left</span>") == expected
