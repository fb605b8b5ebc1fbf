"""Somebody reads from the worker while it is asked for every hostile input: the text stays the same, on
another base and on the very base that hostile adapters are put on.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapter_ui.domain import ChatMessage, Generation, GenerationOptions, Precision
from adapter_ui.engine import protocol
from adapter_ui.engine.local import LocalEngine
from adapter_ui.errors import AdapterUIError, EngineError
from tests.hostile.adapter_cases import CASES as ADAPTER_CASES
from tests.hostile.cases import Case
from tests.hostile.conftest import CASES, Folders

HELLO = (ChatMessage("user", "Hello there"),)
GREEDY = GenerationOptions(max_new_tokens=24, temperature=0)
SILENCE = 120


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[LocalEngine]:
    engine = LocalEngine(tmp_path / "worker.log")
    yield engine
    engine.close()


def spec(name: str, adapter: Path, base: Path) -> protocol.ModelSpec:
    return protocol.ModelSpec(
        base=f"tiny/{name}",
        base_folder=str(base),
        precision=Precision.FP32,
        model_class="AutoModelForCausalLM",
        adapter=f"org/{name}",
        adapter_folder=str(adapter),
        task_type="CAUSAL_LM",
    )


def read(engine: LocalEngine, sound: protocol.ModelSpec) -> str:
    request = protocol.Generate(sound, HELLO, GREEDY)
    *_, last = (
        event for event in engine.stream(request, silence_seconds=SILENCE) if isinstance(event, Generation)
    )
    return last.text


def read_while_asking(
    engine: LocalEngine, sound: protocol.ModelSpec, asked: Iterable[tuple[Case, protocol.ModelSpec]]
) -> None:
    """`sound` is read from again and again while the worker is asked for each of the others."""
    reference = read(engine, sound)
    started = engine.worker.process.pid
    texts: list[str] = []
    finished = threading.Event()

    def keep_reading() -> None:
        while not finished.is_set():
            texts.append(read(engine, sound))

    reader = threading.Thread(target=keep_reading)
    reader.start()
    failed = []
    try:
        for case, spec in asked:
            try:
                list(engine.stream(protocol.Load(spec), silence_seconds=SILENCE))
            except EngineError as error:
                failed.append(f"{case}: {error.message}")
            except AdapterUIError as error:
                assert case.refusal, f"{case}: {error.message}"
    finally:
        finished.set()
        reader.join()
    assert not failed
    assert texts
    assert set(texts) == {reference}
    assert engine.worker.process.pid == started


def test_a_reader_beside_every_hostile_input_reads_the_same_text(
    engine: LocalEngine, folders: Folders, tiny_models: Path
) -> None:
    sound = spec("sound", tiny_models / "lora", tiny_models / "llama")
    asked = ((case, spec(f"hostile-{number}", *folders.of(case))) for number, case in enumerate(CASES))
    read_while_asking(engine, sound, asked)


@pytest.mark.parametrize("adapter", ["lora", "dora"])
def test_a_reader_on_the_base_of_every_hostile_adapter_reads_the_same_text(
    engine: LocalEngine, folders: Folders, tiny_models: Path, adapter: str
) -> None:
    """A LoRA beside the base's layers, and a DoRA that PEFT put into the very layers hostile ones go for."""
    base = tiny_models / "llama"
    sound = spec("shared", tiny_models / adapter, base)

    def on_the_same_base() -> Iterator[tuple[Case, protocol.ModelSpec]]:
        for number, case in enumerate(ADAPTER_CASES):
            folder, _ = folders.of(case)
            yield case, replace(spec("shared", folder, base), adapter=f"org/hostile-{number}")

    read_while_asking(engine, sound, on_the_same_base())
    (kept,) = (one for one in engine.loaded() if "org/shared" in one.adapters)
    assert kept.base == "tiny/shared"
