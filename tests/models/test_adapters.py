"""Attaching: the same answers as plain PEFT, and nothing of a stranger's file reaches the base."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import AdaLoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from adapter_ui.domain import Precision
from adapter_ui.errors import BadAdapter, UnsupportedAdapter
from adapter_ui.models.adapters import attach, sharing_key, speaking_as
from adapter_ui.models.loading import load_base

ENDLESS_PATTERN = r"((model|layers|self_attn|\.|\d|_|\w)+)+!"
INPUT = torch.tensor([[5, 9, 200, 17, 42]])


@pytest.fixture
def loaded(tiny_models):
    return load_base(tiny_models / "llama", Precision.FP32, "AutoModelForCausalLM")


@pytest.fixture
def altered(tiny_models, tmp_path):
    """A copy of the LoRA whose config and tensors a test may change."""

    def alter(config: dict | None = None, tensors: dict | None = None) -> Path:
        folder = tmp_path / "altered"
        shutil.copytree(tiny_models / "lora", folder, dirs_exist_ok=True)
        raw = json.loads((folder / "adapter_config.json").read_text())
        (folder / "adapter_config.json").write_text(json.dumps(raw | (config or {})))
        if tensors:
            kept = load_file(folder / "adapter_model.safetensors")
            save_file(kept | tensors, folder / "adapter_model.safetensors")
        return folder

    return alter


def logits(model) -> torch.Tensor:
    with torch.inference_mode():
        return model(INPUT).logits


def plain_peft(models: Path, adapter: str) -> torch.Tensor:
    base = AutoModelForCausalLM.from_pretrained(models / "llama")
    return logits(PeftModel.from_pretrained(base, models / adapter).eval())


@pytest.mark.parametrize("adapter", ["lora", "lora-wide", "dora", "ia3"])
def test_answers_equal_plain_peft_bit_by_bit(loaded, tiny_models, adapter):
    model, attached = attach(loaded.model, tiny_models / adapter, "a_1")
    assert attached.keys_applied == attached.keys_in_file
    with speaking_as(model, "a_1"):
        assert torch.equal(logits(model), plain_peft(tiny_models, adapter))


def test_several_adapters_on_one_base_do_not_mix(loaded, tiny_models):
    base = logits(loaded.model)
    model, _ = attach(loaded.model, tiny_models / "lora", "a_1")
    model, _ = attach(model, tiny_models / "lora-wide", "a_2")
    for name, folder in (("a_1", "lora"), ("a_2", "lora-wide"), ("a_1", "lora")):
        with speaking_as(model, name):
            assert torch.equal(logits(model), plain_peft(tiny_models, folder))
    with speaking_as(model, ""):
        assert torch.equal(logits(model), base)


def test_a_pattern_of_targets_is_matched_on_a_base_that_has_adapters(loaded, tiny_models, altered):
    model, _ = attach(loaded.model, tiny_models / "lora", "a_1")
    folder = altered({"target_modules": r"model\.layers\.\d+\.self_attn\.[qv]_proj"})
    model, attached = attach(model, folder, "a_2")
    assert attached.keys_applied == 8
    with speaking_as(model, "a_2"):
        assert torch.equal(logits(model), plain_peft(tiny_models, "lora"))


def test_strength_scales_the_change_and_is_put_back(loaded, tiny_models):
    base = logits(loaded.model)
    model, _ = attach(loaded.model, tiny_models / "lora", "a_1")
    with speaking_as(model, "a_1", 0):
        assert torch.equal(logits(model), base)
    with speaking_as(model, "a_1", 0.5):
        half = (logits(model) - base).abs().mean()
    with speaking_as(model, "a_1", 1):
        whole = (logits(model) - base).abs().mean()
    assert 0 < half < whole


def test_tensors_of_the_base_in_the_file_are_left_out(loaded, altered):
    before = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    hostile = {
        f"base_model.model.{name}": torch.full_like(before[name], 7.0)
        for name in (
            "model.embed_tokens.weight",
            "model.norm.weight",
            "model.layers.0.self_attn.k_proj.weight",
        )
    }
    hostile["base_model.model.model.layers.0.self_attn.q_proj.base_layer.weight"] = torch.full((64, 64), 7.0)
    model, attached = attach(loaded.model, altered(tensors=hostile), "a_1")
    assert (attached.keys_in_file, attached.keys_applied) == (12, 8)
    assert "4 tensors of the file belong to no part of the adapter" in attached.notices[0]
    after = model.unload().state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


@pytest.mark.parametrize("init", ["pissa", "olora", "corda", "eva"])
def test_an_init_that_rewrites_the_base_is_not_run(loaded, altered, init):
    before = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    model, _ = attach(loaded.model, altered({"init_lora_weights": init}), "a_1")
    after = model.unload().state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


@pytest.mark.parametrize(
    ("config", "kind", "sentence"),
    [
        ({"peft_type": "QUANTUM"}, UnsupportedAdapter, "does not know the method “QUANTUM”"),
        ({"peft_type": "XLORA"}, UnsupportedAdapter, "names further adapters"),
        ({"layer_replication": [[0, 2], [0, 2]]}, UnsupportedAdapter, "layer_replication"),
        ({"kasa_config": {"beta": 1.0}}, UnsupportedAdapter, "rewrites the base"),
        ({"target_modules": "(a+)+$" }, BadAdapter, "matches no module"),
        ({"target_modules": ENDLESS_PATTERN}, BadAdapter, "target_modules pattern"),
        ({"target_modules": "[unclosed"}, BadAdapter, "cannot be used"),
        ({"r": -4}, BadAdapter, "field “r”"),
        ({"r": "eight"}, BadAdapter, "field “r”"),
        ({"target_modules": ["k_proj"]}, BadAdapter, "None of the adapter's tensors"),
        ({"r": 8}, BadAdapter, "has shape"),
        ({"rank_pattern": [1, 2]}, BadAdapter, "field “rank_pattern”"),
        ({"bias": "weird"}, BadAdapter, "cannot put this adapter"),
        ({"target_modules": [None]}, BadAdapter, "field “target_modules”"),
        ({"modules_to_save": ["lm_head"]}, BadAdapter, "lacks base_model.model.lm_head.weight"),
    ],
)  # fmt: skip
def test_configs_that_cannot_be_used_are_refused_with_the_reason(loaded, altered, config, kind, sentence):
    with pytest.raises(kind, match=sentence):
        attach(loaded.model, altered(config), "a_1")


@pytest.mark.parametrize("config", [{"r": 8}, {"modules_to_save": ["lm_head"]}, {"rank_pattern": [1, 2]}])
def test_an_adapter_that_fails_leaves_no_trace_for_the_next(loaded, tiny_models, altered, config):
    base = logits(loaded.model)
    model, _ = attach(loaded.model, tiny_models / "lora", "a_1")
    folder = altered(config)
    for _ in range(2):  # the same refusal again, not a name that is taken
        with pytest.raises(BadAdapter, match=r"has shape|lacks|field “rank_pattern”"):
            attach(model, folder, "a_2")
    model, _ = attach(model, tiny_models / "lora-wide", "a_2")
    for name, adapter in (("a_1", "lora"), ("a_2", "lora-wide")):
        with speaking_as(model, name):
            assert torch.equal(logits(model), plain_peft(tiny_models, adapter))
    with speaking_as(model, ""):
        assert torch.equal(logits(model), base)


def test_a_config_nested_too_deeply_is_refused(loaded, altered):
    folder = altered()
    (folder / "adapter_config.json").write_text("[" * 100_000)
    with pytest.raises(BadAdapter, match="is not JSON"):
        attach(loaded.model, folder, "a_1")


def test_tensors_in_8_bit_floats_are_read(loaded, altered):
    stored = load_file(altered() / "adapter_model.safetensors")
    folder = altered(tensors={name: tensor.to(torch.float8_e4m3fn) for name, tensor in stored.items()})
    assert attach(loaded.model, folder, "a_1")[1].keys_applied == 8


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(loaded, altered, value):
    key = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight"
    with pytest.raises(BadAdapter, match="not finite"):
        attach(loaded.model, altered(tensors={key: torch.full((64, 4), value)}), "a_1")


def test_fields_that_name_code_are_not_read(loaded, altered):
    config = {
        "auto_mapping": {"parent_library": "os", "base_model_class": "system"},
        "megatron_core": "antigravity",
    }
    model, _ = attach(loaded.model, altered(config), "a_1")
    assert model.peft_config["a_1"].auto_mapping is None


def test_trained_biases_tokens_and_other_methods_need_a_base_of_their_own(altered, tiny_models):
    lora = sharing_key(tiny_models / "lora", "org/one")
    assert lora == sharing_key(tiny_models / "dora", "org/two")
    assert lora != sharing_key(tiny_models / "ia3", "org/three")
    assert sharing_key(altered({"bias": "all"}), "org/four") == "org/four"
    assert sharing_key(altered({"trainable_token_indices": [1, 2]}), "org/five") == "org/five"


@pytest.mark.parametrize("model", ["org/secret", "/etc", "llama"])
def test_a_shadow_model_that_names_a_further_model_is_refused(loaded, altered, model):
    folder = altered({"peft_type": "SHADOW", "shadow_model": model})
    with pytest.raises(UnsupportedAdapter, match="shadow_model"):
        attach(loaded.model, folder, "a_1")


def test_an_adalora_with_pruned_ranks_answers_as_in_plain_peft(loaded, tiny_models, tmp_path):
    """What is left of each module's first ranks stands in the config as a list of true and false."""
    config = AdaLoraConfig(
        init_r=6,
        target_r=2,
        tinit=1,
        tfinal=2,
        total_step=9,
        target_modules=["q_proj"],
        task_type="CAUSAL_LM",
    )
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_models / "llama"), config)
    torch.manual_seed(3)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = torch.randn_like(parameter)
    kept = {f"model.layers.{layer}.self_attn.q_proj.lora_E": [True, False] * 3 for layer in range(2)}
    model.base_model.resize_modules_by_rank_pattern(kept, "default")
    model.peft_config["default"].rank_pattern = kept
    model.save_pretrained(tmp_path / "pruned")
    adapted, attached = attach(loaded.model, tmp_path / "pruned", "a_1")
    assert attached.keys_applied == attached.keys_in_file == 6
    with speaking_as(adapted, "a_1"):
        assert torch.equal(logits(adapted), plain_peft(tiny_models, tmp_path / "pruned"))
