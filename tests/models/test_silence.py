"""How long the worker may say nothing while it reads a prompt, by its own last word."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForQuestionAnswering

from adapter_ui.domain import ChatMessage, Generation, GenerationOptions, Progress
from adapter_ui.engine import protocol
from adapter_ui.errors import BaseUnavailable
from adapter_ui.models.decoding import prompt
from adapter_ui.models.resident import Resident
from adapter_ui.models.worker import LOAD_SECONDS, READ_SECONDS
from tests.hub.tiny_models import build_llama
from tests.models.engine_here import EngineHere
from tests.models.test_decoding import spec_for

SLOW, HANGING = "A slow text", "A text without end"


def asked(base: Path, text: str, tokens: int = 8) -> protocol.Generate:
    options = GenerationOptions(max_new_tokens=tokens, temperature=0, raw=True)
    return protocol.Generate(spec_for(base), (ChatMessage("user", text),), options)


def is_answered(events: list[protocol.Event]) -> bool:
    return isinstance(events[-2], Generation) and events[-2].done


def let_tokenizer_take_its_time(resident: Resident) -> None:
    """The base's tokenizer, with two texts that it is long over."""
    kind = type(resident.base.tokenizer)

    def tokenize(self: Any, text: str, **options: Any) -> Any:
        until = time.monotonic() + {SLOW: 0.1, HANGING: 60.0}.get(text, 0.0)
        while time.monotonic() < until:
            time.sleep(0.005)
        return kind.__call__(self, text, **options)

    resident.base.tokenizer.__class__ = type(kind.__name__, (kind,), {"__call__": tokenize})


def reader_of(tiny_models: Path, folder: Path) -> protocol.ModelSpec:
    """An adapter that reads a text in several windows."""
    config = LoraConfig(r=4, target_modules=["query", "value"], task_type="QUESTION_ANS")
    get_peft_model(
        AutoModelForQuestionAnswering.from_pretrained(tiny_models / "bert"), config
    ).save_pretrained(folder / "reader")
    spec = spec_for(tiny_models / "bert", folder / "reader")
    return replace(spec, model_class="AutoModelForQuestionAnswering", task_type="QUESTION_ANS")


@pytest.fixture
def base(tiny_models: Path) -> Path:
    return tiny_models / "llama"


@pytest.fixture
def engine(base: Path) -> EngineHere:
    engine = EngineHere()
    engine.ask(asked(base, "Hello"))
    let_tokenizer_take_its_time(engine.resident(spec_for(base)))
    return engine


def last_words_before_each_step(engine: EngineHere, base: Path) -> list[protocol.Event]:
    """Filled while the engine answers."""
    words: list[protocol.Event] = []

    bare = engine.resident(spec_for(base)).bare
    bare.register_forward_pre_hook(lambda *_: words.append(last_word(engine)))
    return words


def last_word(engine: EngineHere) -> protocol.Event:
    _, event = protocol.decode(engine.events.getvalue().splitlines()[-1])
    return event


def test_a_step_of_other_answers_has_its_own_time_while_somebody_joins(
    engine: EngineHere, base: Path
) -> None:
    words = last_words_before_each_step(engine, base)
    first, second = engine.ask(asked(base, "Hello", tokens=200), asked(base, SLOW))
    assert is_answered(first) and is_answered(second)
    assert words
    assert [event.seconds for event in words if isinstance(event, protocol.Busy)] == []


def test_a_tokenizer_that_runs_alone_has_less_time_until_the_prompt_is_read(
    engine: EngineHere, base: Path
) -> None:
    (events,) = engine.ask(asked(base, SLOW))
    at = events.index(protocol.Busy(2 * prompt.PROMPT_SECONDS))
    after = events[at + 1]
    assert isinstance(after, Progress) and (after.stage, after.done) == ("read", 0)


@pytest.mark.parametrize("beside", [True, False], ids=["beside an answer", "alone"])
def test_a_tokenizer_that_hangs_is_ended(
    engine: EngineHere, base: Path, monkeypatch: pytest.MonkeyPatch, beside: bool
) -> None:
    monkeypatch.setattr(prompt, "TOKENIZER_SECONDS", 0.3)
    others = [asked(base, "Hello", tokens=100)] if beside else []
    started = time.monotonic()
    with pytest.raises(BaseUnavailable, match="tokenizer was not done"):
        engine.ask(*others, asked(base, HANGING))
    assert time.monotonic() - started < 20
    (events,) = engine.ask(asked(base, "Hello"))
    assert is_answered(events)


def test_a_load_may_be_silent_for_long_again_after_every_word(
    engine: EngineHere, base: Path, tiny_models: Path, tmp_path: Path
) -> None:
    """Its own, or of an answer beside it: PEFT says nothing while it puts an adapter on."""
    deep = build_llama(tmp_path / "deep", num_hidden_layers=60)
    load = protocol.Load(spec_for(deep, tiny_models / "ia3"))
    words = engine.words(asked(base, "Hello", tokens=300), load)
    told = [at for at, word in enumerate(words) if is_counted(*word)]
    assert told
    assert {words[at + 1] for at in told} == {(1, protocol.Busy(LOAD_SECONDS))}
    ended = next(at for at in range(told[-1], len(words)) if isinstance(words[at][1], protocol.Loaded))
    written = [at for at in range(told[0], ended) if isinstance(words[at][1], Generation)]
    assert written
    assert words[ended - 1] == (1, protocol.Busy(LOAD_SECONDS))


def is_counted(place: int, event: protocol.Event) -> bool:
    return place == 1 and isinstance(event, Progress) and event.unit == "tensors" and bool(event.total)


def test_every_window_of_a_long_text_may_be_read_in_silence(
    engine: EngineHere, base: Path, tiny_models: Path, tmp_path: Path
) -> None:
    spec = reader_of(tiny_models, tmp_path)
    engine.ask(protocol.Load(spec))
    words: list[protocol.Event] = []
    resident = engine.resident(spec)
    resident.bare.register_forward_pre_hook(lambda *_: words.append(last_word(engine)))
    engine.words(asked(base, "Hello", tokens=300), protocol.Predict(spec, "Who?", "The fox jumps. " * 400))
    assert len(words) > 2
    assert set(words) == {protocol.Busy(READ_SECONDS)}
