"""The app is killed at the worst moments, and no fine-tuning run is lost, torn or trained twice at once."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from gradio_client import Client, handle_file

from adapter_ui.training.checkpoints import digest
from adapter_ui.training.process import ProcessMark
from adapter_ui.training.run_folder import RunFolder
from tests.e2e.app_process import AppProcess
from tests.e2e.test_api import BASE, rows_of, wait_for_end
from tests.hub import catalogue
from tests.hub.server import LoopbackHub

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SECONDS = 120


@pytest.fixture(scope="module")
def app(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppProcess]:
    with LoopbackHub() as hub:
        catalogue.add_real_repos(hub, tiny_models)
        with AppProcess(tmp_path_factory.mktemp("app"), hub.endpoint) as app:
            yield app


def connected(app: AppProcess) -> Client:
    return Client(app.url, verbose=False)


def begin(app: AppProcess, folder: Path, steps: int) -> RunFolder:
    recipe = {"base_model": BASE, "max_steps": steps, "learning_rate": 1e-3, "precision": "fp32", "r": 4}
    data = handle_file(rows_of(folder / "rows.jsonl"))
    run_id = connected(app).predict(recipe=recipe, dataset=data, api_name="/finetune")["run_id"]
    return RunFolder(app.home / "runs" / run_id)


def done(app: AppProcess, run: RunFolder) -> dict[str, Any]:
    status = wait_for_end(connected(app), run.path.name)
    assert status["state"] == "done", status["error"]
    assert status["adapter"] == f"run:{run.path.name}"
    return status


def steps_of(run: RunFolder) -> list[int]:
    return [event["step"] for event in run.read_events() if event["event"] == "log" and "loss" in event]


def trainers_of(run: RunFolder) -> list[int]:
    """The processes that were started for the run and live, waiting at a gate or training."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            if str(run.path) in process.cmdline():
                found.append(process.pid)
    return found


def files_of(run: RunFolder) -> dict[str, str]:
    return {path.name: digest(path) for path in run.adapter.iterdir()}


def wait_until(true: Callable[[], bool], every: float = 0.05) -> None:
    """Looks again after `every` second, which leaves the processors to the run."""
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(every)


def role(run: RunFolder) -> str:
    return json.loads(run.process.read_text())["role"] if run.process.exists() else ""


def test_a_run_trains_through_the_death_of_its_app_and_the_next_one_has_its_turn(app, tmp_path):
    finished = begin(app, tmp_path, steps=2)
    done(app, finished)
    kept = files_of(finished)
    run, waiting = begin(app, tmp_path, steps=600), begin(app, tmp_path, steps=2)
    wait_until(lambda: bool(steps_of(run)))
    mark = ProcessMark.read(run)
    app.kill()
    step = steps_of(run)[-1]
    wait_until(lambda: steps_of(run)[-1] > step)
    trainer = psutil.Process(mark.pid)
    trainer.suspend()  # else it may be done before the app is back
    app.start()
    assert ProcessMark.read(run) == mark and trainers_of(run) == [mark.pid]
    trainer.resume()
    assert done(app, run)["total_steps"] == 600
    assert steps_of(run) == list(range(1, 601))
    done(app, waiting)
    assert files_of(finished) == kept


def test_a_run_that_died_with_its_app_goes_on_from_its_checkpoint(app, tmp_path):
    run = begin(app, tmp_path, steps=200)
    wait_until(lambda: bool(steps_of(run)) and steps_of(run)[-1] > 25)
    app.kill()
    ProcessMark.read(run).kill()
    app.start()
    client = connected(app)
    died = wait_for_end(client, run.path.name)
    assert (died["state"], died["resumable"]) == ("interrupted", True)
    assert died["checkpoint_step"] >= 20
    client.predict(run_id=run.path.name, api_name="/resume_run")
    status = done(app, run)
    assert [entry["step"] for entry in status["history"]] == list(range(1, 201))


@pytest.mark.parametrize("moment", ["claimed", "prepared", "marked"])
def test_a_run_whose_app_is_killed_while_it_is_started_is_trained_once(app, tmp_path, moment):
    reached = {
        "claimed": lambda run: role(run) != "",
        "prepared": lambda run: (run.path / "base.json").exists(),
        "marked": lambda run: role(run) == "trainer",
    }[moment]
    run = begin(app, tmp_path, steps=10)
    wait_until(lambda: reached(run), every=0.002)
    app.kill()
    app.start()
    assert len(trainers_of(run)) <= 1
    done(app, run)
    assert steps_of(run) == list(range(1, 11))
