"""What goes wrong around a run is found again or goes on: an orphan, the end of an epoch, the last moment."""

from __future__ import annotations

import shutil
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerControl

from adapter_ui.domain import ADAPTER_WEIGHTS, RunState
from adapter_ui.models import train as train_module
from adapter_ui.models.train import train, train_unless_ended
from adapter_ui.models.tuning import events
from adapter_ui.training.checkpoints import newest_step, step_of
from adapter_ui.training.examples import Examples
from adapter_ui.training.process import start_trainer
from adapter_ui.training.run_folder import PreparedBase, RunFolder
from adapter_ui.training.run_status import read_status
from tests.tiers import in_tiers
from tests.training.conftest import BASE_ID, pirate_rows, recipe
from tests.training.export_cases import crews
from tests.training.test_tasks_trained import orders, ships
from tests.training.test_training import reviews, trained


@pytest.mark.slow
def test_a_second_trainer_waits_for_the_first_and_then_finds_nothing_to_do(
    tiny_models: Path, tmp_path: Path
) -> None:
    """Of an app that was killed between starting a trainer and noting which process it is."""
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    run.write(recipe(max_steps=40), pirate_rows())
    run.write_base(PreparedBase(tiny_models / "llama", BASE_ID))
    run.append("state", state=RunState.QUEUED)
    children = [start_trainer(run) for _ in range(2)]
    assert [child.wait(120) for child in children] == [0, 0]
    status = read_status(run)
    assert status.state is RunState.DONE
    steps = [event["step"] for event in run.read_events() if event["event"] == "log"]
    assert steps == list(range(1, 41))


def test_a_run_is_done_before_its_checkpoints_go(
    tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[RunState] = []

    def removed(path: str | Path, **_: object) -> None:
        if Path(path).name == "checkpoints":
            seen.append(read_status(RunFolder(Path(path).parent)).state)

    with monkeypatch.context() as watched:
        watched.setattr(train_module.shutil, "rmtree", removed)
        trained(tmp_path, recipe(), pirate_rows(), PreparedBase(tiny_models / "llama", BASE_ID))
    assert seen == [RunState.DONE]


@pytest.mark.parametrize(
    ("state", "way_out"),
    [
        (RunState.PAUSED, "paused; resume it in the app."),
        (RunState.CANCELLED, "cancelled; resume it in the app."),
        (RunState.DONE, "done; start a new one to train again."),
    ],
)
def test_who_starts_a_run_that_has_ended_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], state: RunState, way_out: str
) -> None:
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    run.write(recipe(), pirate_rows())
    run.append("state", state=state)
    train_unless_ended(run)
    assert capsys.readouterr().err == f"Nothing to train: this run is {way_out}\n"


RESUMED: dict[str, tuple[str, dict[str, Any], Examples]] = {
    "chats": ("llama", {}, pirate_rows()),
    "classes": ("bert", {"task_type": "SEQ_CLS"}, reviews()),
    "questions": ("bert", {"task_type": "QUESTION_ANS"}, ships()),
    "pairs": ("t5", {"task_type": "SEQ_2_SEQ_LM"}, orders()),
    "tags with every bias": (
        "bert",
        {"task_type": "TOKEN_CLS", "bias": "all", "weight_decay": 0.1},
        crews(["Anne", "Jack", "Bart", "Mary"] * 2),
    ),
    "every bias of the LoRA": ("bert", {"task_type": "SEQ_CLS", "bias": "lora_only"}, reviews()),
    "DoRA": ("llama", {"use_dora": True}, pirate_rows()),
    "DoRA of a head": ("bert", {"task_type": "SEQ_CLS", "use_dora": True}, reviews()),
    "trained tokens": ("llama", {"trainable_tokens": ["<s>", "</s>"]}, pirate_rows()),
    "int8": ("llama", {"precision": "int8"}, pirate_rows()),
    "nf4": ("llama", {"precision": "nf4", "target_modules": "all-linear"}, pirate_rows()),
    "classes in nf4": ("bert", {"task_type": "SEQ_CLS", "precision": "nf4"}, reviews()),
    "tags in int8": ("bert", {"task_type": "TOKEN_CLS", "precision": "int8"}, crews(["Anne", "Jack"] * 4)),
}


