"""Adapters stay on their base while they are small beside it, and the least recently used go first."""

from __future__ import annotations

import json
import shutil
import weakref
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from adapter_ui.catalog.memory import estimate_memory
from adapter_ui.catalog.methods.plain import is_plain_lora
from adapter_ui.domain import BaseFacts, Precision
from adapter_ui.errors import ModelFailure
from adapter_ui.models import room_for_adapters
from adapter_ui.models.fingerprint import fingerprint
from adapter_ui.models.pool import Pool
from adapter_ui.models.resident import Resident
from adapter_ui.models.room_for_adapters import AT_LEAST_BYTES, to_detach
from tests.models.test_decoding import Writer, prompt_of, spec_for

MB = 1024**2


def test_the_least_recently_used_go_until_the_rest_is_small_enough():
    held = {"old": AT_LEAST_BYTES, "middle": 10 * MB, "new": AT_LEAST_BYTES}
    assert to_detach(held, {"new"}, base_bytes=0) == ["old", "middle"]
    assert to_detach(held, {"new", "old"}, base_bytes=0) == ["middle"]
    assert to_detach(held, {"new"}, base_bytes=8 * AT_LEAST_BYTES) == []


def copies(folder: Path, source: Path, count: int) -> list[Path]:
    return [shutil.copytree(source, folder / f"{source.name}-{number}") for number in range(count)]


@pytest.fixture
def room_for_two(monkeypatch: pytest.MonkeyPatch, tiny_models: Path) -> None:
    """Of the tiny adapters, whichever they are; bases do not count."""
    largest = max(
        (tiny_models / name / "adapter_model.safetensors").stat().st_size for name in ("lora", "ia3", "dora")
    )
    monkeypatch.setattr(room_for_adapters, "SHARE_OF_BASE", 0)
    monkeypatch.setattr(room_for_adapters, "AT_LEAST_BYTES", 2 * largest)


@pytest.mark.parametrize("method", ["lora", "dora"])
def test_adapters_that_went_come_back_and_the_base_is_the_same(
    room_for_two: None, tiny_models: Path, tmp_path: Path, method: str
):
    pool = Pool()
    base = tiny_models / "llama"
    adapters = copies(tmp_path, tiny_models / method, 4)
    resident, _ = pool.load(spec_for(base, adapters[0]))
    before = fingerprint(resident.loaded.model)
    first = Writer(resident).row(prompt_of(9), adapters[0].name)
    Writer(resident).finish()
    for adapter in adapters[1:]:
        assert pool.load(spec_for(base, adapter))[0] is resident
        assert adapter.name in resident.attached
    assert adapters[0].name not in resident.attached
    assert resident.bytes <= resident.base_bytes + room_for_adapters.AT_LEAST_BYTES
    assert pool.contents()[0].adapters == tuple(resident.attached)
    assert fingerprint(resident.loaded.model) == before

    pool.load(spec_for(base, adapters[0]))
    again = Writer(resident).row(prompt_of(9), adapters[0].name)
    Writer(resident).finish()
    assert again.answer.tokens == first.answer.tokens
    base_row = Writer(resident).row(prompt_of(9))
    Writer(resident).finish()
    assert base_row.answer.tokens != first.answer.tokens


@pytest.mark.parametrize("method", ["lora", "dora"])
def test_an_adapter_that_is_answering_stays(
    room_for_two: None, tiny_models: Path, tmp_path: Path, method: str
):
    pool = Pool()
    base = tiny_models / "llama"
    adapters = copies(tmp_path, tiny_models / method, 4)
    resident, _ = pool.load(spec_for(base, adapters[0]))
    alone = Writer(resident).row(prompt_of(9), adapters[0].name)
    Writer(resident).finish()
    writer = Writer(resident)
    row = writer.row(prompt_of(9), adapters[0].name)
    writer.step()
    for adapter in adapters[1:]:
        pool.load(spec_for(base, adapter))
        writer.step()
    assert adapters[0].name in resident.attached
    writer.finish()
    assert not writer.errors
    assert row.answer.tokens == alone.answer.tokens


