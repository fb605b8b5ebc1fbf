"""A worker that really gets no more memory tells who asked for it; the answers of others go on."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from adapter_ui.domain import Generation, LoadReport, Precision
from adapter_ui.engine import protocol
from adapter_ui.engine.local import LocalEngine
from adapter_ui.errors import ModelFailure
from tests.engine.test_local_engine import ENDLESS, HELLO, answer, spec_of, worker_pid
from tests.engine.test_several_readers import PATIENCE_SECONDS, Reader

ROOM = 48 << 20  # bytes: far more than an answer of a tiny model takes, far less than the large one's weights
NO_MEMORY = "not enough memory"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> Path:
    """A base of some 400 MB in fp32, with the tokenizer of the tiny one."""
    folder = tmp_path_factory.mktemp("large")
    config = LlamaConfig.from_pretrained(tiny_models / "llama")
    config.hidden_size, config.intermediate_size, config.num_hidden_layers = 1024, 4096, 6
    config.head_dim = config.hidden_size // config.num_attention_heads
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    for file in (tiny_models / "llama").iterdir():
        if not (folder / file.name).exists():
            (folder / file.name).write_bytes(file.read_bytes())
    return folder


@contextmanager
def room_of(pid: int, further_bytes: int) -> Iterator[None]:
    """Let a process take no more than so many further bytes, as a container without overcommitment does."""
    before = resource.prlimit(pid, resource.RLIMIT_DATA)
    taken = psutil.Process(pid).memory_info().data
    resource.prlimit(pid, resource.RLIMIT_DATA, (taken + further_bytes, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_DATA, before)


@pytest.mark.parametrize("precision", list(Precision), ids=str)
def test_a_load_that_gets_no_memory_says_so_and_costs_nobody_else(
    engine: LocalEngine, tiny_models: Path, large: Path, precision: Precision
) -> None:
    small = spec_of(tiny_models)
    expected = answer(engine, small).text
    pid = worker_pid(engine)
    heavy = replace(
        spec_of(tiny_models, adapter="", precision=precision), base="tiny/large", base_folder=str(large)
    )
    endless = replace(ENDLESS, max_new_tokens=480)
    reader = Reader(engine, protocol.Generate(small, HELLO, endless), Generation)
    reader.start()
    assert reader.reached.wait(PATIENCE_SECONDS)
    with room_of(pid, ROOM):
        assert isinstance(reader.last, Generation) and not reader.last.done
        for _ in range(2):
            with pytest.raises(ModelFailure, match=NO_MEMORY):
                list(engine.stream(protocol.Load(heavy), silence_seconds=60))
    reader.join(PATIENCE_SECONDS)
    assert isinstance(reader.last, Generation) and reader.last.done
    assert worker_pid(engine) == pid
    assert answer(engine, small).text == expected
    loaded = list(engine.stream(protocol.Load(heavy), silence_seconds=60))
    assert any(isinstance(event, LoadReport) for event in loaded)
    assert answer(engine, heavy).tokens == 12
