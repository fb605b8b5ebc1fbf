"""4-bit weights that have answered: bitsandbytes packs them on some processors, and adapters read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftConfig, ShiraConfig, get_peft_model

from adapter_ui.domain import ChatMessage, Precision
from adapter_ui.engine import protocol
from tests.models.every_method import FAMILIES, Bench
from tests.models.held_to_peft import EQUAL, GREEDY, SAME_DTYPE, Column, Comparison
from tests.models.plain_peft import written

LLAMA = FAMILIES[0]
TARGETS: dict[str, Any] = {"task_type": "CAUSAL_LM", "target_modules": ["q_proj", "v_proj"]}
CONFIGS = {
    "SHiRA": ShiraConfig(r=4, **TARGETS),
    "DoRA": LoraConfig(r=4, use_dora=True, **TARGETS),
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("four-bits"))


def saved(bench: Bench, name: str, config: PeftConfig) -> Path:
    folder = bench.folder / name
    torch.manual_seed(1)
    model = get_peft_model(bench.base(LLAMA, "CAUSAL_LM").load(), config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(folder, save_embedding_layers=False)
    return folder


@pytest.mark.parametrize("name", CONFIGS)
def test_an_adapter_answers_the_same_after_its_base_has(bench: Bench, name: str) -> None:
    folder = saved(bench, name, CONFIGS[name])
    held = Comparison(bench, Column(LLAMA, "CAUSAL_LM", Precision.NF4))
    base = held.column.spec(bench)
    held.engine.ask(protocol.Generate(base, (ChatMessage("user", "Ahoy"),), GREEDY))
    for _ in range(2):  # the base answers beside it
        outputs, tokens = held.by_the_engine(name, folder)
        assert held.compared(outputs, folder, tokens) in (EQUAL, SAME_DTYPE)


@pytest.mark.parametrize("precision", [Precision.INT8, Precision.NF4], ids=str)
def test_what_peft_leaves_without_effect_is_refused_for_that(bench: Bench, precision: Precision) -> None:
    """When this fails, PEFT has mended it, and UNILORA need not be refused over quantised weights."""
    adapter = bench.adapter("UNILORA", LLAMA, "CAUSAL_LM")
    plain = bench.base(LLAMA, "CAUSAL_LM", precision)
    alone = written(plain.load(packs=False), plain.folder, [5, 6])
    assert all(map(torch.equal, written(plain.with_adapter(adapter), plain.folder, [5, 6]), alone))
