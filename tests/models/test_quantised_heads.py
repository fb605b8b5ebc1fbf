"""Heads come back with their adapter: over quantised bases, and under every name that transformers has."""

from __future__ import annotations

import bitsandbytes
import pytest

from adapter_ui.domain import Precision
from adapter_ui.domain.heads import HEADS
from tests.models.every_method import FAMILIES, Bench, Family
from tests.models.held_to_peft import CLOSE, EQUAL, SAME_DTYPE, Column, Comparison

LLAMA, T5, BERT = FAMILIES


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("heads"))


@pytest.mark.parametrize("precision", [Precision.INT8, Precision.NF4], ids=str)
@pytest.mark.parametrize(
    ("family", "task"), [(LLAMA, "TOKEN_CLS"), (BERT, "SEQ_CLS"), (BERT, "QUESTION_ANS")]
)
def test_a_head_is_not_quantised_with_its_base(
    bench: Bench, family: Family, task: str, precision: Precision
) -> None:
    held = Comparison(bench, Column(family, task, precision))
    assert held.outcome("LORA") in (EQUAL, SAME_DTYPE, CLOSE)
    (resident,) = held.engine.worker.pool.residents.values()
    quantised = [
        name
        for name, module in resident.bare.named_modules()
        if isinstance(module, (bitsandbytes.nn.Linear8bitLt, bitsandbytes.nn.Linear4bit))
    ]
    assert quantised
    assert not [name for name in quantised if name.partition(".")[0] in HEADS]


def test_the_head_of_an_encoder_decoder_is_known_by_its_name(bench: Bench) -> None:
    assert Comparison(bench, Column(T5, "SEQ_CLS", Precision.FP32)).outcome("LORA") == EQUAL
