"""Predicted memory against models that are really built, and the choice of what fits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapter_ui.catalog.bases.architecture import architecture
from adapter_ui.catalog.memory import CONTEXT_TOKENS, estimate_memory, is_exact
from adapter_ui.domain import BaseFacts, MemoryEstimate, Precision, largest_that_fits
from adapter_ui.domain.memory import linear_parameters

# HuggingFaceTB/SmolLM2-135M-Instruct, and what its weights were measured to take in each precision.
SMOL = BaseFacts(
    "HuggingFaceTB/SmolLM2-135M-Instruct",
    parameters=134_515_008,
    vocab_size=49_152,
    hidden_size=576,
    layers=30,
    key_value_heads=3,
    head_size=64,
    tied_embeddings=True,
)
MEASURED_MIB = {Precision.FP32: 513, Precision.BF16: 257, Precision.FP16: 257, Precision.INT8: 155}


@pytest.mark.parametrize(("precision", "mib"), MEASURED_MIB.items())
def test_weights_are_what_was_measured(precision, mib):
    assert estimate_memory(SMOL, 0)[precision].weights / 2**20 == pytest.approx(mib, rel=0.01)


def test_four_bits_are_the_codes_and_a_float_for_every_64():
    linear = linear_parameters(SMOL)
    weights = estimate_memory(SMOL, 0)[Precision.NF4].weights
    assert weights == linear // 2 + linear // 16 + 2 * (SMOL.parameters - linear)
    assert estimate_memory(SMOL, 0)[Precision.FP4].weights == weights


@pytest.mark.parametrize("tied", [True, False])
def test_linear_parameters_are_those_of_a_real_model(tied):
    from torch import nn
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=512, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=tied,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    truth = sum(
        module.weight.numel()
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name != "lm_head"
    )
    parameters = sum(parameter.numel() for parameter in model.parameters())
    base = BaseFacts("a/b", parameters=parameters, **architecture(config.to_dict()))
    assert linear_parameters(base) == truth
    assert is_exact(base)


def test_the_cache_is_that_of_a_real_model():
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=64, hidden_size=64, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2,
    )  # fmt: skip
    tokens = 16
    cache = LlamaForCausalLM(config)(
        torch.zeros((1, tokens), dtype=torch.long), use_cache=True
    ).past_key_values
    real = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    base = BaseFacts("a/b", parameters=1, **architecture(config.to_dict()))
    assert estimate_memory(base, 0)[Precision.FP32].kv_cache == real * CONTEXT_TOKENS // tokens
    assert estimate_memory(base, 0)[Precision.BF16].kv_cache == real * CONTEXT_TOKENS // tokens // 2


def test_a_plain_lora_that_writes_is_counted_in_fp32_and_others_as_the_layers_that_they_are_in():
    numbers = {precision: 2 if precision.value in ("bf16", "fp16") else 4 for precision in Precision}
    for precision, attached in numbers.items():
        plain, more = (estimate_memory(SMOL, 460_800, plain_lora=one)[precision] for one in (True, False))
        assert (plain.adapter, more.adapter) == (460_800 * 4, 460_800 * attached)
    label = estimate_memory(SMOL, 10, plain_lora=True, task_type="SEQ_CLS")[Precision.BF16]
    windowed = estimate_memory(replace(SMOL, window_layers=15), 10, plain_lora=True)[Precision.BF16]
    assert label.adapter == windowed.adapter == 20


def test_an_adapter_of_unknown_size_counts_for_nothing():
    assert estimate_memory(SMOL, None)[Precision.NF4].adapter == 0


def test_an_unknown_shape_is_approximate_and_unknown_parameters_give_nothing():
    shapeless = BaseFacts("a/b", parameters=10**9)
    memory = estimate_memory(shapeless, 0)
    assert not is_exact(shapeless)
    assert memory[Precision.NF4].weights < memory[Precision.INT8].weights < memory[Precision.BF16].weights
    assert memory[Precision.BF16].kv_cache > 0
    assert estimate_memory(BaseFacts("a/b"), 10) == {}


def test_where_the_output_layer_is_unknown_more_is_counted():
    unknown = replace(SMOL, tied_embeddings=None)
    assert estimate_memory(unknown, 0)[Precision.NF4].total > estimate_memory(SMOL, 0)[Precision.NF4].total


def test_a_vocabulary_larger_than_the_model_gives_no_negative_size():
    odd = replace(SMOL, parameters=1000)
    assert all(estimate.weights > 0 for estimate in estimate_memory(odd, 0).values())


def test_the_largest_precision_that_fits():
    memory = {
        precision: MemoryEstimate(size, 0, 0, 0)
        for precision, size in zip(Precision, (400, 200, 200, 120, 80, 80), strict=True)
    }
    fits = {size: largest_that_fits(memory, size) for size in (500, 400, 399, 199, 119, 79)}
    assert list(fits.values()) == [
        Precision.FP32,
        Precision.FP32,
        Precision.BF16,
        Precision.INT8,
        Precision.NF4,
        None,
    ]
    assert largest_that_fits({}, 10**12) is None


def test_only_the_last_tokens_of_a_window_are_kept():
    windowed = replace(SMOL, cache_layers=10, window_layers=20, window=512)
    number = 2 * 3 * 64 * 2
    (short, long) = (
        estimate_memory(windowed, 0, context=context)[Precision.BF16].kv_cache for context in (100, 5000)
    )
    assert short == 30 * 100 * number
    assert long == (10 * 5000 + 20 * 512) * number


def test_every_arm_has_a_cache_of_its_own():
    one, four = (estimate_memory(SMOL, 0, arms=arms)[Precision.NF4].kv_cache for arms in (1, 4))
    assert four == 4 * one


@pytest.mark.parametrize("task_type", ["SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS", "FEATURE_EXTRACTION"])
def test_a_task_without_text_has_no_cache(task_type):
    assert estimate_memory(SMOL, 0, task_type=task_type)[Precision.BF16].kv_cache == 0


def test_a_base_is_loaded_as_it_was_saved_where_no_task_is_stated():
    encoder = replace(SMOL, architectures=("RobertaForMaskedLM",), output_parameters=1_000_000)
    writer = replace(encoder, architectures=("LlamaForCausalLM",))
    kept, full = (estimate_memory(base, 0)[Precision.BF16] for base in (encoder, writer))
    assert full.weights - kept.weights == 2 * 1_000_000
    assert kept.kv_cache == 0 < full.kv_cache


def test_files_that_are_quantized_already_are_not_estimated():
    assert estimate_memory(replace(SMOL, quantization="gptq"), 0) == {}
