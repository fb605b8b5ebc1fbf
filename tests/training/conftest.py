"""A run table over the tiny Llama, and rows to train it on."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter_ui.domain import Progress, RunStatus
from adapter_ui.training.data import read_table
from adapter_ui.training.examples import Examples, to_examples
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.run_folder import PreparedBase, RunFolder
from adapter_ui.training.runs import Runs
from tests.training.tiny_t5 import build_t5

BASE_ID = "tiny-org/tiny-llama"
SECONDS = 90.0


def recipe(**fields: Any) -> Recipe:
    """A recipe for the tiny base, in fp32 and with steps large enough to be seen."""
    small = {"per_device_train_batch_size": 2, "max_steps": 4, "learning_rate": 0.01, "precision": "fp32"}
    return Recipe.parse({"base_model": BASE_ID, **small, **fields})


def pirate_rows(count: int = 8) -> Examples:
    lines = [f"What is {number}?,Arrr! {number} be the sea." for number in range(count)]
    return to_examples(read_table("\n".join(["prompt,completion", *lines])), {}, "CAUSAL_LM")


def wait_for(runs: Runs, run_id: str, wanted: Callable[[RunStatus], bool]) -> RunStatus:
    """The first status that is `wanted`; fails when the run ends otherwise or takes too long."""
    deadline = time.monotonic() + SECONDS
    while not wanted(status := runs.status(run_id)):
        assert not status.state.ended, f"{status.state}: {status.error or status.message}"
        assert time.monotonic() < deadline, f"still {status.state} at step {status.step}: {status.message}"
        time.sleep(0.02)
    return status


@pytest.fixture(scope="session")
def bases(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    t5 = build_t5(tmp_path_factory.mktemp("t5"))
    return {"llama": tiny_models / "llama", "bert": tiny_models / "bert", "t5": t5}


@pytest.fixture(scope="session")
def prepare(tiny_models: Path) -> Callable[[RunFolder], Generator[Progress, None, PreparedBase]]:
    def prepare_tiny(run: RunFolder) -> Generator[Progress, None, PreparedBase]:
        yield Progress("base", "Fetching the base.", 1, 2)
        base_id = run.read_recipe().base_model
        folder = tiny_models / base_id.removeprefix("tiny-org/tiny-")
        return PreparedBase(folder, base_id, revision="0" * 40, license="apache-2.0")

    return prepare_tiny


@pytest.fixture
def runs(tmp_path: Path, prepare: Callable[..., Any]) -> Iterator[Runs]:
    """A run table whose training processes do not outlive the test."""
    table = Runs(tmp_path / "runs", prepare, stop_grace_seconds=5)
    yield table
    end_all(table)
    table.close()


def end_all(runs: Runs) -> None:
    """Stop every run, and wait until each has ended."""
    for status in runs.all():
        runs.stop(status.run_id)
    for status in runs.all():
        wait_for(runs, status.run_id, lambda now: now.state.ended)
