"""A memory estimate opened to its terms: what each counts, in one line, with the figures it is made of."""

from __future__ import annotations

from adapter_ui.catalog.fit import told_task
from adapter_ui.catalog.memory import MARGIN_BYTES, MARGIN_SHARE, adapter_number_bytes
from adapter_ui.catalog.methods.plain import is_plain_lora
from adapter_ui.domain import AdapterProfile, BaseFacts, Fit, MemoryEstimate, MemoryTerm, Precision
from adapter_ui.domain.memory import (
    OPTIMIZER_BYTES,
    PROCESS_BYTES,
    TRAINED_BYTES,
    TRAINED_INT8_BYTES,
    cache_memory,
    linear_parameters,
    linear_rows,
    loaded_parameters,
)

MEBIBYTE = 2**20


def explain_memory(
    profile: AdapterProfile, fit: Fit, precision: Precision, *, training: bool = False
) -> tuple[MemoryTerm, ...]:
    """The terms of one estimate of a Fit, those of zero bytes left out; empty where there is no estimate.

    Names are those of MemoryEstimate's fields; the bytes add up to its total.
    """
    base, estimate = profile.base, (fit.training if training else fit.loading).get(precision)
    if base is None or estimate is None:
        return ()
    formulas = (trained_formulas if training else loaded_formulas)(base, estimate, fit, precision, profile)
    terms = (MemoryTerm(name, getattr(estimate, name), formula) for name, formula in formulas.items())
    return tuple(term for term in terms if term.bytes)


def loaded_formulas(
    base: BaseFacts, estimate: MemoryEstimate, fit: Fit, precision: Precision, profile: AdapterProfile
) -> dict[str, str]:
    plain = is_plain_lora(profile.method, profile.config)
    each = adapter_number_bytes(base, precision, told_task(profile), plain_lora=plain)
    return {
        "weights": weights_formula(base, precision, told_task(profile)),
        "adapter": f"{estimate.adapter // each:,} parameters × {each} bytes",
        "kv_cache": cache_formula(base, precision, fit),
        "margin": f"{MARGIN_BYTES // MEBIBYTE} MiB + {MARGIN_SHARE:.0%} of the weights, for activations",
    }


def trained_formulas(
    base: BaseFacts, estimate: MemoryEstimate, fit: Fit, precision: Precision, profile: AdapterProfile
) -> dict[str, str]:
    trainable = estimate.adapter // TRAINED_BYTES
    token = estimate.activations // fit.context
    return {
        "weights": trained_weights_formula(base, precision, told_task(profile)),
        "adapter": f"{trainable:,} parameters × {TRAINED_BYTES} bytes, always fp32",
        "optimizer": f"{trainable:,} gradients and two moments of AdamW × {OPTIMIZER_BYTES} bytes",
        "activations": f"{fit.context:,} tokens × {token:,} bytes kept for the backward pass",
        "margin": f"{PROCESS_BYTES // MEBIBYTE} MiB for the training process",
    }


def weights_formula(base: BaseFacts, precision: Precision, task_type: str | None) -> str:
    """How the weights of a load come about."""
    parameters = loaded_parameters(base, task_type)
    if precision.is_quantized:
        others = max(parameters - linear_parameters(base), 0)
        return f"{linear_formula(base, precision)} + {others:,} others × 2 bytes"
    if precision is Precision.FP32:
        return f"{parameters:,} parameters × 4 bytes"
    if precision is Precision.FP16 and base.fp32_parameters:
        kept = base.fp32_parameters
        return f"{parameters - kept:,} parameters × 2 bytes + {kept:,} that stay in fp32 × 4 bytes"
    return f"{parameters:,} parameters × 2 bytes"


def trained_weights_formula(base: BaseFacts, precision: Precision, task_type: str | None) -> str:
    """The same under training, which holds in fp32 what is not quantised."""
    if not precision.is_quantized:
        return weights_formula(base, precision, task_type)
    others = max(loaded_parameters(base, task_type) - linear_parameters(base), 0)
    each = TRAINED_INT8_BYTES if precision is Precision.INT8 else 1
    return f"{linear_formula(base, precision, each)} + {others:,} others × 4 bytes"


def linear_formula(base: BaseFacts, precision: Precision, int8_bytes: int = 1) -> str:
    """The quantised linear layers with their factors."""
    linear = linear_parameters(base)
    if precision is Precision.INT8:
        unit = "byte" if int8_bytes == 1 else "bytes"
        return f"{linear:,} linear × {int8_bytes} {unit} + {linear_rows(base):,} row factors × 4 bytes"
    return f"{linear:,} linear × (½ byte + a factor of 4 bytes for every 64)"


def cache_formula(base: BaseFacts, precision: Precision, fit: Fit) -> str:
    """Keys and values of every token; of layers with a window, those of the last ones."""
    if cache_memory(base, precision, fit.context, fit.arms) is None:
        return "a share of the weights, since the base's config does not state its heads"
    tokens = f"{fit.context:,} tokens"
    full = base.layers if base.cache_layers is None else base.cache_layers
    kept = [f"{full} layers × {tokens}"] if full else []
    if base.window_layers:
        kept.append(f"{base.window_layers} layers × {min(fit.context, base.window or fit.context):,} tokens")
    number = 4 if precision is Precision.FP32 else 2
    answers = f" × {fit.arms} answers" if fit.arms > 1 else ""
    return (
        f"2 (keys, values) × ({' + '.join(kept)}) × {base.key_value_heads} heads × {base.head_size} numbers "
        f"× {number} bytes{answers}"
    )
