"""A base's fingerprint: the same whatever sits on it, another one when a tensor was written to."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model

from adapter_ui.domain import Precision
from adapter_ui.models.adapters import attach
from adapter_ui.models.fingerprint import base_tensors, fingerprint
from adapter_ui.models.loading import load_base


@pytest.fixture
def model(tiny_models: Path) -> torch.nn.Module:
    return load_base(tiny_models / "llama", Precision.FP32, "AutoModelForCausalLM").model


@pytest.mark.parametrize("precision", list(Precision), ids=str)
def test_an_adapter_leaves_no_trace_in_any_precision(tiny_models: Path, precision: Precision) -> None:
    model = load_base(tiny_models / "llama", precision, "AutoModelForCausalLM").model
    before = fingerprint(model)
    adapted, _ = attach(model, tiny_models / "lora", "a_1")
    assert fingerprint(adapted) == before
    adapted.delete_adapter("a_1")
    assert fingerprint(adapted) == before
    assert fingerprint(adapted.base_model.unload()) == before


def test_every_tensor_counts(model: torch.nn.Module) -> None:
    before = fingerprint(model)
    for name, tensor in base_tensors(model):
        kept = tensor.flatten()[0].clone()
        with torch.no_grad():
            tensor.view(-1)[0] += 1
        assert fingerprint(model) != before, name
        with torch.no_grad():
            tensor.view(-1)[0] = kept
    assert fingerprint(model) == before


def test_an_init_that_rewrites_the_base_is_noticed(model: torch.nn.Module) -> None:
    before = fingerprint(model)
    config = LoraConfig(r=4, target_modules=["q_proj"], init_lora_weights="pissa", task_type="CAUSAL_LM")
    assert fingerprint(get_peft_model(model, config)) != before
