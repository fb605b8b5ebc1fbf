"""An answer that no batch can hold is written alone, and keeps nobody on another base from theirs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from adapter_ui.domain import Generation, GenerationOptions, LoadReport, Precision, Progress
from adapter_ui.engine import protocol
from adapter_ui.engine.local import LocalEngine
from tests.engine.test_local_engine import GREEDY, HELLO, answer, spec_of
from tests.training.tiny_t5 import T5_ID, build_t5

LONG = GenerationOptions(max_new_tokens=300, temperature=1.2, seed=3)


@pytest.fixture
def alone(tmp_path: Path) -> protocol.ModelSpec:
    return protocol.ModelSpec(
        base=T5_ID,
        base_folder=str(build_t5(tmp_path / "t5")),
        precision=Precision.FP32,
        model_class="AutoModelForSeq2SeqLM",
        task_type="SEQ_2_SEQ_LM",
    )


def test_short_requests_on_other_bases_begin_and_end_while_an_answer_is_written_alone(
    engine: LocalEngine, alone: protocol.ModelSpec, tiny_models: Path
):
    batched = spec_of(tiny_models, "lora")
    own = answer(engine, batched)
    long = answer(engine, alone, LONG)
    assert long.tokens > 100

    loading = replace(batched, precision=Precision.BF16)
    requests = [
        protocol.Generate(alone, HELLO, LONG),
        protocol.Generate(batched, HELLO, GREEDY),
        protocol.Load(loading),
    ]
    ended: dict[int, Generation | LoadReport] = {}
    for place, event in engine.streams(requests, silence_seconds=60):
        written = isinstance(event, Generation) and event.done
        if written or (isinstance(event, LoadReport) and isinstance(requests[place], protocol.Load)):
            ended[place] = event
    assert list(ended)[-1] == 0  # the long one, which was asked for first
    assert len(ended) == 3
    assert ended[1].text == own.text
    assert ended[0].text == long.text  # the same seed, whatever was begun beside it
    assert answer(engine, loading, GREEDY).done


def test_two_answers_that_are_written_alone_come_one_after_the_other(
    engine: LocalEngine, alone: protocol.ModelSpec
):
    one, other = (protocol.Generate(alone, HELLO, replace(LONG, seed=seed)) for seed in (3, 4))
    expected = [answer(engine, alone, request.options).text for request in (one, other)]
    last: dict[int, Generation] = {}
    for place, event in engine.streams([one, other], silence_seconds=60):
        if isinstance(event, Generation):
            last[place] = event
    assert [last[place].text for place in (0, 1)] == expected


def test_readers_who_leave_the_queue_are_gone_at_once(engine: LocalEngine, alone: protocol.ModelSpec) -> None:
    """Behind an answer that is written alone, and told in the places of those who stay."""
    long = engine.stream(protocol.Generate(alone, HELLO, LONG), silence_seconds=60)
    assert next(event for event in long if isinstance(event, Generation))
    leaving = engine.stream(protocol.Generate(alone, HELLO, LONG), silence_seconds=60)
    staying = engine.stream(protocol.Generate(alone, HELLO, GREEDY), silence_seconds=60)
    places = [next(event for event in stream if isinstance(event, Progress)) for stream in (leaving, staying)]
    assert [place.done for place in places] == [1, 2]
    leaving.close()
    assert engine.line is not None and len(engine.line.readers) == 2
    assert next(event for event in staying if isinstance(event, Progress)).done == 1
    long.close()
    assert [event for event in staying if isinstance(event, Generation)][-1].done
