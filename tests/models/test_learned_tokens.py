"""Adapters that put learned tokens before the text: what they answer, and the base without them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from adapter_ui.domain import ChatMessage, Precision
from adapter_ui.engine import protocol
from tests.models.engine_here import heard_predicting, heard_writing
from tests.models.every_method import FAMILIES, VIRTUAL, Bench
from tests.models.held_to_peft import EQUAL, GREEDY, Column, Comparison

_, T5, BERT = FAMILIES
POSITIONS = 512
LONG = "Hoist the sails. " * POSITIONS


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("learned"))


def comparison(bench: Bench, family: object, task: str) -> Comparison:
    return Comparison(bench, Column(family, task, Precision.FP32))


@pytest.mark.parametrize("method", ["PROMPT_TUNING", "P_TUNING"])
@pytest.mark.parametrize("task", ["TOKEN_CLS", "QUESTION_ANS", "FEATURE_EXTRACTION"])
def test_what_a_model_says_of_learned_tokens_is_no_part_of_a_prediction(
    bench: Bench, task: str, method: str
) -> None:
    assert comparison(bench, BERT, task).outcome(method) == EQUAL


@pytest.mark.parametrize("method", ["PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING"])
def test_an_encoder_decoder_writes_with_learned_tokens_and_its_base_without(
    bench: Bench, method: str
) -> None:
    """The base is asked beside the adapter, and compared with transformers' own."""
    assert comparison(bench, T5, "SEQ_2_SEQ_LM").outcome(method) == EQUAL


def test_without_strength_learned_tokens_are_left_out(bench: Bench) -> None:
    held = comparison(bench, T5, "SEQ_2_SEQ_LM")
    adapter = bench.adapter("PROMPT_TUNING", T5, "SEQ_2_SEQ_LM")
    spec = held.column.spec(bench, "PROMPT_TUNING", adapter)
    held.engine.ask(protocol.Load(spec))
    said = []
    for strength in (0.0, 1.0, 0.0):
        with heard_writing(held.engine.resident(spec)) as heard:
            held.engine.ask(protocol.Generate(spec, (ChatMessage("user", "Ahoy"),), GREEDY, strength))
        (one,) = heard.values()
        said.append(torch.stack(one.logits))
    with heard_writing(held.engine.resident(spec)) as heard:
        held.engine.ask(protocol.Generate(held.column.spec(bench), (ChatMessage("user", "Ahoy"),), GREEDY))
    base = torch.stack(heard[""].logits)
    assert torch.equal(said[0], base) and torch.equal(said[2], base)
    assert not torch.equal(said[1], base)


@pytest.mark.parametrize("method", ["PROMPT_TUNING", "PREFIX_TUNING"])
def test_a_long_text_leaves_room_for_the_learned_tokens_and_the_base_needs_none(
    bench: Bench, method: str
) -> None:
    held = comparison(bench, BERT, "FEATURE_EXTRACTION")
    adapter: Path | str = bench.adapter(method, BERT, "FEATURE_EXTRACTION")
    spec = held.column.spec(bench, method, adapter)
    held.engine.ask(protocol.Load(spec))
    with heard_predicting(held.engine.resident(spec)) as heard:
        held.engine.ask(protocol.Predict(spec, LONG))
    learned = VIRTUAL["num_virtual_tokens"] if method == "PROMPT_TUNING" else 0
    assert heard[0].shape[1] == POSITIONS - VIRTUAL["num_virtual_tokens"] + learned

    base = replace(spec, adapter="", adapter_folder="")
    resident = held.engine.resident(base)
    assert resident is held.engine.resident(spec)
    read: list[int] = []
    hook = resident.bare.register_forward_hook(
        lambda module, inputs, output: read.append(output.last_hidden_state.shape[1])
    )
    held.engine.ask(protocol.Predict(base, LONG))
    hook.remove()
    assert read == [POSITIONS]
