"""What counts as in memory: it answers beside a long load, and all else waits until that has ended."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from adapter_ui.domain import ADAPTER_WEIGHTS, ChatMessage, GenerationOptions, LoadReport
from adapter_ui.engine import protocol
from adapter_ui.engine.protocol import ModelSpec
from adapter_ui.models.pool import Pool
from tests.hub.tiny_models import build_llama
from tests.models.engine_here import EngineHere
from tests.models.test_decoding import spec_for

HELLO = (ChatMessage("user", "Hello"),)
SHORT = GenerationOptions(max_new_tokens=4, temperature=0)


@pytest.fixture(params=["lora", "ia3"])
def spec(request: pytest.FixtureRequest, tiny_models: Path, tmp_path: Path) -> ModelSpec:
    adapter = shutil.copytree(tiny_models / request.param, tmp_path / request.param)
    return spec_for(tiny_models / "llama", adapter)


def in_another_class(spec: ModelSpec) -> ModelSpec:
    return replace(spec, model_class="LlamaForCausalLM")


def from_another_folder(spec: ModelSpec) -> ModelSpec:
    folder = Path(spec.adapter_folder).parent / "base"
    return replace(spec, base_folder=str(shutil.copytree(spec.base_folder, folder)))


def with_other_files(spec: ModelSpec) -> ModelSpec:
    os.utime(Path(spec.adapter_folder) / ADAPTER_WEIGHTS, (1, 1))
    return spec


CHANGES = (in_another_class, from_another_folder, with_other_files)


@pytest.mark.parametrize("changed", CHANGES)
def test_only_what_a_load_would_find_is_at_hand(
    spec: ModelSpec, changed: Callable[[ModelSpec], ModelSpec]
) -> None:
    pool = Pool()
    resident, _ = pool.load(spec)
    assert pool.at_hand(spec) is resident
    other = changed(spec)
    assert pool.at_hand(other) is None
    now, _ = pool.load(other)
    assert pool.at_hand(other) is now


@pytest.mark.parametrize("changed", CHANGES)
def test_nothing_is_loaded_within_another_load(
    spec: ModelSpec, changed: Callable[[ModelSpec], ModelSpec], tmp_path: Path
) -> None:
    engine = EngineHere()
    engine.ask(protocol.Load(spec))
    long = protocol.Load(spec_for(build_llama(tmp_path / "deep", num_hidden_layers=20)))
    words = engine.words(long, protocol.Generate(changed(spec), HELLO, SHORT))
    assert [place for place, event in words if isinstance(event, LoadReport)] == [0, 1]
