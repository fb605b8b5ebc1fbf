"""The time of a run before it starts: real steps are timed, on middling batches, and it is said how."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from adapter_ui.domain import ModelChoice, Precision, Preflight
from adapter_ui.models.tuning.pace import measure
from adapter_ui.service import AdapterService
from adapter_ui.settings import Settings
from adapter_ui.timing import with_time
from adapter_ui.training.examples import Examples
from adapter_ui.training.measuring import NotTimed, timed
from adapter_ui.training.methods import METHODS
from adapter_ui.training.pace import Pace, batches, middling, pace_file, padded
from adapter_ui.training.run_folder import PreparedBase, RunFolder, read_json
from adapter_ui.ui.tuning.check import check_report
from tests.hub import catalogue
from tests.hub.server import LoopbackHub
from tests.training.conftest import BASE_ID, pirate_rows, recipe
from tests.training.test_tasks_trained import orders, row_of, ships
from tests.training.test_training import reviews
from tests.training.tiny_t5 import build_t5

ASKED = {"base_model": BASE_ID, "precision": "fp32", "num_train_epochs": 2}
REPORT = Preflight({}, 8, 0, None, None, 0, 210, None, None, None, 0)
ROWS = "question,answer\n" + "".join(f"What is {at}?,Arrr {at}\n" for at in range(40))


def test_the_batches_taken_are_the_middling_ones() -> None:
    lengths = [1, 9, 2, 8, 3, 7, 4, 6]
    every = batches(lengths, 2, grouped=True, seed=1)
    assert [padded(batch, lengths) for batch in every] == [4, 8, 14, 18]
    assert [padded(batch, lengths) for batch in middling(every, lengths, 2)] == [8, 14]
    assert [padded(batch, lengths) for batch in middling(every, lengths, 6)] == [4, 8, 14, 18, 4, 8]
    mixed = batches(lengths, 2, grouped=False, seed=1)
    assert sorted(place for batch in mixed for place in batch) == list(range(8))


def test_the_whole_time_is_steps_rows_held_back_and_samples() -> None:
    pace = Pace(start_seconds=5, epoch_steps=3, step_seconds=3, steps=2, answer_seconds=2)
    assert pace.seconds(recipe(), 10) == 5 + 30 + 2 * 2
    # five looks at eight rows: four forward passes, each a third of a step; two answers, and three more
    measured = replace(pace, held_back=8)
    assert measured.seconds(recipe(), 10) == 5 + 30 + 5 * 4 * 1 + 5 * 2
    # the third of four epochs is not begun
    assert measured.seconds(recipe(), 6) == 5 + 18 + 3 * 4 * 1 + 3 * 2
    writing = replace(measured, writing_seconds=7)
    assert writing.seconds(recipe(), 10) == measured.seconds(recipe(), 10) + 5 * 7


def test_windows_and_texts_that_are_measured_take_their_time(tiny_models: Path, tmp_path: Path) -> None:
    rows = tuple(row_of(f"{'The fox jumps. ' * 30}Anne {number}", "Anne") for number in range(8))
    questions = {"task_type": "QUESTION_ANS", "max_length": 64, "gradient_accumulation_steps": 2}
    pace = paced(tmp_path / "questions", questions, Examples("QUESTION_ANS", {}, rows), tiny_models / "bert")
    assert pace.held_back > 2  # windows of two questions
    assert pace.epoch_steps > 2  # of six questions, four in a step
    assert pace.writing_seconds == 0
    texts = {"task_type": "SEQ_2_SEQ_LM"}
    assert paced(tmp_path / "texts", texts, orders(), build_t5(tmp_path / "t5")).writing_seconds > 0


def paced(folder: Path, fields: dict[str, Any], examples: Examples, base: Path) -> Pace:
    run = RunFolder(folder)
    run.path.mkdir()
    run.write(recipe(validation_fraction=0.25, **fields), examples)
    run.write_base(PreparedBase(base, BASE_ID))
    measure(run)
    return Pace(**read_json(pace_file(run)))


@pytest.mark.parametrize(
    "fields",
    [
        *({"method": method} for method in METHODS),
        {"gradient_accumulation_steps": 3, "train_sampling_strategy": "group_by_length"},
        {"task_type": "SEQ_CLS"},
        {"task_type": "QUESTION_ANS"},
        {"task_type": "SEQ_2_SEQ_LM"},
    ],
)
def test_two_steps_of_any_recipe_are_timed(fields: dict[str, Any], tiny_models: Path, tmp_path: Path) -> None:
    bases = {"SEQ_2_SEQ_LM": build_t5(tmp_path / "t5"), "QUESTION_ANS": tiny_models / "bert"}
    rows = {"SEQ_2_SEQ_LM": orders, "QUESTION_ANS": ships, "SEQ_CLS": reviews}
    task = fields.get("task_type", "")
    examples: Examples = rows.get(task, pirate_rows)()
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    run.write(recipe(**{"validation_fraction": 0.25, **fields}), examples)
    run.write_base(PreparedBase(bases.get(task, tiny_models / "llama"), BASE_ID))
    measure(run)
    pace = Pace(**read_json(pace_file(run)))
    assert pace.steps == 2
    assert pace.step_seconds > 0
    answered = [event for event in run.read_events() if event["event"] == "sample"]
    assert bool(answered) == (task in ("", "SEQ_2_SEQ_LM"))
    assert pace.answer_seconds > 0
    assert not list(run.checkpoints.glob("*"))


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def test_measuring_ends_at_its_deadline_and_when_it_is_closed(tiny_models: Path) -> None:
    before, base = children(), PreparedBase(tiny_models / "llama", BASE_ID)
    measuring = timed(recipe(), pirate_rows(), base, deadline_seconds=0.1)
    with pytest.raises(NotTimed, match=r"within 0 seconds"):
        list(measuring)
    measuring = timed(recipe(), pirate_rows(), base)
    next(measuring)
    assert children() - before
    measuring.close()
    assert not children() - before


def test_a_measuring_that_ends_by_itself_is_not_called_slow(tmp_path: Path) -> None:
    nowhere = PreparedBase(tmp_path / "nowhere", BASE_ID)
    with pytest.raises(NotTimed, match="ended before the first was done"):
        list(timed(recipe(), pirate_rows(), nowhere))


@pytest.fixture(scope="module")
def service(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdapterService]:
    with LoopbackHub() as hub:
        catalogue.add_real_repos(hub, tiny_models)
        home = tmp_path_factory.mktemp("home")
        service = AdapterService.start(Settings(home=home, hub_endpoint=hub.endpoint))
        yield service
        service.close()


def told(service: AdapterService, **changes: Any) -> Preflight:
    found = replace(service.check_finetune(ASKED, ROWS), **changes)
    *_, last = service.time_finetune(found, ROWS)
    return last


def test_the_report_has_the_time_or_says_why_not(service: AdapterService) -> None:
    found = told(service)
    assert (found.seconds, found.step_seconds) == (None, None)
    assert "once the base is on this machine" in found.timing
    assert found.timing in str(check_report(found))
    list(service.provision.base_alone(Precision.FP32, ModelChoice(BASE_ID), in_memory=tuple))
    found = told(service)
    assert found.timing == "2 steps measured"
    assert found.seconds > found.steps * found.step_seconds > 0
    assert told(service, refusal="It does not fit.").timing == ""
    memory = replace(found.memory, weights=2**60)
    assert "is in use now" in told(service, memory=memory).timing


def test_what_else_uses_the_machine_is_said(service: AdapterService) -> None:
    assert service.company() == ""
    with service.admissions.requests.turn("somebody"):
        assert service.company() == "another request"

    def measuring() -> Generator[None, None, tuple[Pace, str]]:
        yield
        return Pace(start_seconds=1, step_seconds=2, steps=1), "another run"

    first, last = with_time(measuring(), REPORT, recipe())
    assert first == REPORT
    assert (last.timing, last.step_seconds) == ("one step measured beside another run", 2)


def test_one_is_measured_at_a_time(service: AdapterService) -> None:
    list(service.provision.base_alone(Precision.FP32, ModelChoice(BASE_ID), in_memory=tuple))
    found, examples = service.check_finetune(ASKED, ROWS), service.read_recipe(ASKED, ROWS)[1]
    with service.timing.lock:
        *waiting, last = service.timing.told(found, examples, deadline_seconds=0.4)
    assert waiting == [found] * len(waiting) != []
    assert "could not be measured" in last.timing


def test_the_page_says_about_how_long() -> None:
    timed_report = replace(REPORT, seconds=252.0, step_seconds=1.2, timing="2 steps measured")
    assert "About 4 min (2 steps measured: 1.2 s each)." in str(check_report(timed_report))
    assert "Measuring two steps" in str(check_report(REPORT, timing=True))
    assert "preflight-time" not in str(check_report(REPORT))
