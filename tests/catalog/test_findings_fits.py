"""Modules and shapes held against a base: what is certain is said, what may be otherwise is not."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from adapter_ui.domain import Level
from tests.catalog.evidence import (
    BASE,
    BASE_TENSORS,
    LORA,
    SOUND,
    codes,
    lora,
    message,
    of_tensors,
    tensor,
    with_base,
    with_config,
    with_tensors,
)

SELF_ATTENTION = "base_model.model.model.layers.0.self_attn"
FITTING = {"modules_unmatched", "shape_mismatch", "fits_base", "targets_without_tensors"}


def said(evidence) -> set[str]:
    return codes(evidence) & FITTING


def over(base_tensors, *tensors, **changes):
    evidence = of_tensors(*tensors, **({"target_modules": None} | changes))
    return replace(evidence, base_tensors=base_tensors)


@pytest.mark.parametrize(
    ("name", "base_prefix"),
    [
        ("model.layers.0.self_attn.q_proj", ""),
        ("model.layers.0.self_attn.q_proj", "language_model."),
        ("layers.0.self_attn.q_proj", "model."),
        ("model.language_model.layers.0.self_attn.q_proj", "language_model.model."),
    ],
)
def test_a_prefix_of_its_own_is_no_other_name(name, base_prefix):
    base = {f"{base_prefix}layers.0.self_attn.q_proj.weight": (64, 64)}
    if name.startswith("model.layers"):
        base = {f"{base_prefix}{name}.weight": (64, 64)}
    assert "modules_unmatched" not in said(over(base, *lora(name, 8, 64, 64)))


def test_all_and_some_modules_without_a_namesake_are_told_apart():
    none = over(BASE_TENSORS, *lora("transformer.h.0.attn.c_attn", 8, 64, 192))
    assert message(none, "modules_unmatched").startswith("None of the modules that it changes")
    some = with_tensors(*lora("model.layers.7.self_attn.q_proj", 8, 64, 64))
    assert message(some, "modules_unmatched").startswith("1 of the 2 modules")
    assert not codes(none, Level.BLOCKER)


@pytest.mark.parametrize(
    "evidence",
    [
        # Merged experts have other names in memory than in the file.
        over(BASE_TENSORS, *lora("model.layers.0.mlp.experts.3.up_proj", 8, 9, 9)),
        over(
            BASE_TENSORS, tensor("base_model.model.model.layers.0.mlp.experts.base_layer.lora_A.weight", 8, 9)
        ),
        # A head is added by the model's class.
        over(BASE_TENSORS, *lora("classifier.dense", 8, 9, 9)),
        over(None, *lora("transformer.h.0.attn.c_attn", 8, 9, 9)),
        replace(
            with_config(layer_replication=[[0, 2], [0, 2]]),
            tensors=lora("model.layers.3.self_attn.q_proj", 8, 64, 64),
        ),
        of_tensors(tensor("prompt_embeddings", 8, 64), peft_type="PROMPT_TUNING", num_virtual_tokens=8),
        of_tensors(tensor("base_model.vera_A", 8, 64), tensor("base_model.vera_B", 64, 8), peft_type="VERA"),
    ],
)
def test_what_names_do_not_tell_is_not_said(evidence):
    assert not said(evidence)


@pytest.mark.parametrize(
    "evidence",
    [
        with_base(quantization="bitsandbytes 4-bit"),
        with_config(use_qalora=True),
        with_config(use_bdlora={"target_modules_bd_a": []}),
        with_config(target_parameters=["experts.up_proj"]),
    ],
)
def test_shapes_of_another_kind_are_not_compared(evidence):
    wrong = lora("model.layers.0.self_attn.q_proj", 8, 32, 2048)
    assert "shape_mismatch" not in said(replace(evidence, tensors=wrong))
    assert "shape_mismatch" in said(replace(SOUND, tensors=wrong))


def test_the_transposed_weights_of_gpt2_fit():
    base = {"h.0.attn.c_attn.weight": (64, 192), "h.0.mlp.c_proj.weight": (256, 64)}
    fitting = over(base, *lora("transformer.h.0.attn.c_attn", 4, 64, 192), fan_in_fan_out=True)
    assert said(replace(fitting, base=replace(BASE, model_type="gpt2"))) == {"fits_base"}
    assert "shape_mismatch" in said(over(base, *lora("transformer.h.0.attn.c_attn", 4, 128, 192)))


def test_of_two_towers_the_one_with_the_whole_name_counts():
    base = {
        "vision_tower.layers.0.self_attn.q_proj.weight": (96, 96),
        "language_model.layers.0.self_attn.q_proj.weight": (64, 64),
    }
    assert said(over(base, *lora("language_model.layers.0.self_attn.q_proj", 8, 64, 64))) == {"fits_base"}
    renamed = over(base, *lora("text.layers.0.self_attn.q_proj", 8, 80, 80))
    assert "shape_mismatch" not in said(renamed)


def test_tables_that_grew_are_a_matter_of_vocabulary():
    name = "base_model.model.model.embed_tokens"
    grown = with_tensors(
        tensor(f"{name}.lora_embedding_A", 8, 520), tensor(f"{name}.lora_embedding_B", 64, 8)
    )
    assert "shape_mismatch" not in said(grown)
    assert "vocabulary_mismatch" in codes(grown)
    narrow = with_tensors(
        tensor(f"{name}.lora_embedding_A", 8, 512), tensor(f"{name}.lora_embedding_B", 32, 8)
    )
    assert "shape_mismatch" in said(narrow)


Q = f"{SELF_ATTENTION}.q_proj"
UP = "base_model.model.model.layers.0.mlp.up_proj"


@pytest.mark.parametrize(
    ("method", "right", "wrong"),
    [
        ("IA3", (tensor(f"{UP}.ia3_l", 128, 1),), (tensor(f"{UP}.ia3_l", 96, 1),)),
        ("IA3", (tensor(f"{UP}.ia3_l", 1, 64),), (tensor(f"{UP}.ia3_l", 1, 32),)),
        (
            "LOHA",
            (tensor(f"{UP}.hada_w1_a", 128, 4), tensor(f"{UP}.hada_w1_b", 4, 64)),
            (tensor(f"{UP}.hada_w1_a", 128, 4), tensor(f"{UP}.hada_w1_b", 4, 32)),
        ),
        (
            "LOKR",
            (
                tensor(f"{UP}.lokr_w1", 8, 8),
                tensor(f"{UP}.lokr_w2_a", 16, 2),
                tensor(f"{UP}.lokr_w2_b", 2, 8),
            ),
            (
                tensor(f"{UP}.lokr_w1", 8, 8),
                tensor(f"{UP}.lokr_w2_a", 16, 2),
                tensor(f"{UP}.lokr_w2_b", 2, 9),
            ),
        ),
        ("OFT", (tensor(f"{Q}.oft_R.weight", 4, 120),), (tensor(f"{Q}.oft_R.weight", 6, 120),)),
        ("VERA", (tensor(f"{UP}.vera_lambda_b", 128),), (tensor(f"{UP}.vera_lambda_b", 96),)),
        ("HRA", (tensor(f"{UP}.hra_u", 64, 4),), (tensor(f"{UP}.hra_u", 32, 4),)),
    ],
)
def test_other_methods_that_state_a_size_are_compared_too(method, right, wrong):
    assert said(over(BASE_TENSORS, *right, peft_type=method)) == {"fits_base"}
    assert said(over(BASE_TENSORS, *wrong, peft_type=method)) == {"shape_mismatch"}


def test_a_method_that_states_no_size_is_not_said_to_fit():
    assert not said(over(BASE_TENSORS, tensor(f"{Q}.fourierft_spectrum", 9, 9), peft_type="FOURIERFT"))


def test_targets_of_a_choice_of_layers_may_be_missing():
    targets = {"target_modules": ["q_proj", "v_proj"]}
    assert "targets_without_tensors" in said(with_config(**targets))
    for changes in ({"layers_to_transform": 0}, {"exclude_modules": ["v_proj"]}):
        assert "targets_without_tensors" not in said(with_config(**targets, **changes))


def test_names_made_to_be_compared_without_end_cost_a_moment():
    base = {f"a{number}.x.weight": (64, 64) for number in range(100_000)}
    adapter = [one for number in range(800) for one in lora(f"b{number}.x", 8, 32, 32)]
    targets = [*(f"c{number}.x" for number in range(49)), "a7.x"]
    began = time.process_time()
    evidence = over(base, *adapter, target_modules=targets)
    assert said(evidence) == {"targets_without_tensors"}
    assert "(a7.x)" in message(evidence, "targets_without_tensors")
    assert time.process_time() - began < 10


def test_the_sentence_of_another_base_names_both_shapes():
    wrong = replace(SOUND, tensors=(*LORA, *lora("model.layers.1.mlp.up_proj", 8, 96, 256)))
    sentence = message(wrong, "shape_mismatch")
    assert "model.layers.1.mlp.up_proj has 96 numbers in and 256 numbers out in the adapter" in sentence
    assert "128 x 64 in the base" in sentence
