"""A load and a long prediction are done in pieces, between which the answers on other bases go on."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from peft import LoraConfig, TaskType, get_peft_model
from transformers import AutoModelForQuestionAnswering

from adapter_ui.domain import Generation, GenerationOptions, LoadReport, Precision, Prediction, Progress
from adapter_ui.engine import protocol
from adapter_ui.engine.local import LocalEngine
from tests.engine.test_local_engine import HELLO, answer, spec_of
from tests.hub.tiny_models import BERT_ID, build_llama

LONG = GenerationOptions(max_new_tokens=400, temperature=1.2, seed=3)
MANY_LAYERS = 120
CONTEXT = "The fox jumps over the dog. " * 4000


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> protocol.ModelSpec:
    """A base with more than a thousand tensors, each of which is quantised when it is read."""
    folder = build_llama(tmp_path_factory.mktemp("deep"), num_hidden_layers=MANY_LAYERS)
    return protocol.ModelSpec("tiny/deep", str(folder), Precision.INT8, "AutoModelForCausalLM")


@pytest.fixture
def reader(tiny_models: Path, tmp_path: Path) -> protocol.ModelSpec:
    config = LoraConfig(r=4, target_modules=["query", "value"], task_type=TaskType.QUESTION_ANS)
    base = AutoModelForQuestionAnswering.from_pretrained(tiny_models / "bert")
    base.name_or_path = BERT_ID
    get_peft_model(base, config).save_pretrained(tmp_path / "reader", save_embedding_layers=False)
    return protocol.ModelSpec(
        BERT_ID,
        str(tiny_models / "bert"),
        Precision.FP32,
        "AutoModelForQuestionAnswering",
        adapter="org/reader",
        adapter_folder=str(tmp_path / "reader"),
        task_type="QUESTION_ANS",
    )


def test_an_answer_goes_on_while_another_base_is_loaded(
    engine: LocalEngine, deep: protocol.ModelSpec, tiny_models: Path
) -> None:
    speaking = spec_of(tiny_models, "lora")
    alone = answer(engine, speaking, LONG)
    events = list(
        engine.streams([protocol.Generate(speaking, HELLO, LONG), protocol.Load(deep)], silence_seconds=60)
    )
    loaded = next(
        at
        for at, (_, event) in enumerate(events)
        if isinstance(event, LoadReport) and event.base == deep.base
    )
    begun = next(at for at, (place, event) in enumerate(events) if place == 1 and is_counted(event))
    meanwhile = [event for place, event in events[begun:loaded] if isinstance(event, Generation)]
    assert len(meanwhile) >= 3
    told = [event for place, event in events if place == 1 and is_counted(event)]
    assert told
    assert [event.done for event in told] == sorted(event.done for event in told)
    (written,) = [event for _, event in events if isinstance(event, Generation) and event.done]
    assert written.text == alone.text


def is_counted(event: object) -> bool:
    return isinstance(event, Progress) and event.unit == "tensors" and bool(event.total)


def test_a_load_that_nobody_waits_for_any_more_is_given_up(
    engine: LocalEngine, deep: protocol.ModelSpec, tiny_models: Path
) -> None:
    answer(engine, spec_of(tiny_models, "lora"))
    load = engine.stream(protocol.Load(deep), silence_seconds=60)
    assert next(event for event in load if is_counted(event)).done < MANY_LAYERS
    load.close()
    assert answer(engine, spec_of(tiny_models, "lora")).done
    assert deep.base not in {base.base for base in engine.loaded()}


def test_a_load_goes_on_for_who_waits_for_the_same_base(
    engine: LocalEngine, deep: protocol.ModelSpec
) -> None:
    load = engine.stream(protocol.Load(deep), silence_seconds=60)
    waiting = engine.stream(
        protocol.Generate(deep, HELLO, replace(LONG, max_new_tokens=2)), silence_seconds=60
    )
    next(event for event in load if is_counted(event))
    place = next(waiting)
    assert isinstance(place, Progress) and place.stage == "queue"
    load.close()
    events = list(waiting)
    assert not any(is_counted(event) for event in events)  # it was in memory when its turn came
    assert isinstance(events[-1], Generation)


def test_an_answer_goes_on_while_a_long_context_is_read(
    engine: LocalEngine, reader: protocol.ModelSpec, tiny_models: Path
) -> None:
    speaking = spec_of(tiny_models, "lora")
    alone = answer(engine, speaking, LONG)
    asked = protocol.Predict(reader, "Who?", CONTEXT)
    requests = [protocol.Generate(speaking, HELLO, LONG), asked]
    events = list(engine.streams(requests, silence_seconds=60))
    begun = next(
        at for at, (_, event) in enumerate(events) if isinstance(event, Progress) and event.unit == "windows"
    )
    ended = next(at for at, (_, event) in enumerate(events) if isinstance(event, Prediction))
    meanwhile = [event for _, event in events[begun:ended] if isinstance(event, Generation)]
    assert len(meanwhile) >= 3
    (written,) = [event for _, event in events if isinstance(event, Generation) and event.done]
    assert written.text == alone.text


def test_a_reader_of_a_long_context_can_leave(engine: LocalEngine, reader: protocol.ModelSpec) -> None:
    asked = protocol.Predict(reader, "Who?", CONTEXT)
    reading = engine.stream(asked, silence_seconds=60)
    next(event for event in reading if isinstance(event, Progress) and event.unit == "windows")
    reading.close()
    again = engine.stream(replace(asked, text_pair="The fox."), silence_seconds=60)
    events = list(itertools.islice(again, 20))
    assert isinstance(events[-1], Prediction)
