"""Messages survive the wire, and what is no message is refused."""

import pytest

from adapter_ui import errors
from adapter_ui.domain import (
    ChatMessage,
    Entity,
    Generation,
    GenerationOptions,
    LabelScore,
    LoadedBase,
    LoadReport,
    Precision,
    Prediction,
    Progress,
)
from adapter_ui.engine import protocol

SPEC = protocol.ModelSpec(
    "org/base", "/bases/b", Precision.NF4, "AutoModelForCausalLM", "org/adapter", "/a", "CAUSAL_LM", 7
)
MESSAGES = [
    protocol.Load(SPEC),
    protocol.Generate(
        SPEC, (ChatMessage("user", "“hi”\n\u2028"),), GenerationOptions(seed=3, stop=("END",)), 0.5
    ),
    protocol.Predict(SPEC, "text", "pair"),
    protocol.Unload("org/base", Precision.INT8),
    protocol.Cancel(),
    Progress("load", "Loading", 1, 2),
    LoadReport("a", "b", Precision.BF16, "X", "cpu", 1, 2, 0.5, 8, 8, ("notice",)),
    Generation("text", 3, 4, 1.0, 0.2, True, "stop", 9),
    Prediction("TOKEN_CLS", labels=(LabelScore("x", 0.5),), entities=(Entity("Rome", "LOC", 0, 4, 0.9),)),
    protocol.Loaded((LoadedBase("b", Precision.FP32, "X", None, "cpu", 3, ("a",)),)),
    protocol.Busy(20.0),
    protocol.Failure("model_failure", "It failed."),
    protocol.Done(),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_is_one_line_and_comes_back_equal(message):
    line = protocol.encode(5, message)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert protocol.decode(line) == (5, message)


def test_every_kind_of_message_is_covered():
    assert {type(message).__name__ for message in MESSAGES} == set(protocol.KINDS)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"nonsense\n",
        b"[]\n",
        b'{"id":1,"kind":"Exec","body":{}}\n',
        b'{"id":1,"kind":"Load","body":{"spec":3}}\n',
        protocol.encode(1, MESSAGES[1]).replace(b'"max_new_tokens":256', b'"max_new_tokens":0'),
        protocol.encode(1, MESSAGES[1]).replace(b'"role":"user"', b'"role":"nobody"'),
    ],
)
def test_what_is_no_message_is_refused(line):
    with pytest.raises(errors.ModelFailure):
        protocol.decode(line)


def test_every_error_type_has_its_own_code_and_survives_the_wire():
    types = protocol.error_types()
    assert len(types) == len({kind.code for kind in types.values()})
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, errors.AdapterUIError):
            assert types[kind.code] is kind, name
            error = protocol.error_of(protocol.failure_of(kind("One sentence.")))
            assert type(error) is kind
            assert error.message == "One sentence."


def test_an_error_that_quotes_half_a_character_can_be_sent():
    failure = protocol.failure_of(errors.BadAdapter("No layer is called “q\ud800(”."))
    assert protocol.decode(protocol.encode(3, failure)) == (3, failure)
    assert failure.message == "No layer is called “q?(”."
