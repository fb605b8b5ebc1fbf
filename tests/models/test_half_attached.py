"""A base that PEFT changed and then failed on, or that an adapter wrote into, does not answer any more."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import C3AConfig, PeftConfig, VeraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from adapter_ui.domain import Precision
from adapter_ui.engine.protocol import ModelSpec
from adapter_ui.errors import BadAdapter, HalfAttached
from adapter_ui.models.adapters import attach
from adapter_ui.models.pool import Pool
from tests.models.test_adapters import logits, plain_peft
from tests.models.test_decoding import Writer, prompt_of, spec_for


def saved(config: PeftConfig, base: Path, folder: Path) -> Path:
    """An adapter whose effect is large, whatever its method starts with."""
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    torch.manual_seed(3)
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter)
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def narrow_and_wide(tiny_models, tmp_path) -> tuple[Path, Path]:
    """VeRAs on one base would share their projections, which the first one sizes; for the second they are too
    small, and PEFT sees that when it has changed the first layer already.
    """
    options = {"target_modules": ["q_proj"], "task_type": "CAUSAL_LM"}
    narrow, wide = (
        saved(VeraConfig(r=r, **options), tiny_models / "llama", tmp_path / f"vera-{r}") for r in (4, 8)
    )
    return narrow, wide


def test_a_base_that_peft_left_half_changed_is_not_used_again(tiny_models, narrow_and_wide):
    narrow, wide = (spec_for(tiny_models / "llama", one) for one in narrow_and_wide)
    pool = Pool()
    before, _ = pool.load(narrow)
    with pytest.raises(HalfAttached):
        pool.attach(before, wide)
    again, _ = pool.load(narrow)
    assert again.bare is not before.bare
    assert torch.equal(logits(again.loaded.model), plain_peft(tiny_models, narrow.adapter_folder))


def test_whoever_was_answered_by_a_base_that_is_dropped_is_told(tiny_models, narrow_and_wide):
    narrow, wide = (spec_for(tiny_models / "llama", one) for one in narrow_and_wide)
    pool = Pool()
    resident, _ = pool.load(narrow)
    writer = Writer(resident)
    row = writer.row(prompt_of(9))
    writer.step()
    with pytest.raises(HalfAttached):
        pool.attach(resident, wide)
    assert "ask again" in str(writer.errors[row])
    assert not resident.decoder.writing


def test_an_adapter_that_fails_at_a_later_layer_costs_nobody_the_base(tiny_models, tmp_path):
    """PEFT would have changed the first layer when it finds the block size that does not fit the second."""
    config = C3AConfig(block_size=16, target_modules=["q_proj"], task_type="CAUSAL_LM")
    folder = saved(config, tiny_models / "llama", tmp_path / "c3a")
    raw = json.loads((folder / "adapter_config.json").read_text())
    raw["block_size_pattern"] = {"layers.1.self_attn.q_proj": 48}
    (folder / "adapter_config.json").write_text(json.dumps(raw))
    pool = Pool()
    spec = spec_for(tiny_models / "llama")
    before, _ = pool.load(spec)
    with pytest.raises(BadAdapter, match="block size"):
        pool.load(spec_for(tiny_models / "llama", folder))
    again, _ = pool.load(spec)
    assert again is before


def test_a_base_that_an_adapter_changed_unseen_is_not_used_again(tiny_models, monkeypatch):
    """A method of a newer PEFT might write into the base without a word, as its pissa start does."""

    def rewriting(model, folder, name):
        with torch.no_grad():
            model.model.norm.weight.add_(1)
        return attach(model, folder, name)

    pool = Pool()
    spec = ModelSpec(
        base="tiny/llama",
        base_folder=str(tiny_models / "llama"),
        precision=Precision.FP32,
        model_class="AutoModelForCausalLM",
        task_type="CAUSAL_LM",
    )
    before, _ = pool.load(spec)
    answer = logits(before.bare)
    monkeypatch.setattr("adapter_ui.models.resident.attach", rewriting)
    with pytest.raises(HalfAttached, match="changes the base itself"):
        pool.load(replace(spec, adapter="a/ia3", adapter_folder=str(tiny_models / "ia3")))
    again, _ = pool.load(spec)
    assert again.bare is not before.bare
    assert torch.equal(logits(again.bare), answer)
