"""Modules, kinds, ranks and scalings from the names and shapes of tensors, as strangers write them."""

from __future__ import annotations

import time

import pytest

from adapter_ui.catalog.methods.table import METHODS
from adapter_ui.catalog.profiles.config import AdapterConfig
from adapter_ui.catalog.profiles.profile import (
    count_labels,
    list_modules,
    overall_rank,
    stated_rank,
    zero_tensors,
)
from adapter_ui.domain import ModuleInfo, TensorInfo

LORA = AdapterConfig(peft_type="LORA", r=4, lora_alpha=8)


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
        ("...", "..", "..", None),
        ("base_model.model.layers.²³.q.lora_A.weight", "layers.²³.q", "q", None),
        ("a." + "9" * 5000 + ".lora_A", "a." + "9" * 5000, "a", None),
    ],
)
def test_a_name_becomes_a_module_a_kind_and_a_layer(name, module, kind, layer):
    (found,) = list_modules([tensor(name, 4, 8)], LORA)
    assert (found.name, found.kind, found.layer, found.parameters) == (module, kind, layer, 32)


def test_modules_stand_in_the_order_of_the_layers():
    names = [f"base_model.model.layers.{number}.q.lora_A.weight" for number in (10, 2, 0)]
    modules = list_modules(
        [tensor("base_model.model.score.weight", 2, 2), *(tensor(name, 4, 8) for name in names)], LORA
    )
    assert [module.layer for module in modules] == [0, 2, 10, None]


def test_the_overall_rank_is_the_most_common_one():
    config = AdapterConfig(peft_type="LORA", r=4)
    tensors = [tensor(f"layers.{number}.q.lora_A.weight", rank, 8) for number, rank in enumerate([8, 4, 8])]
    assert overall_rank(config, list_modules(tensors, LORA)) == 8
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


def names_and(value: str, *names: str, config: AdapterConfig = LORA, shape: tuple[int, ...] = (4, 8)) -> dict:
    modules = list_modules([tensor(f"base_model.model.{name}", *shape) for name in names], config)
    return {module.name: getattr(module, value) for module in modules}


def test_the_stacks_of_an_encoder_with_a_decoder_are_kept_apart():
    kinds = names_and(
        "kind",
        "encoder.block.0.layer.0.SelfAttention.q.lora_A.weight",
        "decoder.block.0.layer.0.SelfAttention.q.lora_A.weight",
        "decoder.block.0.layer.1.EncDecAttention.q.lora_A.weight",
        "decoder.block.0.layer.1.EncDecAttention.v.lora_A.weight",
        "lm_head.lora_A.weight",
    )
    assert kinds == {
        "encoder.block.0.layer.0.SelfAttention.q": "encoder.q",
        "decoder.block.0.layer.0.SelfAttention.q": "decoder.SelfAttention.q",
        "decoder.block.0.layer.1.EncDecAttention.q": "decoder.EncDecAttention.q",
        "decoder.block.0.layer.1.EncDecAttention.v": "decoder.v",
        "lm_head": "lm_head",
    }


def test_towers_of_one_model_are_told_by_the_word_that_differs():
    kinds = names_and(
        "kind",
        "model.vision_tower.encoder.layers.3.self_attn.q_proj.lora_A.weight",
        "model.language_model.layers.3.self_attn.q_proj.lora_A.weight",
    )
    assert set(kinds.values()) == {"vision_tower.q_proj", "language_model.q_proj"}


def test_modules_of_one_layer_with_one_last_word_get_the_words_before_it():
    layer = "bert.encoder.layer.1"
    kinds = names_and(
        "kind",
        *(
            f"{layer}.{name}.lora_A.weight"
            for name in ("attention.output.dense", "output.dense", "intermediate.dense")
        ),
    )
    assert set(kinds.values()) == {"attention.output.dense", "output.dense", "intermediate.dense"}


def test_a_module_that_is_a_layer_has_its_number_and_a_head_of_several_layers_has_none():
    assert names_and(
        "layer", "model.layers.7.shadow_down.weight", config=AdapterConfig(peft_type="SHADOW")
    ) == {"model.layers.7": 7}
    assert names_and("layer", "classifier.modules_to_save.0.weight") == {"classifier.0": None}


def test_whole_modules_own_parts_and_shared_tensors_are_told_apart():
    names = (
        "model.layers.0.q.lora_A.weight",
        "model.layers.0.q.base_layer.bias",
        "model.layers.0.o.bias",
        "model.embed_tokens.token_adapter.trainable_tokens_delta",
        "score.modules_to_save.weight",
    )
    modules = {
        one.name: one
        for one in list_modules([tensor(f"base_model.model.{name}", 4, 8) for name in names], LORA)
    }
    assert {name: (one.whole, one.parts) for name, one in modules.items()} == {
        "model.layers.0.q": (False, ("bias", "lora_A")),
        "model.layers.0.o": (True, ("bias",)),
        "model.embed_tokens": (False, ("trainable_tokens_delta",)),
        "score": (True, ("weight",)),
    }
    assert {name for name, one in modules.items() if one.scaling is not None} == {"model.layers.0.q"}

    bank = [tensor("base_model.vera_A", 4, 8), tensor("base_model.model.layers.0.q.vera_lambda_d", 4)]
    shared, module = list_modules(bank, AdapterConfig(peft_type="VERA"))[::-1]
    assert (shared.name, shared.shared, shared.layer, shared.parts) == ("vera_A", True, None, ("vera_A",))
    assert (module.name, module.shared, module.rank) == ("layers.0.q", False, 4)


