"""How much memory a base with an adapter needs in each precision (pure)."""

from __future__ import annotations

from adapter_ui.catalog.methods.plain import WRITES_ROWS
from adapter_ui.domain import BaseFacts, MemoryEstimate, Precision
from adapter_ui.domain.memory import cache_memory, weights_memory, writes_text

CONTEXT_TOKENS = 2048
# PEFT's modules have the dtype of the base's layers; quantised layers take them in fp32.
ATTACHED_BYTES = dict.fromkeys(Precision, 4) | {Precision.BF16: 2, Precision.FP16: 2}
# A plain LoRA that writes text is kept beside the base, always in fp32.
BESIDE_BYTES = 4
MARGIN_BYTES = 256 * 2**20
MARGIN_SHARE = 0.1
UNKNOWN_CACHE_SHARE = 0.05


def estimate_memory(
    base: BaseFacts,
    adapter_parameters: int | None,
    *,
    plain_lora: bool = False,
    task_type: str | None = None,
    context: int = CONTEXT_TOKENS,
    arms: int = 1,
) -> dict[Precision, MemoryEstimate]:
    """An estimate for each precision, in bytes, with the KV cache of `arms` answers of `context` tokens.

    Empty when the base's parameters are not known, or when its files are quantised already: such a base is
    not loaded here. The margin stands for activations and for what libraries keep.
    """
    if not base.parameters or base.quantization:
        return {}
    estimates = {}
    for precision in Precision:
        weights = weights_memory(base, precision, task_type)
        number_bytes = adapter_number_bytes(base, precision, task_type, plain_lora=plain_lora)
        estimates[precision] = MemoryEstimate(
            weights=weights,
            adapter=(adapter_parameters or 0) * number_bytes,
            kv_cache=kv_cache(base, weights, precision, task_type, context, arms),
            margin=MARGIN_BYTES + int(weights * MARGIN_SHARE),
        )
    return estimates


def adapter_number_bytes(
    base: BaseFacts, precision: Precision, task_type: str | None, *, plain_lora: bool
) -> int:
    """What one of an adapter's numbers takes; a base with a window writes with PEFT's modules alone."""
    in_rows = task_type in WRITES_ROWS and writes_text(base, task_type) and not base.window_layers
    return BESIDE_BYTES if plain_lora and in_rows else ATTACHED_BYTES[precision]


def kv_cache(
    base: BaseFacts, weights: int, precision: Precision, task_type: str | None, context: int, arms: int
) -> int:
    """Bytes of keys and values; where the shape is unknown, a share of `weights`. Only who writes has any."""
    if not writes_text(base, task_type):
        return 0
    exact = cache_memory(base, precision, context, arms)
    return (
        exact if exact is not None else int(weights * UNKNOWN_CACHE_SHARE * arms * context / CONTEXT_TOKENS)
    )


def is_exact(base: BaseFacts) -> bool:
    """Whether the estimate follows from the base's own figures alone."""
    has_cache = None not in (base.cache_layers or base.layers, base.key_value_heads, base.head_size)
    if base.linear_parameters is not None:
        return has_cache
    return has_cache and None not in (base.vocab_size, base.hidden_size, base.layers, base.tied_embeddings)
