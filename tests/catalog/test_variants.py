"""The X-ray of what options change, against the live model: variants, other bases, ranks by module."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import LoraConfig
from transformers import AutoModel, AutoModelForSeq2SeqLM, MixtralConfig, MixtralForCausalLM

from adapter_ui.catalog.profiles.profile import list_modules, zero_tensors
from tests.catalog.every_adapter import Saved, build, load_llama, save
from tests.models.every_method import build_t5

LORA_VARIANTS: dict[str, dict[str, Any]] = {
    "dora": {"use_dora": True},
    "rslora": {"use_rslora": True, "r": 16},
    "by module": {
        "target_modules": "all-linear",
        "rank_pattern": {"v_proj": 2, "layers.1.self_attn.q_proj": 16},
        "alpha_pattern": {"down_proj": 64, "^model.layers.0.self_attn.v_proj": 6},
    },
    "embedding": {"target_modules": ["embed_tokens", "q_proj"]},
    "bias of its own": {"lora_bias": True},
    "new tokens": {"trainable_token_indices": [1, 2, 3]},
    "head": {"modules_to_save": ["lm_head"]},
}
SHOWN_BY: dict[str, tuple[str, dict[str, Any], int | None]] = {
    "LoKr in whole factors": ("LOKR", {"r": 32}, None),
    "LoKr in four factors": ("LOKR", {"r": 1, "decompose_both": True}, 1),
    "GLoRA of vectors": ("GLORA", {"config_A_B": "vector"}, None),
    "MiSS in blocks": ("MISS", {"r": 4, "init_weights": "bat"}, 4),
    "MiSS in fewer columns": ("MISS", {"r": 4, "init_weights": "mini", "mini_r": 8}, 4),
    "PSOFT that bends": (
        "PSOFT",
        {"r": 6, "psoft_orth": False, "psoft_mag_a": False, "psoft_mag_b": False},
        6,
    ),
    "PSOFT that only turns": ("PSOFT", {"r": 6, "psoft_mag_a": False, "psoft_mag_b": False}, 6),
    "Super-Tuning with a LoRA": ("SUPERTUNING", {"r": 4}, 4),
    "GraLoRA with a LoRA": ("GRALORA", {"r": 8, "hybrid_r": 4}, 8),
    "VB-LoRA of chosen vectors": ("VBLORA", {"save_only_topk_weights": True}, 4),
    "UniLoRA with its indices": ("UNILORA", {"save_indices": True}, 4),
    "DEFT that only takes out": ("DEFT", {"r": 4, "para": True}, 4),
    "PEANuT with hidden layers": ("PEANUT", {"r": 4, "depth": 2}, 4),
}


def check_against_live_layers(saved: Saved) -> None:
    """Names, ranks and scalings of the modules with a LoRA, and the parameters of the whole file."""
    listed = list_modules(saved.header, saved.config)
    modules = {module.name: module for module in listed if module.rank is not None}
    layers = {name: layer for name, layer in saved.layers() if hasattr(layer, "scaling")}
    assert modules.keys() == layers.keys()
    for name, layer in layers.items():
        assert modules[name].rank == layer.r["default"]
        assert modules[name].scaling == pytest.approx(layer.scaling["default"])
    assert sum(module.parameters for module in listed) == sum(one.numel() for one in saved.tensors.values())


@pytest.mark.parametrize("variant", LORA_VARIANTS)
def test_lora_and_its_variants(variant, tiny_models, tmp_path):
    saved = build("LORA", tiny_models, tmp_path, **LORA_VARIANTS[variant])
    check_against_live_layers(saved)
    modules = {module.name: module for module in list_modules(saved.header, saved.config)}
    parts = modules["model.layers.0.self_attn.q_proj"].parts
    assert ("lora_magnitude_vector" in parts) == (variant == "dora")
    assert [name for name, module in modules.items() if module.whole] == (
        ["lm_head"] if variant == "head" else []
    )
    assert ("model.embed_tokens" in modules) == (variant in ("embedding", "new tokens"))


@pytest.mark.parametrize("name", SHOWN_BY)
def test_ranks_that_options_move_to_another_tensor(name, tiny_models, tmp_path):
    method, options, rank = SHOWN_BY[name]
    saved = build(method, tiny_models, tmp_path, **options)
    modules = [one for one in list_modules(saved.header, saved.config) if not one.shared]
    assert {module.rank for module in modules} == {rank}
    assert {module.name for module in modules} == {name for name, _ in saved.layers()}


def test_the_scaling_of_a_hybrid_counts_both_ranks(tiny_models, tmp_path):
    saved = build("GRALORA", tiny_models, tmp_path, r=8, hybrid_r=4)
    (scaling,) = {one.scaling for one in list_modules(saved.header, saved.config)}
    assert {layer.scaling["default"] for _, layer in saved.layers()} == {scaling}


def test_loha_and_lokr_by_module(tiny_models, tmp_path):
    for method in ("LOHA", "LOKR"):
        options = {"r": 2, "alpha": 6, "rank_pattern": {"v_proj": 1}, "alpha_pattern": {"q_proj": 3}}
        check_against_live_layers(build(method, tiny_models, tmp_path / method, **options))


def test_an_encoder_with_a_decoder(tmp_path):
    build_t5(tmp_path / "t5")
    base = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "t5")
    config = LoraConfig(task_type="SEQ_2_SEQ_LM", r=4, target_modules=["q", "v"])
    saved = save("LORA", base, config, tmp_path / "adapter")
    check_against_live_layers(saved)
    modules = list_modules(saved.header, saved.config)
    assert {module.layer for module in modules} == {0, 1}
    assert {module.kind for module in modules} == {
        *("encoder.q", "encoder.v"),
        *(f"decoder.{attention}.{one}" for attention in ("SelfAttention", "EncDecAttention") for one in "qv"),
    }
    assert len({(module.layer, module.kind) for module in modules}) == len(modules)


def test_biases_of_the_base_that_were_trained_too(tiny_models, tmp_path):
    for bias, biases_alone in (("lora_only", 0), ("all", 16)):
        config = LoraConfig(task_type="FEATURE_EXTRACTION", r=4, target_modules=["query", "value"], bias=bias)
        saved = save("LORA", AutoModel.from_pretrained(tiny_models / "bert"), config, tmp_path / bias)
        check_against_live_layers(saved)
        modules = list_modules(saved.header, saved.config)
        assert {one.parts for one in modules if one.rank} == {("bias", "lora_A", "lora_B")}
        whole = [one for one in modules if one.whole]
        truth = {name for name in saved.tensors if name.endswith(".bias") and ".base_layer." not in name}
        assert len(whole) == len(truth) and bool(truth) == bool(biases_alone)


def test_experts_stacked_in_one_tensor(tmp_path):
    shape = {"hidden_size": 64, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4}
    torch.manual_seed(0)
    base = MixtralForCausalLM(
        MixtralConfig(vocab_size=64, num_key_value_heads=2, num_local_experts=4, **shape)
    )
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=4,
        lora_alpha=12,
        target_modules=["q_proj"],
        target_parameters=["mlp.experts.gate_up_proj", "mlp.experts.down_proj"],
    )
    saved = save("LORA", base, config, tmp_path)
    check_against_live_layers(saved)
    assert len(zero_tensors(saved.header, "LORA")) == 3


def test_an_adapter_in_half_precision(tiny_models, tmp_path):
    config = LoraConfig(task_type="CAUSAL_LM", r=4, target_modules=["q_proj"])
    saved = save("LORA", load_llama(tiny_models), config, tmp_path / "full")
    saved.model.to(torch.bfloat16).save_pretrained(tmp_path / "half", save_embedding_layers=False)
    half = Saved("LORA", saved.model, tmp_path / "half")
    assert {module.dtype for module in list_modules(half.header, half.config)} == {"bfloat16"}
