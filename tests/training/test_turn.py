"""Memory is looked at when a run is queued, where what trains counts as free, and again at its turn."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapter_ui.domain import ModelChoice, Precision, RunState
from adapter_ui.preparation import IN_HAND
from adapter_ui.service import AdapterService
from adapter_ui.settings import Settings
from adapter_ui.training.checkpoints import seal
from adapter_ui.training.in_hand import memory_in_hand
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.run_folder import PreparedBase, RunFolder
from tests.conftest import finish
from tests.hub.server import LoopbackHub
from tests.training.conftest import BASE_ID, SECONDS, end_all, wait_for

ASKED = {"base_model": BASE_ID, "precision": "fp32", "per_device_train_batch_size": 2}
ROWS = "question,answer\n" + "".join(f"What is {at}?,Arrr {at}\n" for at in range(8))
ONE_TRAINER = 50_000_000


@pytest.fixture
def service(hub: LoopbackHub, tmp_path: Path) -> Iterator[AdapterService]:
    service = AdapterService.start(Settings(home=tmp_path / "home", hub_endpoint=hub.endpoint))
    yield service
    end_all(service.run_table)
    service.close()


def test_a_run_that_does_not_fit_when_its_turn_has_come_says_so_and_can_be_resumed(
    service: AdapterService,
) -> None:
    asked = {**ASKED, "max_length": 100_000, "per_device_train_batch_size": 512}
    rows = f"{ROWS}Tell me more,{'Arrr ' * 19_000}\n"
    parsed, examples = service.read_recipe(asked, rows)
    run_id = service.run_table.start(parsed, examples)
    deadline = time.monotonic() + SECONDS
    while not (status := service.run(run_id)).state.ended:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert (status.state, status.resumable) == (RunState.FAILED, True)
    assert "Training needs about" in str(status.error)
    assert str(status.error).endswith("Resume the run when there is room.")
    assert status.step == 0


def test_a_run_goes_on_with_the_base_that_it_began_with(
    service: AdapterService, hub: LoopbackHub, tmp_path: Path
) -> None:
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    settings, facts = Recipe.parse(ASKED), service.catalog.base_facts(BASE_ID)

    def prepared(commit: str) -> PreparedBase:
        return finish(service.preparation.files_to_train_on(run, settings, replace(facts, commit=commit)))

    begun = prepared(facts.commit)
    run.write_base(begun)
    newer = hub.repo(BASE_ID).commit({"README.md": b"Another template."}).sha
    assert prepared(newer).revision == newer != begun.revision
    checkpoint = run.checkpoints / "checkpoint-2"
    checkpoint.mkdir(parents=True)
    seal(checkpoint)
    assert prepared(newer) == begun
    shutil.rmtree(begun.folder)  # its download was deleted
    assert prepared(newer) == begun
    assert begun.folder.is_dir()


def test_what_a_training_holds_counts_as_free_for_the_next(service: AdapterService) -> None:
    list(service.provision.base_alone(Precision.FP32, ModelChoice(BASE_ID), in_memory=tuple))
    before = service.check_finetune(ASKED, ROWS)
    assert IN_HAND not in before.warnings
    parsed = Recipe.parse({**ASKED, "max_steps": 100_000})
    run_id = service.run_table.start(parsed, service.read_recipe(ASKED, ROWS)[1])
    wait_for(service.run_table, run_id, lambda status: status.step > 1)
    assert memory_in_hand(service.settings.runs) > ONE_TRAINER
    assert IN_HAND in service.check_finetune(ASKED, ROWS).warnings
    assert service.company() == "another run"
    end_all(service.run_table)
    deadline = time.monotonic() + SECONDS
    while memory_in_hand(service.settings.runs):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert service.company() == ""