@pytest.mark.parametrize("method", ["lora", "dora"])
def test_an_adapter_answers_with_the_files_that_stand_under_its_name_now(
    tiny_models: Path, tmp_path: Path, method: str
):
    """A run that was tried and went on, or a new revision: the same name, other weights."""
    pool = Pool()
    base = tiny_models / "llama"
    adapter = shutil.copytree(tiny_models / method, tmp_path / "mine")
    resident, _ = pool.load(spec_for(base, adapter))
    older = written(resident, "mine")
    weights = load_file(adapter / "adapter_model.safetensors")
    save_file({name: -3 * value for name, value in weights.items()}, adapter / "adapter_model.safetensors")
    writer = Writer(resident)
    writer.row(prompt_of(9), "mine")
    writer.step()
    with pytest.raises(ModelFailure, match="ask again once its answers have ended"):
        pool.load(spec_for(base, adapter))
    writer.finish()

    resident, _ = pool.load(spec_for(base, adapter))
    newer = written(resident, "mine")
    fresh, _ = Pool().load(spec_for(base, adapter))
    assert newer == written(fresh, "mine") != older


def test_a_base_that_has_to_go_with_its_changed_adapter_first_ends_the_answers_of_others(
    tiny_models: Path, tmp_path: Path
):
    """The base alone and plain LoRAs are answered by the copy that has the adapter in its layers."""
    pool = Pool()
    base, lora = tiny_models / "llama", tiny_models / "lora"
    adapter = shutil.copytree(tiny_models / "dora", tmp_path / "mine")
    resident, _ = pool.load(spec_for(base, adapter))
    assert pool.load(spec_for(base, lora))[0] is resident
    weights = load_file(adapter / "adapter_model.safetensors")
    save_file({name: -3 * value for name, value in weights.items()}, adapter / "adapter_model.safetensors")
    writer = Writer(resident)
    rows = [writer.row(prompt_of(9)), writer.row(prompt_of(9), "lora")]
    writer.step()
    with pytest.raises(ModelFailure, match="ask again once its answers have ended"):
        pool.load(spec_for(base, adapter))
    assert pool.writing == [resident]
    writer.finish()
    assert [row.answer.reason for row in rows] == ["length", "length"]

    weights_of_old = weakref.ref(resident.bare.get_output_embeddings().weight)
    del resident, writer, rows
    newer = written(pool.load(spec_for(base, adapter))[0], "mine")
    assert weights_of_old() is None
    assert newer == written(Pool().load(spec_for(base, adapter))[0], "mine")


def written(resident: Resident, adapter: str) -> list[int]:
    row = Writer(resident).row(prompt_of(9), adapter)
    Writer(resident).finish()
    return row.answer.tokens


def test_what_is_attached_already_is_not_read_again(tiny_models: Path, monkeypatch: pytest.MonkeyPatch):
    """Every answer asks for its adapter: its file is read once, and not first as what it is not."""
    read: list[str] = []

    def counted(file: Path) -> dict[str, torch.Tensor]:
        read.append(file.parent.name)
        return load_file(file)

    monkeypatch.setattr("adapter_ui.models.adapters.load_file", counted)
    pool = Pool()
    for adapter in ("dora", "lora", "dora", "lora"):
        resident, _ = pool.load(spec_for(tiny_models / "llama", tiny_models / adapter))
    assert read == ["dora", "lora"]
    assert [*resident.low_rank] == ["lora"]


@pytest.mark.parametrize("adapter", ["lora", "dora"])
@pytest.mark.parametrize("precision", [Precision.FP32, Precision.BF16, Precision.FP16], ids=str)
def test_an_adapter_takes_what_is_predicted(tiny_models: Path, precision: Precision, adapter: str):
    folder = tiny_models / adapter
    resident, _ = Pool().load(spec_for(tiny_models / "llama", folder, precision))
    parameters = sum(one.numel() for one in load_file(folder / "adapter_model.safetensors").values())
    plain = is_plain_lora("LORA", json.loads((folder / "adapter_config.json").read_text()))
    base = BaseFacts("tiny/llama", parameters=1)
    predicted = estimate_memory(base, parameters, plain_lora=plain, task_type="CAUSAL_LM")[precision].adapter
    assert resident.adapter_bytes[folder.name] == predicted
