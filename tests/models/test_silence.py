"""How long the worker may say nothing while it reads a prompt, by its own last word."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from adapter_ui.domain import ChatMessage, Generation, GenerationOptions, Progress
from adapter_ui.engine import protocol
from adapter_ui.errors import BaseUnavailable
from adapter_ui.models.decoding import prompt
from adapter_ui.models.resident import Resident
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

    def note(*_: object) -> None:
        _, event = protocol.decode(engine.events.getvalue().splitlines()[-1])
        words.append(event)

    engine.resident(spec_for(base)).bare.register_forward_pre_hook(note)
    return words


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
