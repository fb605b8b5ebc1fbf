"""A run's title and notes: kept whole, in its folder, beside what was trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter_ui.domain import RunState
from adapter_ui.errors import InvalidInput, UnknownRun
from adapter_ui.training.run_folder import RunFolder
from adapter_ui.training.run_status import read_status
from adapter_ui.training.runs import Runs
from tests.training.conftest import pirate_rows, recipe


@pytest.fixture
def run(tmp_path: Path, runs: Runs) -> RunFolder:
    """A run that ended long ago."""
    run = RunFolder(tmp_path / "runs" / "old")
    run.path.mkdir()
    run.write(recipe(name="Pirates"), pirate_rows())
    run.append("state", state=RunState.FAILED, message="It broke.")
    return run


def test_a_title_stands_for_the_recipes_name_and_can_be_taken_back(runs: Runs, run: RunFolder) -> None:
    before = read_status(run)
    assert (before.name, before.notes) == ("Pirates", "")
    named = runs.rename("old", " Captain\nAnne ", "  first line\nsecond  ")
    assert (named.name, named.notes) == ("Captain Anne", "first line\nsecond")
    assert named.recipe["name"] == "Pirates"
    assert runs.all()[0] == named
    assert runs.rename("old", "", "").name == "Pirates"
    assert read_status(run) == before
    assert not list(run.path.glob("*.partial"))


def test_what_is_too_long_or_of_no_run_is_refused(runs: Runs, run: RunFolder) -> None:
    with pytest.raises(InvalidInput, match="title has 101 characters, and 100 is the most") as caught:
        runs.rename("old", "x" * 101, "")
    assert caught.value.field == "title"
    with pytest.raises(InvalidInput, match="notes has 4,001 characters"):
        runs.rename("old", "", "x" * 4001)
    for name in ("none", "../old", ""):
        with pytest.raises(UnknownRun):
            runs.rename(name, "a", "b")
    assert read_status(run).name == "Pirates"
