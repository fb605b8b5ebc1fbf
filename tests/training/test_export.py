"""What a run gives to take away: a plain PEFT folder, and a script whose losses are those of the run."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PEFT_TYPE_TO_CONFIG_MAPPING, PeftModel
from peft.utils import constants
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from adapter_ui.domain import ADAPTER_WEIGHTS, RunState
from adapter_ui.errors import InvalidInput
from adapter_ui.models.tuning.data import encode_examples, encode_row
from adapter_ui.models.tuning.methods import LORA_TARGETS, TARGETS_OF_METHOD
from adapter_ui.training.export import export_run, remove_exports
from adapter_ui.training.methods import METHODS
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.run_folder import PreparedBase, RunFolder
from adapter_ui.training.run_status import read_status
from adapter_ui.training.scripts.imports import MAPPINGS, OWN_TARGETS
from adapter_ui.training.scripts.script import training_script
from tests.tiers import in_tiers
from tests.training.chat_templates import ALTERNATING, OPENS_THOUGHTS, THINKS_LAST
from tests.training.conftest import BASE_ID, pirate_rows, recipe
from tests.training.export_cases import CASES, IN_TWO, STRANGER, conversations
from tests.training.launching import launcher
from tests.training.test_training import trained

STEPS = 5


SLOW_CASES = (
    "conversations",
    "nf4",
    "classes",
    "questions",
    "pairs",
    "moving ranks",
    "a start from the base",
    "prefix in int8",
    "virtual tokens",
    "tags",
    "directions and lengths",
)
"""Every task, and most ways to start, to hold the base and to learn."""


@pytest.fixture(scope="module")
def run(bases: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return train_case("prompts", bases, tmp_path_factory.mktemp("prompts"))


def train_case(case: str, bases: dict[str, Path], folder: Path) -> RunFolder:
    base, fields, examples = CASES[case]
    prepared = PreparedBase(bases[base], f"tiny-org/tiny-{base}", revision="0" * 40)
    return trained(folder, recipe(max_steps=STEPS, **fields), examples, prepared)


def losses_of_script(
    archive: Path, base: Path, folder: Path, launcher: tuple[str | Path, ...] = (sys.executable,)
) -> list[float]:
    """What the unpacked script says when a plain Python without this project on its path runs it."""
    with zipfile.ZipFile(archive) as file:
        assert {"data.jsonl", "train.py"} <= set(file.namelist())
        file.extractall(folder)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run(
        [*launcher, "train.py", "--base", base, "--output", "out"],
        cwd=folder,
        env={**environment, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    state = json.loads((folder / "out" / "trainer_state.json").read_text())
    return losses_in(state["log_history"])


def without_dropout(base: Path, folder: Path) -> Path:
    """The same base without dropout, whose random numbers no two processes share."""
    shutil.copytree(base, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {name: 0.0 for name in config if "dropout" in name and isinstance(config[name], float)}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def loss_tolerance(settings: Recipe) -> float:
    """Of a loss, or at least this. Some CPUs round a product otherwise where its matrix lies elsewhere in
    memory: by a bit or two in fp32, which is more for larger losses, and by far more in 16 bits.
    """
    return 1e-6 if settings.precision == "fp32" else 1e-4


def losses_of_run(run: RunFolder) -> list[float]:
    return losses_in(read_status(run).history)


def losses_in(history: Sequence[Mapping[str, float]]) -> list[float]:
    """Of every step, and then of the rows held back."""
    return [*step_losses(history), *(entry["eval_loss"] for entry in history if "eval_loss" in entry)]


def step_losses(history: Sequence[Mapping[str, float]]) -> list[float]:
    return [entry["loss"] for entry in history if "loss" in entry]


def test_the_adapter_comes_as_a_plain_peft_folder(run: RunFolder, tiny_models: Path, tmp_path: Path) -> None:
    (run.adapter / "surprise.bin").write_bytes(b"not an adapter's file")
    archive = export_run(run, "adapter", tmp_path)
    with zipfile.ZipFile(archive) as file:
        assert file.namelist() == ["README.md", "adapter_config.json", "adapter_model.safetensors"]
        file.extractall(tmp_path / "unpacked")
    model = AutoModelForCausalLM.from_pretrained(tiny_models / "llama")
    assert PeftModel.from_pretrained(model, tmp_path / "unpacked").peft_config["default"].r == 8


@pytest.mark.parametrize("format", ["adapter", "script"])
def test_the_same_run_gives_the_same_bytes(run: RunFolder, format: str, tmp_path: Path) -> None:
    first, second = (export_run(run, format, tmp_path / name) for name in ("one", "two"))
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second)}
    assert len(digests) == 1
    assert [path.name for path in first.parent.iterdir()] == [f"run-{format}.zip"]
    remove_exports(first.parent, "run")
    assert list(first.parent.iterdir()) == []


def test_the_script_gives_the_losses_of_the_run(run: RunFolder, tiny_models: Path, tmp_path: Path) -> None:
    found = losses_of_script(export_run(run, "script", tmp_path), tiny_models / "llama", tmp_path / "script")
    assert len(found) >= STEPS
    assert found == pytest.approx(losses_of_run(run), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("case", in_tiers([case for case in CASES if case != "prompts"], slow=SLOW_CASES))
def test_the_script_of_every_kind_of_run_gives_its_losses(
    case: str, bases: dict[str, Path], tmp_path: Path
) -> None:
    run = train_case(case, bases, tmp_path)
    base = bases[CASES[case][0]]
    found = losses_of_script(export_run(run, "script", tmp_path), base, tmp_path / "script")
    assert len(found) >= STEPS
    tolerance = loss_tolerance(run.read_recipe())
    assert found == pytest.approx(losses_of_run(run), rel=tolerance, abs=tolerance)
    for name, saved in load_file(run.adapter / ADAPTER_WEIGHTS).items():
        again = load_file(tmp_path / "script" / "out" / ADAPTER_WEIGHTS)[name]
        assert torch.allclose(again, saved, atol=10 * tolerance), name


@pytest.mark.parametrize("case", in_tiers([*IN_TWO, "moving ranks"], slow=["tags", "moving ranks"]))
def test_two_processes_share_the_batches_of_the_run(
    case: str, bases: dict[str, Path], tmp_path: Path
) -> None:
    name, fields, examples = (CASES | IN_TWO)[case]
    base = without_dropout(bases[name], tmp_path / "base")
    prepared = PreparedBase(base, f"tiny-org/tiny-{name}", revision="0" * 40)
    settings = recipe(max_steps=STEPS, per_device_train_batch_size=2, **fields)
    run = trained(tmp_path, settings, examples, prepared)
    archive = export_run(run, "script", tmp_path)
    found = losses_of_script(archive, base, tmp_path / "script", launcher())
    state = json.loads((tmp_path / "script" / "out" / "trainer_state.json").read_text())
    assert state["train_batch_size"] == 1  # of the two rows, in each of two processes
    assert found == pytest.approx(losses_of_run(run), abs=1e-5)


@pytest.mark.slow
def test_processes_that_cannot_share_a_batch_evenly_say_so(
    bases: dict[str, Path], run: RunFolder, tmp_path: Path
) -> None:
    archive = export_run(run, "script", tmp_path)
    with zipfile.ZipFile(archive) as file:
        file.extractall(tmp_path / "script")
    told = subprocess.run(
        [sys.executable, "train.py", "--base", bases["llama"]],
        cwd=tmp_path / "script",
        env={**os.environ, "WORLD_SIZE": "3", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert told.returncode == 1
    assert "3 processes cannot share batches of" in told.stderr


TEMPLATES: dict[str, Callable[[str], object]] = {
    "its own": lambda own: own,
    "several": lambda own: {"default": own, "tool_use": "{{ messages | length }}"},
    "none": lambda _: None,
    "none by default": lambda own: {"tool_use": own},
    "alternating": lambda _: ALTERNATING,
    "thinks last": lambda _: THINKS_LAST,
    "opens thoughts": lambda _: OPENS_THOUGHTS,
}


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
@pytest.mark.parametrize("max_length", [8, 512])
def test_the_script_reads_every_form_of_row_as_the_training_does(
    template: Callable[[str], object], max_length: int, tiny_models: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_models / "llama")
    tokenizer.chat_template = template(tokenizer.chat_template)
    script: dict[str, Any] = {"__name__": "script"}
    exec(training_script(recipe(), PreparedBase(tiny_models, BASE_ID), ()), script)
    whole_text = {"text": "Arrr! The island lies there."}
    for row in (pirate_rows().rows[0], conversations().rows[0], whole_text):
        expected, _ = encode_row(row, {}, tokenizer, max_length)
        assert script["encode"](row, tokenizer, max_length) == [expected]


@pytest.mark.parametrize("answers_only", [True, False])
def test_the_script_leaves_out_what_the_template_refuses(
    answers_only: bool, tiny_models: Path, tmp_path: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_models / "llama")
    tokenizer.chat_template = ALTERNATING
    refused = {"messages": [*conversations().rows[0]["messages"], {"role": "assistant", "content": "Aye."}]}
    rows = [*pirate_rows().rows, refused, *conversations().rows]
    settings = recipe(completion_only_loss=answers_only, validation_fraction=0.25)
    data = encode_examples(replace(pirate_rows(), rows=tuple(rows)), (), tokenizer, settings, 512)
    assert data.unlearnable == 1
    script: dict[str, Any] = {"__name__": "script", "__file__": str(tmp_path / "train.py")}
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    exec(training_script(settings, PreparedBase(tmp_path, BASE_ID), ()), script)
    assert script["read_rows"](tokenizer, 512) == (data.training, data.validation)


@pytest.mark.parametrize("case", CASES)
def test_a_script_is_python_that_names_nothing_of_this_app(case: str) -> None:
    _, fields, examples = CASES[case]
    base = PreparedBase(Path("/somewhere"), BASE_ID, revision="0" * 40)
    script = training_script(recipe(name=STRANGER, **fields), base, examples.labels)
    compile(script, "train.py", "exec")
    assert "adapter_ui" not in script
    assert "/somewhere" not in script
    assert STRANGER not in script


def test_only_what_a_run_has_is_given(run: RunFolder, tmp_path: Path) -> None:
    waiting = RunFolder(tmp_path / "waiting")
    waiting.path.mkdir()
    waiting.write(recipe(), pirate_rows())
    waiting.append("state", state=RunState.QUEUED)
    with pytest.raises(InvalidInput, match="has not ended"):
        export_run(waiting, "adapter", tmp_path)
    with pytest.raises(InvalidInput, match="not fetched its base"):
        export_run(waiting, "script", tmp_path)
    waiting.append("state", state=RunState.CANCELLED)
    with pytest.raises(InvalidInput, match="no adapter"):
        export_run(waiting, "adapter", tmp_path)
    with pytest.raises(InvalidInput, match="adapter, script"):
        export_run(run, "../../etc/passwd", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("case", "precision"), [("prompts", "bf16"), ("classes", "fp32")])
def test_the_script_goes_on_from_the_adapter_that_the_run_went_on_from(
    case: str, precision: str, bases: dict[str, Path], tmp_path: Path
) -> None:
    name, fields, examples = CASES[case]
    first = train_case(case, bases, tmp_path / "first")
    settings = recipe(max_steps=STEPS, adapter="run:first", **{**fields, "precision": precision})
    base = PreparedBase(bases[name], f"tiny-org/tiny-{name}", revision="0" * 40, adapter=first.adapter)
    run = trained(tmp_path / "further", settings, examples, base)
    archive = export_run(run, "script", tmp_path)
    with zipfile.ZipFile(archive) as file:
        assert "starting_adapter/adapter_model.safetensors" in file.namelist()
    found = losses_of_script(archive, bases[name], tmp_path / "script")
    tolerance = loss_tolerance(settings)
    assert found == pytest.approx(losses_of_run(run), rel=tolerance, abs=tolerance)


def test_a_run_that_no_script_reproduces_says_so(bases: dict[str, Path], tmp_path: Path) -> None:
    base = PreparedBase(tmp_path, BASE_ID, adapter=tmp_path)
    with pytest.raises(InvalidInput, match="does not name its classes"):
        training_script(recipe(adapter="run:x", task_type="SEQ_CLS"), base, ())
    run = RunFolder(tmp_path / "further")
    run.path.mkdir()
    run.write(recipe(adapter="run:gone"), pirate_rows())
    run.write_base(PreparedBase(bases["llama"], BASE_ID, adapter=tmp_path / "gone"))
    with pytest.raises(InvalidInput, match="no longer on this machine"):
        export_run(run, "script", tmp_path)


def test_what_the_script_says_again_is_as_the_training_has_it() -> None:
    for method, facts in METHODS.items():
        assert PEFT_TYPE_TO_CONFIG_MAPPING[method].__name__ == facts.config_class
        own = TARGETS_OF_METHOD.get(method, LORA_TARGETS)
        mapping = MAPPINGS["USUAL_TARGETS"].format(OWN_TARGETS.get(method, "LORA"))
        assert getattr(constants, mapping) is own