def test_without_a_known_method_nothing_is_called_whole():
    names = "model.layers.0.q.quantum_A.weight"
    assert names_and("whole", names, config=AdapterConfig(peft_type="QUANTUM")) == {
        "model.layers.0.q.quantum_A": False
    }
    assert [one.whole for one in list_modules([tensor("a.weight", 2)], None)] == [False]


@pytest.mark.parametrize(
    ("changes", "scaling"),
    [
        ({}, 2.0),
        ({"lora_alpha": 32, "use_rslora": True}, 16.0),
        ({"alpha_pattern": {"q": 4}}, 1.0),
        ({"alpha_pattern": {"0.q": 4, "q": 16}}, 1.0),
        ({"alpha_pattern": {"v": 4}}, 2.0),
        ({"alpha_pattern": {"^layers.0.q$": 4}}, 1.0),
        ({"alpha_pattern": {"^q": 4}}, 2.0),
        # Whether a real expression matches is not found out, since it is a stranger's.
        ({"alpha_pattern": {".*q": 4}}, None),
        ({"alpha_pattern": {"(a+)+$": 4, "q": 16}}, None),
        ({"alpha_pattern": {"q": 16, "(a+)+$": 4}}, 4.0),
        ({"alpha_pattern": {"q": "much"}}, None),
        # The rank is the tensors' own, whatever the config says.
        ({"r": 64}, 2.0),
        ({"rank_pattern": {".*": 64}}, 2.0),
        ({"lora_alpha": None}, None),
    ],
)
def test_the_scaling_of_a_module_heeds_the_patterns(changes, scaling):
    config = AdapterConfig(**{"peft_type": "LORA", "r": 4, "lora_alpha": 8, **changes})
    assert names_and("scaling", "layers.0.q.lora_A.weight", config=config) == {"layers.0.q": scaling}


def test_what_a_config_leaves_out_is_pefts_default():
    assert names_and("scaling", "layers.0.q.lora_A.weight", config=AdapterConfig(peft_type="LORA")) == {
        "layers.0.q": 2
    }


def test_the_rank_of_stacked_experts_is_the_configs():
    config = AdapterConfig(
        peft_type="LORA", r=4, lora_alpha=8, target_parameters=["mlp.experts.gate_up_proj"]
    )
    name = "layers.0.mlp.experts.lora_A.weight"
    assert names_and("rank", name, config=config, shape=(32, 8)) == {"layers.0.mlp.experts": 4}
    assert names_and("scaling", name, config=config, shape=(32, 8)) == {"layers.0.mlp.experts": 2}
    assert names_and("rank", name, config=config, shape=(30, 8)) == {"layers.0.mlp.experts": None}
    other = AdapterConfig(**config.model_dump(exclude_unset=True), rank_pattern={"experts.gate_up_proj": 2})
    assert names_and("rank", name, config=other, shape=(32, 8)) == {"layers.0.mlp.experts": None}


def test_a_rank_that_is_none_is_not_stated():
    assert stated_rank(AdapterConfig(peft_type="LORA", r=4)) == 4
    assert stated_rank(AdapterConfig(peft_type="OFT", r=4)) is None
    assert stated_rank(AdapterConfig(peft_type="IA3", r=0)) is None
    assert stated_rank(AdapterConfig(peft_type="QUANTUM", r=4)) == 4


def test_zero_tensors_are_found_by_whole_parts_of_names():
    names = ("lora_B.weight", "lora_B.bias", "lora_A.weight", "lora_embedding_A", "lora_Bx.weight")
    found = zero_tensors([tensor(f"layers.0.q.{name}", 4, 8) for name in names], "LORA")
    assert [one.name.removeprefix("layers.0.q.") for one in found] == [
        "lora_B.weight",
        "lora_B.bias",
        "lora_embedding_A",
    ]
    assert zero_tensors([tensor("layers.0.q.lora_B.weight", 4, 8)], "QUANTUM") == ()


@pytest.mark.parametrize("method", sorted(METHODS))
def test_names_and_shapes_of_any_kind_are_read_without_an_error(method):
    hostile = [
        "",
        ".",
        "...",
        "base_model",
        "base_model.model",
        "base_model.model.",
        "x" * 900,
        ".".join("a" * 450),
    ]
    names = [
        f"{name}.{part}"
        for name in hostile
        for part in (*METHODS[method].prefixes, "weight", "0", "modules_to_save")
    ]
    config = AdapterConfig(
        peft_type=method, rank_pattern=dict.fromkeys(hostile, 1), target_parameters=hostile
    )
    for shape in ((), (0,), (3,), (3, 5), (2, 3, 5)):
        modules = list_modules([tensor(name, *shape) for name in names], config)
        assert all(isinstance(module, ModuleInfo) for module in modules)
        assert overall_rank(config, modules) is None or overall_rank(config, modules) >= 0


def test_many_modules_and_many_patterns_take_little_time():
    config = AdapterConfig(
        peft_type="LORA",
        alpha_pattern={f"layers.{number}.self_attn.q_proj": number for number in range(20_000)},
        target_parameters=[f"layers.{number}.experts.up" for number in range(20_000)],
    )
    tensors = [
        tensor(f"s{number}.layers.{number}.self_attn.q_proj.lora_A.weight", 4, 8) for number in range(20_000)
    ]
    started = time.perf_counter()
    assert len(list_modules(tensors, config)) == 20_000
    assert time.perf_counter() - started < 10
