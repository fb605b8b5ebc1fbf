"""What fits where: estimates for a context and arms, devices, and figures opened to their terms."""

from __future__ import annotations

import re
from dataclasses import fields, replace

import pytest

from adapter_ui.catalog.fit import common_devices, fit, fit_devices
from adapter_ui.catalog.machine import CUDA_BYTES, RAM
from adapter_ui.catalog.memory_terms import explain_memory
from adapter_ui.domain import (
    AdapterProfile,
    AdapterRef,
    BaseFacts,
    Device,
    LoadedBase,
    MemoryEstimate,
    ModuleInfo,
    Precision,
)
from adapter_ui.domain.memory import lora_parameters, training_memory
from adapter_ui.errors import InvalidInput

# meta-llama/Llama-3.1-8B, by its config.json and headers.
BASE = BaseFacts(
    "org/llama-8b",
    parameters=8_030_261_248,
    vocab_size=128_256,
    hidden_size=4096,
    layers=32,
    key_value_heads=8,
    head_size=128,
    tied_embeddings=False,
    linear_parameters=6_979_321_856,
    linear_rows=32 * (4096 + 1024 + 1024 + 4096 + 2 * 14_336 + 4096),
    output_parameters=128_256 * 4096,
    cache_layers=32,
)
MODULES = tuple(
    ModuleInfo(f"layers.{layer}.q_proj", "q_proj", layer, 8, 8 * (4096 + 4096)) for layer in range(32)
)
PROFILE = AdapterProfile(
    AdapterRef.parse("a/lora"), None, {}, "LORA", "CAUSAL_LM", 8, 32 * 8 * 8192, None, None, BASE, MODULES
)
GIB = 2**30


def test_the_cache_grows_with_context_and_arms():
    one = fit(BASE, PROFILE, (), context=1000).loading[Precision.BF16]
    assert one.kv_cache == 2 * 32 * 8 * 128 * 1000 * 2
    more = fit(BASE, PROFILE, (), context=4000, arms=3).loading[Precision.BF16]
    assert more.kv_cache == 12 * one.kv_cache
    assert replace(more, kv_cache=one.kv_cache) == one


def test_an_answer_that_is_no_text_needs_no_cache_and_no_output_layer():
    classifier = replace(PROFILE, task_type="SEQ_CLS")
    text, label = (fit(BASE, one, ()).loading[Precision.BF16] for one in (PROFILE, classifier))
    assert label.kv_cache == 0
    assert text.weights - label.weights == 2 * 128_256 * 4096


def test_a_task_that_only_the_adapter_s_class_tells_counts_like_a_stated_one():
    mapping = {"parent_library": "transformers", "base_model_class": "LlamaForSequenceClassification"}
    told = replace(PROFILE, task_type=None, config={"auto_mapping": mapping})
    stated = replace(PROFILE, task_type="SEQ_CLS", config={})
    assert fit(BASE, told, ()) == fit(BASE, replace(PROFILE, task_type="SEQ_CLS"), ())
    opened = [explain_memory(one, fit(BASE, one, ()), Precision.BF16) for one in (told, stated)]
    assert opened[0] == opened[1] != ()


def test_training_is_that_of_an_adapter_like_this_one():
    found = fit(BASE, PROFILE, (), context=512).training
    assert found[Precision.BF16] == training_memory(
        BASE, Precision.BF16, tokens=512, trainable=32 * 8 * 8192, features=32 * 8192, task_type="CAUSAL_LM"
    )
    assert found[Precision.NF4].total < found[Precision.INT8].total < found[Precision.FP32].total


def test_whole_modules_are_trained_but_have_no_low_rank_inputs():
    head = ModuleInfo("lm_head", "lm_head", None, None, 128_256 * 4096, whole=True)
    wide = replace(PROFILE, modules=(*MODULES, head), parameters=PROFILE.parameters + head.parameters)
    plain, heavy = (fit(BASE, one, ()).training[Precision.BF16] for one in (PROFILE, wide))
    assert heavy.activations == plain.activations
    assert heavy.optimizer - plain.optimizer == 12 * head.parameters


def test_an_adapter_of_unknown_size_is_trained_as_a_lora_on_everything():
    unknown = fit(BASE, replace(PROFILE, parameters=None, rank=None, modules=()), ())
    assert unknown.loading[Precision.BF16].adapter == 0
    assert unknown.training[Precision.BF16].adapter == 4 * lora_parameters(BASE, 8)


def test_the_largest_precision_that_fits_is_that_which_keeps_most():
    found = fit(BASE, PROFILE, common_devices())
    best = {device.name: found.largest(device) for device in found.devices}
    assert best["H100 80 GB"] is Precision.FP32
    assert best["RTX 4090 24 GB"] is Precision.BF16
    assert best["T4 16 GB"] is Precision.INT8
    assert best["RTX 3060 12 GB"] is Precision.INT8
    assert found.largest(Device("small", GIB, GIB)) is None
    trained = {device.name: found.largest(device, training=True) for device in found.devices}
    assert trained["RTX 3060 12 GB"] is None
    assert trained["H200 141 GB"] is Precision.FP32


def test_a_precision_that_the_method_does_not_work_in_is_never_the_largest_that_fits():
    found = fit(BASE, replace(PROFILE, method="LOHA"), ())
    assert set(found.loading) == {one for one in Precision if not one.has_4_bits}
    assert found.largest(Device("small", 7 * GIB, 7 * GIB)) is None
    assert fit(BASE, PROFILE, ()).largest(Device("small", 7 * GIB, 7 * GIB)) is not None


