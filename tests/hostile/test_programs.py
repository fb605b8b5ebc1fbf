"""Programs that come with a base and run when it answers: its chat template and its tokenizer.

Each ends in a sentence within its deadline, while somebody else reads on the same worker.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapter_ui.domain import ChatMessage, Generation, GenerationOptions, Precision
from adapter_ui.engine import protocol
from adapter_ui.engine.local import LocalEngine
from adapter_ui.errors import AdapterUIError, BaseUnavailable

GREEDY = GenerationOptions(max_new_tokens=24, temperature=0)
SILENCE = 60
RUNAWAY = r"(?:.|..|..|..)+(?=\A)"


@dataclass(frozen=True)
class Program:
    """`change` alters the base's folder; `sentence` is part of what the one who asks it is told. One that
    `sticks` cannot be stopped, so the worker is another one as soon as nobody reads from it.
    """

    name: str
    change: Callable[[Path], None]
    sentence: str
    question: str = "Hello there, how is the weather in the harbour today?"
    raw: bool = False
    sticks: bool = False


def template(text: str) -> Callable[[Path], None]:
    return lambda base: (base / "chat_template.jinja").write_text(text)


def tokenizer(part: str, *steps: dict[str, object]) -> Callable[[Path], None]:
    def change(base: Path) -> None:
        program = json.loads((base / "tokenizer.json").read_text())
        key = {"normalizer": "normalizers", "decoder": "decoders"}[part]
        before = [program[part]] if program.get(part) else []
        program[part] = {"type": "Sequence", key: [*before, *steps]}
        (base / "tokenizer.json").write_text(json.dumps(program))

    return change


def replace(pattern: dict[str, str], content: str) -> dict[str, object]:
    return {"type": "Replace", "pattern": pattern, "content": content}


LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
PROGRAMS = (
    Program("a template that loops", template(LOOP), "not done after 2 s"),
    Program("a template that is huge", template("{{ 1 }}" * 10_000), "70,000 characters, and at most 64,000"),
    Program("a template that takes memory", template("{{ ('a' * 10**10) | length }}"), "too much memory"),
    Program(
        "a template that makes a long text",
        template("{% for a in range(3000) %}{{ 'a' * 1000 }}{% endfor %}"),
        "3,000,000 characters",
    ),
    Program(
        "a template without an end",
        template("{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}"),
        "refuses this conversation",
    ),
    Program(
        "a template that looks around", template("{{ ''.__class__.__mro__ }}"), "refuses this conversation"
    ),
    Program(
        "a template that refuses with half a character",
        template(r"{{ raise_exception('\ud800') }}"),
        "refuses this conversation (?)",
    ),
    Program(
        "a tokenizer that makes a text long",
        tokenizer("normalizer", *[replace({"String": "e"}, "ee")] * 24),
        "many times longer",
    ),
    Program(
        "a tokenizer whose pattern runs away",
        tokenizer("normalizer", replace({"Regex": RUNAWAY}, "")),
        "fails on this text",
    ),
    Program(
        "a tokenizer that is slow in native code",
        tokenizer("normalizer", replace({"Regex": r"a*(?=\A)"}, "")),
        "not done after 10 s",
        question="a" * 190_000,
        raw=True,
        sticks=True,
    ),
    Program(
        "a decoder whose pattern runs away",
        tokenizer("decoder", replace({"Regex": RUNAWAY}, "")),
        "cannot turn its tokens into text",
    ),
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    engine = LocalEngine(tmp_path_factory.mktemp("engine") / "worker.log")
    yield engine
    engine.close()


PREDICTED = ("SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS", "FEATURE_EXTRACTION")


@pytest.mark.parametrize("task", PREDICTED)
def test_a_hostile_tokenizer_costs_only_the_one_who_asks_for_a_prediction(
    engine: LocalEngine, tiny_models: Path, tmp_path: Path, task: str
):
    runaway = next(one for one in PROGRAMS if one.name == "a tokenizer whose pattern runs away")
    hostile = shutil.copytree(tiny_models / "bert", tmp_path / f"bert-{task}")
    runaway.change(hostile)
    reference = ask(engine, tiny_models / "llama", "Hello there")
    process = engine.worker.process.pid
    spec = protocol.ModelSpec(
        base=f"tiny/{hostile.name}",
        base_folder=str(hostile),
        precision=Precision.FP32,
        model_class="AutoModel",
        task_type=task,
    )
    request = protocol.Predict(spec, "Hello there, how are you?", "They sail on the sea.")
    with pytest.raises(BaseUnavailable, match=runaway.sentence):
        list(engine.stream(request, silence_seconds=SILENCE))
    assert ask(engine, tiny_models / "llama", "Hello there") == reference
    assert engine.worker.process.pid == process


def ask(engine: LocalEngine, base: Path, question: str, *, raw: bool = False) -> str:
    spec = protocol.ModelSpec(
        base=f"tiny/{base.name}",
        base_folder=str(base),
        precision=Precision.FP32,
        model_class="AutoModelForCausalLM",
        task_type="CAUSAL_LM",
    )
    options = GenerationOptions(max_new_tokens=24, temperature=0, raw=raw)
    request = protocol.Generate(spec, (ChatMessage("user", question),), options)
    *_, last = (
        event for event in engine.stream(request, silence_seconds=SILENCE) if isinstance(event, Generation)
    )
    return last.text


@pytest.mark.parametrize(
    "program",
    [pytest.param(one, id=one.name, marks=[pytest.mark.slow] * one.sticks) for one in PROGRAMS],
)
def test_a_hostile_program_costs_only_the_one_who_asks_it(
    engine: LocalEngine, tiny_models: Path, tmp_path: Path, program: Program
):
    sound = tiny_models / "llama"
    hostile = tmp_path / program.name.replace(" ", "-")
    shutil.copytree(sound, hostile)
    program.change(hostile)
    reference = ask(engine, sound, "Hello there")
    process = engine.worker.process.pid
    told: list[str] = []

    def ask_the_hostile_one() -> None:
        try:
            told.append(f"it answered: {ask(engine, hostile, program.question, raw=program.raw)}")
        except AdapterUIError as error:
            told.append(error.message)

    asking = threading.Thread(target=ask_the_hostile_one)
    asking.start()
    texts = []
    while asking.is_alive():
        texts.append(ask(engine, sound, "Hello there"))
    asking.join()
    assert program.sentence in told[0]
    assert set(texts) == {reference}
    assert ask(engine, sound, "Hello there") == reference
    assert (engine.worker.process.pid == process) is not program.sticks