@pytest.mark.parametrize(
    "case",
    in_tiers(
        RESUMED,
        quick=["chats"],
        slow=["classes", "questions", "tags with every bias", "DoRA of a head", "nf4", "tags in int8"],
    ),
)
def test_a_run_goes_on_from_the_end_of_an_epoch_as_if_it_had_never_stopped(
    case: str, bases: dict[str, Path], tmp_path: Path
) -> None:
    """Evaluating draws random numbers, which dropout draws from too. A head, its biases, the lengths of DoRA
    and the rows of trained tokens are trained, and none of them is a LoRA's matrix.
    """
    name, fields, examples = RESUMED[case]
    size = len(examples.rows) // 4  # two steps to an epoch
    settings = recipe(
        max_steps=12,
        lora_dropout=0.3,
        validation_fraction=0.5,
        per_device_train_batch_size=size,
        **fields,
    )
    base = PreparedBase(bases[name], f"tiny-org/tiny-{name}")
    whole = trained(tmp_path / "whole", settings, examples, base)
    kept: list[Path] = []
    rmtree = shutil.rmtree

    def seen_before(path: str | Path, **options: object) -> None:
        if Path(path).name == "checkpoint-2":
            kept.append(shutil.copytree(Path(path).parent, tmp_path / "kept"))
        rmtree(path, **options)

    with pytest.MonkeyPatch.context() as watched:
        watched.setattr("transformers.trainer_utils.shutil.rmtree", seen_before)
        watched.setattr(events, "SAVING_SHARE", 1e9)  # so short a run has time for one checkpoint only
        trained(tmp_path / "again", settings, examples, base)
    newest = newest_step(kept[0])  # a sealed one; the next was just being written
    resumed = RunFolder(tmp_path / "resumed")
    resumed.path.mkdir()
    resumed.write(settings, examples)
    resumed.write_base(base)
    resumed.append("state", state=RunState.QUEUED)
    shutil.copytree(kept[0], resumed.checkpoints)
    train(resumed)
    expected = [entry for entry in figures(whole) if entry["step"] > newest]
    assert newest == 4 and len(expected) == 8
    assert figures(resumed) == expected
    saved, again = (load_file(run.adapter / ADAPTER_WEIGHTS) for run in (whole, resumed))
    assert saved.keys() == again.keys()
    assert [name for name in saved if not torch.equal(saved[name], again[name])] == []


def test_a_pause_in_the_last_step_of_an_epoch_changes_nothing(
    tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The evaluation after that step draws random numbers before its first batch, where the pause ends it."""
    settings = recipe(
        task_type="SEQ_CLS",
        max_steps=6,
        lora_dropout=0.3,
        validation_fraction=0.5,
        per_device_train_batch_size=4,  # two steps to an epoch
    )
    base, examples = PreparedBase(tiny_models / "bert", "tiny-org/tiny-bert"), reviews()
    whole = trained(tmp_path / "whole", settings, examples, base)
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    run.write(settings, examples)
    run.write_base(base)
    run.append("state", state=RunState.QUEUED)
    stop_if_asked = events.RunCallback.stop_if_asked
    steps = count(1)

    def asked_in_the_second_step(callback: events.RunCallback, control: TrainerControl) -> None:
        if next(steps) == 2:
            run.pause_file.touch()
            run.stop_file.touch()
        stop_if_asked(callback, control)

    monkeypatch.setattr(events.RunCallback, "stop_if_asked", asked_in_the_second_step)
    train(run)
    paused = read_status(run)
    assert (paused.state, paused.checkpoint_step) == (RunState.PAUSED, 2)
    assert paused.history[-1]["epoch"] == 1
    run.stop_file.unlink()
    run.pause_file.unlink()
    train(run)
    assert figures(run)[2:] == figures(whole)[2:]
    one, other = (load_file(one.adapter / ADAPTER_WEIGHTS) for one in (whole, run))
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def figures(run: RunFolder) -> list[dict[str, float]]:
    names = ("step", "loss", "eval_loss", "grad_norm")
    return [{name: entry[name] for name in names if name in entry} for entry in read_status(run).history]


def test_a_short_run_does_not_spend_its_time_on_checkpoints(tiny_models: Path, tmp_path: Path) -> None:
    sealed: list[int] = []
    with pytest.MonkeyPatch.context() as watched:
        watched.setattr(events, "seal", lambda checkpoint: sealed.append(step_of(checkpoint)))
        watched.setattr(events, "SAVING_SHARE", 1e-9)
        trained(tmp_path, recipe(max_steps=40), pirate_rows(), PreparedBase(tiny_models / "llama", BASE_ID))
    assert sealed == [4, 40]  # a tenth of the steps, the last, and no other in the second that it takes
