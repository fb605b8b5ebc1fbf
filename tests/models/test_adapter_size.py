"""What an adapter may take in memory beside what its file holds: enough for every sound one, and no more.

The base has the sizes of a real one and no numbers, so that nothing here takes memory either.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import pytest
import torch
from peft import PEFT_TYPE_TO_CONFIG_MAPPING, LoraConfig, PeftConfig, VeraConfig
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from adapter_ui.domain.loadable import REFUSED_METHODS
from adapter_ui.errors import BadAdapter
from adapter_ui.models.adapter_size import refuse_beyond_file
from adapter_ui.models.on_meta import META, created_by
from tests.models.every_method import FAMILIES, methods, options_of

PLENTY = 10**12
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


@pytest.fixture(scope="module")
def base() -> PreTrainedModel:
    sizes = {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 2}
    with META:
        return LlamaForCausalLM(LlamaConfig(vocab_size=32_000, num_attention_heads=32, **sizes))


def on_all_linear(method: str, **changes: Any) -> PeftConfig:
    options = options_of(method, FAMILIES[0])
    if options.get("target_modules") == ["q_proj", "v_proj"]:
        options |= {"target_modules": LINEAR}
    options = options | {"task_type": "CAUSAL_LM", "inference_mode": True} | changes
    return PEFT_TYPE_TO_CONFIG_MAPPING[method](**options)


def whole_file(config: PeftConfig, base: PreTrainedModel) -> dict[str, torch.Tensor]:
    return dict(created_by(config, base, PLENTY).saved)


# PEFT needs numbers to build these.
BY_FORMULA = {"BOFT": "boft_R", "SHIRA": "shira_weight", "UNILORA": "unilora_theta_d"}


@pytest.mark.parametrize("method", sorted({*methods()} - {*REFUSED_METHODS, *BY_FORMULA}))
def test_a_sound_adapter_of_every_method_passes(method: str, base: PreTrainedModel):
    config = on_all_linear(method)
    refuse_beyond_file(config, whole_file(config, base), base)


@pytest.mark.parametrize("method", BY_FORMULA)
def test_a_method_with_a_formula_passes_with_little_in_its_file(method: str, base: PreTrainedModel):
    config = on_all_linear(method)
    refuse_beyond_file(config, {BY_FORMULA[method]: torch.empty(256, device=META)}, base)


@pytest.mark.parametrize(
    "changes",
    [
        {"r": 4096},
        {"r": 4096, "use_dora": True},
        {"modules_to_save": ["embed_tokens"]},
        {"modules_to_save": ["tokens"]},  # PEFT takes the ends of names
        {"target_modules": ["q_proj", "embed_tokens"], "r": 512},
        {"trainable_token_indices": [7] * 20_000},
    ],
    ids=str,
)
def test_a_lora_that_asks_for_what_its_file_lacks_is_refused(base: PreTrainedModel, changes: dict[str, Any]):
    stored = whole_file(on_all_linear("LORA"), base)
    with pytest.raises(BadAdapter, match=r"adapter_config\.json asks for about .* GB"):
        refuse_beyond_file(on_all_linear("LORA", **changes), stored, base)


def test_tensors_that_belong_to_no_part_of_the_adapter_justify_nothing(base: PreTrainedModel):
    config = on_all_linear("LOHA", r=64)
    stored = whole_file(config, base)
    refuse_beyond_file(config, stored, base)
    name = next(iter(stored))
    with pytest.raises(BadAdapter, match="asks for about"):
        padding = {"padding": torch.empty(10**9, device=META)}
        refuse_beyond_file(on_all_linear("LOHA", r=1024), {name: stored[name], **padding}, base)


def test_a_part_of_the_file_may_be_missing(base: PreTrainedModel):
    config = on_all_linear("LORA", use_rslora=True)
    stored = whole_file(config, base)
    refuse_beyond_file(config, {key: one for key, one in stored.items() if "layers.0" in key}, base)


def test_projections_that_are_not_saved_are_no_excess(base: PreTrainedModel):
    config = VeraConfig(r=256, target_modules=LINEAR, save_projection=False, inference_mode=True)
    stored = whole_file(config, base)
    assert sum(one.nbytes for one in stored.values()) < 10**6
    refuse_beyond_file(config, stored, base)
    with pytest.raises(BadAdapter, match="asks for about"):
        wide = VeraConfig(r=32_768, target_modules=LINEAR, save_projection=False, inference_mode=True)
        refuse_beyond_file(wide, whole_file(wide, base), base)


def test_nothing_of_the_config_or_the_base_is_changed(base: PreTrainedModel):
    config = on_all_linear("ADALORA")
    before, modules = config.to_dict(), [*base.modules()]
    refuse_beyond_file(config, whole_file(config, base), base)
    assert config.to_dict() == before
    assert [*base.modules()] == modules


def test_a_plain_lora_is_looked_at_in_a_few_milliseconds():
    sizes = {"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9}
    with META:
        base = LlamaForCausalLM(LlamaConfig(vocab_size=49_152, **sizes))
    config = LoraConfig(task_type="CAUSAL_LM", r=16, target_modules=LINEAR, inference_mode=True)
    stored = whole_file(config, base)
    times = []
    for _ in range(9):
        started = time.thread_time()
        refuse_beyond_file(config, stored, base)
        times.append(time.thread_time() - started)
    assert statistics.median(times) < 0.02
