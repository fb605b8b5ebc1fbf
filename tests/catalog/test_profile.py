"""Modules and ranks from tensor names; the truth is what peft saves for real methods."""

from __future__ import annotations

import pytest
from safetensors.numpy import save_file

from adapter_ui.catalog.findings.tensors import tensor_findings
from adapter_ui.catalog.profiles.config import AdapterConfig, parse_config
from adapter_ui.catalog.profiles.inspection import read_header
from adapter_ui.catalog.profiles.profile import count_labels, list_modules, overall_rank
from adapter_ui.catalog.storage.files import FolderFiles
from adapter_ui.domain import Level, TensorInfo

# Ranks as the tensors show them, where they do.
REAL = {
    "AdaLoraConfig": ({"total_step": 10, "init_r": 6}, 6),
    "BOFTConfig": ({}, None),
    "DeftConfig": ({"r": 4}, 4),
    "DeloraConfig": ({"r": 4}, 4),
    "FourierFTConfig": ({"n_frequency": 10}, None),
    "GraloraConfig": ({"r": 8}, 8),
    "HRAConfig": ({"r": 4}, 4),
    "IA3Config": ({"target_modules": ["k_proj", "down_proj"], "feedforward_modules": ["down_proj"]}, None),
    "LNTuningConfig": ({"target_modules": ["input_layernorm"]}, None),
    "LoHaConfig": ({"r": 4}, 4),
    "LoKrConfig": ({"r": 2}, 2),
    "LoraConfig": ({"r": 4, "use_dora": True, "bias": "lora_only"}, 4),
    "MissConfig": ({"r": 4}, 4),
    "OFTConfig": ({}, None),
    "PolyConfig": ({"r": 4}, 4),
    "PrefixTuningConfig": ({"num_virtual_tokens": 4}, None),
    "PromptTuningConfig": ({"num_virtual_tokens": 4}, None),
    "RandLoraConfig": ({"r": 4}, None),
    "RoadConfig": ({"group_size": 32}, None),
    "ShiraConfig": ({"r": 4}, None),
    "TinyLoraConfig": ({"r": 2}, 2),
    "VeraConfig": ({"r": 4}, None),
}


@pytest.mark.parametrize("name", REAL)
def test_every_tensor_of_a_real_adapter_is_recognised(name, tiny_models, tmp_path):
    import peft
    from peft.utils.save_and_load import get_peft_model_state_dict
    from transformers import AutoModelForCausalLM

    options, rank = REAL[name]
    prompt = "num_virtual_tokens" in options
    targets = {} if prompt else {"target_modules": ["q_proj", "v_proj"]}
    config = getattr(peft, name)(task_type="CAUSAL_LM", **(targets | options))
    model = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_models / "llama"), config)
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    config.save_pretrained(tmp_path)
    save_file(
        {key: value.detach().contiguous().numpy() for key, value in state.items()},
        tmp_path / "adapter_model.safetensors",
    )

    read = parse_config((tmp_path / "adapter_config.json").read_bytes())
    tensors = read_header(FolderFiles(tmp_path))
    modules = list_modules(tensors, read.peft_type)
    assert sum(module.parameters for module in modules) == sum(value.numel() for value in state.values())
    assert overall_rank(None, modules) == rank
    bad = {Level.BLOCKER, Level.WARNING}
    assert [one for one in tensor_findings(read, tensors, None) if one.level in bad] == []
    if not prompt:
        names = {name for name, _ in model.get_base_model().named_modules()}
        shared = {"vera_A", "vera_B", "tinylora_v"}
        assert {
            module.name for module in modules if module.layer is not None and module.name not in shared
        } <= names | {f"tinylora_v.{number}" for number in range(8)}


def tensor(name: str, *shape: int) -> TensorInfo:
    return TensorInfo(name, "F32", shape, 0, 0)


@pytest.mark.parametrize(
    ("name", "module", "kind", "layer"),
    [
        (
            "base_model.model.model.layers.11.mlp.gate_proj.lora_A.weight",
            "model.layers.11.mlp.gate_proj",
            "gate_proj",
            11,
        ),
        (
            "base_model.model.transformer.h.0.attn.c_attn.lora_B.weight",
            "transformer.h.0.attn.c_attn",
            "c_attn",
            0,
        ),
        ("base_model.model.layers.3.mlp.experts.7.w1.lora_A.weight", "layers.3.mlp.experts.7.w1", "w1", 3),
        (
            "base_model.model.model.layers.2.mlp.experts.base_layer.lora_A.weight",
            "model.layers.2.mlp.experts",
            "experts",
            2,
        ),
        ("base_model.model.score.weight", "score", "score", None),
        ("base_model.model.classifier.modules_to_save.dense.weight", "classifier.dense", "dense", None),
        ("lora_A.weight", "lora_A", "lora_A", None),
        ("weight", "weight", "weight", None),
        ("", "", "", None),
        ("...", "..", "", None),
        ("base_model.model.layers.²³.q.lora_A.weight", "layers.²³.q", "q", None),
        ("a." + "9" * 5000 + ".lora_A", "a." + "9" * 5000, "a", None),
    ],
)
def test_a_name_becomes_a_module_a_kind_and_a_layer(name, module, kind, layer):
    (found,) = list_modules([tensor(name, 4, 8)], "LORA")
    assert (found.name, found.kind, found.layer, found.parameters) == (module, kind, layer, 32)


def test_modules_stand_in_the_order_of_the_layers():
    names = [f"base_model.model.layers.{number}.q.lora_A.weight" for number in (10, 2, 0)]
    modules = list_modules(
        [tensor("base_model.model.score.weight", 2, 2), *(tensor(name, 4, 8) for name in names)], "LORA"
    )
    assert [module.layer for module in modules] == [0, 2, 10, None]


def test_the_overall_rank_is_the_most_common_one():
    config = AdapterConfig(peft_type="LORA", r=4)
    tensors = [tensor(f"layers.{number}.q.lora_A.weight", rank, 8) for number, rank in enumerate([8, 4, 8])]
    assert overall_rank(config, list_modules(tensors, "LORA")) == 8
    assert overall_rank(config, []) == 4
    assert overall_rank(None, []) is None


def test_the_classes_are_counted_from_the_head():
    assert count_labels([tensor("base_model.model.score.weight", 3, 64)]) == 3
    assert count_labels([tensor("base_model.model.classifier.dense.weight", 64, 64)]) is None
    assert (
        count_labels(
            [tensor("a.classifier.dense.weight", 64, 64), tensor("a.classifier.out_proj.weight", 5, 64)]
        )
        == 5
    )
    assert count_labels([tensor("x.lora_A.weight", 8, 64)]) is None