def test_what_is_in_memory_needs_no_room_and_what_can_be_unloaded_makes_some():
    base = replace(BASE, id="org/other")
    other = LoadedBase("org/llama-8b", Precision.INT8, "AutoModelForCausalLM", None, "cpu", 20 * GIB)
    ram = Device(RAM, 32 * GIB, 4 * GIB, here=True)
    assert fit(base, PROFILE, (ram,)).loads_here(Precision.BF16) is False
    made = fit(base, PROFILE, (ram, *common_devices()), loaded=(other,))
    assert made.loads_here(Precision.BF16) is True
    assert made.loads_here(Precision.FP32) is False
    assert made.room == dict.fromkeys(Precision, 24 * GIB)
    assert fit(BASE, PROFILE, (ram,), loaded=(replace(other, measured_bytes=0),)).in_memory == (
        Precision.INT8,
    )
    assert fit(base, PROFILE, common_devices()).loads_here(Precision.NF4) is None
    gpu = Device("GPU", 16 * GIB, 8 * GIB, here=True)
    beside = fit(base, PROFILE, (gpu, replace(ram, available=30 * GIB)))
    assert (beside.room[Precision.BF16], beside.room[Precision.NF4]) == (38 * GIB, 8 * GIB)


def test_common_gpus_are_less_than_their_name_and_keep_room_for_cuda():
    for device in common_devices():
        named = int(device.name.split()[-2]) * GIB
        assert 0.9 * named < device.total <= named
        assert device.available == device.total - CUDA_BYTES
        assert not device.here


def test_the_devices_are_this_machine_and_common_ones():
    found = fit_devices(PROFILE, 2048, 1)
    assert (found.context, found.arms) == (2048, 1)
    assert [device.name for device in found.devices if device.here] == [RAM]
    assert found.loading.keys() == found.training.keys() == set(Precision)


@pytest.mark.parametrize(
    "base",
    [None, BaseFacts("a/b"), replace(BASE, quantization="gptq")],
    ids=["no base", "no size", "quantised already"],
)
def test_what_has_no_known_size_has_no_fit(base):
    assert fit_devices(replace(PROFILE, base=base), 2048, 1) is None


@pytest.mark.parametrize("context", [0, -1, 1_000_001, 2.5, True, "many", float("nan"), float("inf")])
def test_a_context_out_of_bounds_is_named(context):
    with pytest.raises(InvalidInput) as caught:
        fit_devices(PROFILE, context, 1)
    assert caught.value.field == "context"


@pytest.mark.parametrize("arms", [0, 17, 1.5, None])
def test_arms_out_of_bounds_are_named(arms):
    with pytest.raises(InvalidInput) as caught:
        fit_devices(PROFILE, 2048, arms)
    assert caught.value.field == "arms"


WINDOWED = replace(BASE, cache_layers=8, window_layers=24, window=1024, fp32_parameters=1_000_000)
PLAIN_WORDS = {"½": "0.5", "a factor of 4 bytes for every 64": "4 / 64", "(keys, values)": "", "×": "*"}


def value_of(formula: str) -> float:
    """The formula's words taken away and the rest calculated."""
    for words, sign in PLAIN_WORDS.items():
        formula = formula.replace(words, sign)
    formula = formula.replace("fp32", "").replace("MiB", f"* {2**20}")
    bare = re.sub(r"[A-Za-z,]", "", formula)
    assert re.fullmatch(r"[\d\s.+*/()]+", bare), formula
    return eval(bare)


@pytest.mark.parametrize("training", [False, True], ids=["loading", "training"])
@pytest.mark.parametrize("precision", Precision, ids=str)
@pytest.mark.parametrize("base", [BASE, WINDOWED], ids=["full", "windowed"])
def test_every_term_says_how_it_comes_about(base, precision, training):
    profile = replace(PROFILE, base=base)
    found = fit(base, profile, (), context=3000, arms=2)
    estimate = (found.training if training else found.loading)[precision]
    terms = explain_memory(profile, found, precision, training=training)
    assert {term.name for term in terms} <= {field.name for field in fields(MemoryEstimate)}
    assert sum(term.bytes for term in terms) == estimate.total
    for term in terms:
        if "% of the weights" not in term.formula:
            assert value_of(term.formula) == pytest.approx(term.bytes, rel=1e-9), term


@pytest.mark.parametrize(("config", "number"), [({}, 4), ({"use_dora": True}, 2)])
def test_the_adapter_s_term_is_that_of_how_it_is_kept(config, number):
    profile = replace(PROFILE, config=config)
    found = fit(BASE, profile, ())
    (adapter,) = (one for one in explain_memory(profile, found, Precision.BF16) if one.name == "adapter")
    assert adapter.formula == f"{profile.parameters:,} parameters × {number} bytes"
    assert adapter.bytes == number * profile.parameters


def test_a_cache_of_unknown_shape_says_so_and_no_estimate_has_no_terms():
    shapeless = replace(PROFILE, base=BaseFacts("a/b", parameters=10**9))
    found = fit(shapeless.base, shapeless, ())
    (cache,) = (one for one in explain_memory(shapeless, found, Precision.BF16) if one.name == "kv_cache")
    assert "a share of the weights" in cache.formula
    assert explain_memory(shapeless, found, Precision.BF16, training=True) == ()
    assert explain_memory(replace(PROFILE, base=None), found, Precision.BF16) == ()
