"""Many people at once on the real model: each gets the answer that they would get alone, and none starves."""

from __future__ import annotations

import itertools
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import transformers
from peft import LoraConfig, get_peft_model

from adapter_ui.domain import ChatMessage, Generation, GenerationOptions, Precision
from adapter_ui.engine import protocol
from adapter_ui.engine.local import LocalEngine

pytestmark = pytest.mark.slow

CLIENTS, SECONDS, LONGEST_WAIT = 8, 60.0, 30.0
STARTER = Path(__file__).parents[2] / "adapter_ui" / "starter"
BASE = "HuggingFaceTB/SmolLM2-135M-Instruct"
QUESTIONS = ("What is the capital of France?", "Write one sentence about the sea.")


@pytest.fixture(scope="module")
def base(embedded_base_home: Path) -> Path:
    return next((embedded_base_home / "bases").iterdir())


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    engine = LocalEngine(tmp_path_factory.mktemp("engine") / "worker.log")
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def adapters(base: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path | None]:
    """The base, two adapters of the starter set, and one on every linear module."""
    folder = tmp_path_factory.mktemp("adapters") / "everywhere"
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    config = LoraConfig(task_type="CAUSAL_LM", r=16, target_modules="all-linear", init_lora_weights=False)
    get_peft_model(model, config).save_pretrained(folder)
    return [None, STARTER / "pirate", STARTER / "orders", folder]


def request_for(base: Path, adapter: Path | None, number: int) -> protocol.Generate:
    spec = protocol.ModelSpec(
        base=BASE,
        base_folder=str(base),
        precision=Precision.FP32,
        model_class="AutoModelForCausalLM",
        adapter=f"org/{adapter.name}" if adapter else "",
        adapter_folder=str(adapter) if adapter else "",
        task_type="CAUSAL_LM",
    )
    question = (ChatMessage("user", QUESTIONS[number % len(QUESTIONS)]),)
    options = GenerationOptions(max_new_tokens=16 + 8 * number, temperature=0.9, seed=number)
    return protocol.Generate(spec, question, options)


def answer(engine: LocalEngine, request: protocol.Generate) -> str:
    events = engine.stream(request, silence_seconds=120)
    *_, last = (event for event in events if isinstance(event, Generation))
    assert last.done
    return last.text


def test_eight_clients_for_a_minute_get_the_answers_they_get_alone(
    engine: LocalEngine, base: Path, adapters: list[Path | None], record_property
):
    requests = [request_for(base, adapter, number) for adapter in adapters for number in (0, 1)]
    references = [answer(engine, request) for request in requests]
    assert len(set(references)) == len(references)
    waits: list[float] = []
    wrong: list[tuple[int, str]] = []
    ends = time.monotonic() + SECONDS

    def client(number: int) -> None:
        for turn in itertools.count(number):
            if time.monotonic() > ends:
                return
            which = turn % len(requests)
            started = time.monotonic()
            text = answer(engine, requests[which])
            waits.append(time.monotonic() - started)
            if text != references[which]:
                wrong.append((which, text))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=SECONDS + LONGEST_WAIT)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []
    assert len(waits) > 2 * CLIENTS
    assert max(waits) < LONGEST_WAIT
    record_property("answers", len(waits))
    record_property("median latency in s", round(statistics.median(waits), 2))
    record_property("longest latency in s", round(max(waits), 2))
    print(
        f"\n{len(waits)} answers to {CLIENTS} clients in {SECONDS:.0f} s; latency median "
        f"{statistics.median(waits):.2f} s, longest {max(waits):.2f} s"
    )
