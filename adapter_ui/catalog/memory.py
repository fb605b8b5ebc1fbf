"""How much memory a base with an adapter needs in each precision, and the largest precision that fits (pure).

bitsandbytes quantizes the linear layers only: embeddings, the output layer and the norms stay in 16 bits. It
keeps a float32 factor for every 64 weights in 4 bits, and one for every row in 8 bits.
"""

from __future__ import annotations

from collections.abc import Mapping

from adapter_ui.domain import BaseFacts, MemoryEstimate, Precision

CONTEXT_TOKENS = 2048
# The engine gives an adapter the dtype of its base's layers; quantized layers take it in fp32.
ADAPTER_BYTES = dict.fromkeys(Precision, 4) | {Precision.BF16: 2, Precision.FP16: 2}
FOUR_BIT_BYTES = 0.5 + 4 / 64
MARGIN_BYTES = 256 * 2**20
MARGIN_SHARE = 0.1
UNKNOWN_LINEAR_SHARE = 0.85
UNKNOWN_CACHE_SHARE = 0.05
LARGEST_FIRST = (Precision.FP32, Precision.BF16, Precision.FP16, Precision.INT8, Precision.NF4, Precision.FP4)


def estimate_memory(base: BaseFacts, adapter_parameters: int | None) -> dict[Precision, MemoryEstimate]:
    """An estimate for each precision, in bytes; empty when the base's parameters are not known.

    The margin stands for activations and for what libraries keep.
    """
    if not base.parameters:
        return {}
    estimates = {}
    for precision in Precision:
        weights = weights_memory(base, base.parameters, precision)
        estimates[precision] = MemoryEstimate(
            weights=weights,
            adapter=(adapter_parameters or 0) * ADAPTER_BYTES[precision],
            kv_cache=cache_memory(base, weights, precision),
            margin=MARGIN_BYTES + int(weights * MARGIN_SHARE),
        )
    return estimates


def weights_memory(base: BaseFacts, parameters: int, precision: Precision) -> int:
    """Bytes of the base's weights in memory."""
    if precision is Precision.FP32:
        return 4 * parameters
    if precision in (Precision.BF16, Precision.FP16):
        return 2 * parameters
    linear = linear_parameters(base, parameters)
    kept = 2 * (parameters - linear)
    if precision is Precision.INT8:
        row_factors = 4 * linear // base.hidden_size if base.hidden_size else 0
        return kept + linear + row_factors
    return kept + int(linear * FOUR_BIT_BYTES)


def linear_parameters(base: BaseFacts, parameters: int) -> int:
    """Parameters of the linear layers that bitsandbytes quantizes.

    Where it is not known whether the output layer shares the embedding's weights, it is counted as a second
    one: an estimate that is too high is better than a load that fails.
    """
    if not (base.vocab_size and base.hidden_size and base.layers):
        return int(parameters * UNKNOWN_LINEAR_SHARE)
    tables = 1 if base.tied_embeddings else 2
    kept = tables * base.vocab_size * base.hidden_size + (2 * base.layers + 1) * base.hidden_size
    return max(parameters - kept, 0)


def cache_memory(base: BaseFacts, weights: int, precision: Precision) -> int:
    """Bytes of keys and values of CONTEXT_TOKENS tokens; where unknown, a share of `weights`."""
    if not (base.layers and base.key_value_heads and base.head_size):
        return int(weights * UNKNOWN_CACHE_SHARE)
    number = 4 if precision is Precision.FP32 else 2
    return 2 * base.layers * base.key_value_heads * base.head_size * CONTEXT_TOKENS * number


def is_exact(base: BaseFacts) -> bool:
    """Whether the estimate follows from the base's own figures alone."""
    figures = (base.vocab_size, base.hidden_size, base.layers, base.key_value_heads, base.head_size)
    return None not in figures and base.tied_embeddings is not None


def largest_that_fits(memory: Mapping[Precision, MemoryEstimate], available: int) -> Precision | None:
    """The precision that keeps most of the weights and still fits into `available` bytes."""
    for precision in LARGEST_FIRST:
        if precision in memory and memory[precision].total <= available:
            return precision
    return None
