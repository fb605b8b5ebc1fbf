"""Memory arithmetic that more than one room needs: the weights of a base in each precision, its KV cache, and
what training a LoRA on it takes (pure).

bitsandbytes quantises plain linear layers only; embeddings, the output layer and norms stay in 16 bits. In 4
bits it keeps an fp32 factor for every 64 weights (QLoRA, Dettmers et al. 2023, without double quantisation),
in 8 bits one for every row (LLM.int8, Dettmers et al. 2022).
"""

from __future__ import annotations

from adapter_ui.domain.adapters import BaseFacts
from adapter_ui.domain.models import MemoryEstimate, Precision

FOUR_BIT_BYTES = 0.5 + 4 / 64
TEXT_TASKS = ("CAUSAL_LM", "SEQ_2_SEQ_LM")
WRITERS = ("CausalLM", "LMHead", "ForConditionalGeneration")
UNKNOWN_LINEAR_SHARE = 0.85

# Training holds each trained parameter in fp32, with its gradient and AdamW's two moments beside it.
TRAINED_BYTES = 4
OPTIMIZER_BYTES = 12
# An int8 weight, and as much again while it is being quantised.
TRAINED_INT8_BYTES = 2
# What one token leaves behind for the backward pass, in bytes, as measured on a 135M Llama: in each layer per
# hidden unit; in the adapter per input and output of an adapted module; at the output per word. On a
# quantised base most of it is computed anew.
LAYER_BYTES = {Precision.FP32: 48, Precision.BF16: 26, Precision.FP16: 26}
LORA_BYTES = {Precision.FP32: 3, Precision.BF16: 6, Precision.FP16: 6}
CHECKPOINTED_LAYER_BYTES, CHECKPOINTED_LORA_BYTES = 8, 2
OUTPUT_BYTES = 16
PROCESS_BYTES = 768 * 2**20


def writes_text(base: BaseFacts, task_type: str | None) -> bool:
    """Whether the base is loaded to write: for the task, else as what it was saved."""
    if task_type is not None:
        return task_type in TEXT_TASKS
    return not base.architectures or any(part in name for name in base.architectures for part in WRITERS)


def loaded_parameters(base: BaseFacts, task_type: str | None = None) -> int:
    """Parameters of the base that a load for the task keeps: only who writes needs the output layer."""
    output = 0 if writes_text(base, task_type) else base.output_parameters or 0
    return max((base.parameters or 0) - output, 0)


def linear_parameters(base: BaseFacts) -> int:
    """Parameters of the linear layers that bitsandbytes quantises, as the headers or the shape tell.

    Where it is not known whether the output layer shares the embedding's weights, it is counted as a second
    one: an estimate that is too high is better than a load that fails.
    """
    if base.linear_parameters is not None:
        return base.linear_parameters
    parameters = base.parameters or 0
    if not (base.vocab_size and base.hidden_size and base.layers):
        return int(parameters * UNKNOWN_LINEAR_SHARE)
    tables = 1 if base.tied_embeddings else 2
    kept = tables * base.vocab_size * base.hidden_size + (2 * base.layers + 1) * base.hidden_size
    return max(parameters - kept, 0)


def linear_rows(base: BaseFacts) -> int:
    """Rows of those layers: each has a factor in int8."""
    if base.linear_rows is not None:
        return base.linear_rows
    return linear_parameters(base) // base.hidden_size if base.hidden_size else 0


def linear_memory(base: BaseFacts, precision: Precision) -> int:
    """Bytes of the quantised linear layers with their factors."""
    linear = linear_parameters(base)
    if precision is Precision.INT8:
        return linear + 4 * linear_rows(base)
    return int(linear * FOUR_BIT_BYTES)


def weights_memory(base: BaseFacts, precision: Precision, task_type: str | None = None) -> int:
    """Bytes of the base's weights when it is loaded for the task."""
    parameters = loaded_parameters(base, task_type)
    if precision is Precision.FP32:
        return 4 * parameters
    if precision is Precision.FP16:
        return 2 * parameters + 2 * (base.fp32_parameters or 0)
    if precision is Precision.BF16:
        return 2 * parameters
    return 2 * max(parameters - linear_parameters(base), 0) + linear_memory(base, precision)


def cached_tokens(base: BaseFacts, context: int) -> int | None:
    """Tokens whose keys and values are kept, summed over the layers; None where the shape is not known."""
    layers = base.cache_layers if base.cache_layers is not None else base.layers
    if layers is None:
        return None
    return layers * context + (base.window_layers or 0) * min(context, base.window or context)


def cache_memory(base: BaseFacts, precision: Precision, context: int, arms: int) -> int | None:
    """Bytes of keys and values of `context` tokens in each of `arms` answers; None where not known."""
    tokens = cached_tokens(base, context)
    if tokens is None or not (base.key_value_heads and base.head_size):
        return None
    number = 4 if precision is Precision.FP32 else 2
    return 2 * tokens * base.key_value_heads * base.head_size * number * arms


def training_memory(
    base: BaseFacts,
    precision: Precision,
    *,
    tokens: int,
    trainable: int,
    features: int,
    task_type: str | None,
) -> MemoryEstimate | None:
    """Memory of training in bytes, term by term; None when the base's size or shape is not known.

    `tokens` are those of one batch, `trainable` the adapter's parameters, and `features` the inputs and
    outputs of its modules together.
    """
    if not (base.parameters and base.hidden_size and base.layers):
        return None
    return MemoryEstimate(
        weights=trained_weights_memory(base, precision, task_type),
        adapter=TRAINED_BYTES * trainable,
        kv_cache=0,
        margin=PROCESS_BYTES,
        activations=tokens * token_memory(base, precision, features, task_type),
        optimizer=OPTIMIZER_BYTES * trainable,
    )


def trained_weights_memory(base: BaseFacts, precision: Precision, task_type: str | None) -> int:
    """Bytes of a frozen base under training, which holds in fp32 what bitsandbytes leaves unquantised
    (PEFT's `prepare_model_for_kbit_training`).
    """
    if not precision.is_quantized:
        return weights_memory(base, precision, task_type)
    others = max(loaded_parameters(base, task_type) - linear_parameters(base), 0)
    if precision is Precision.INT8:
        return 4 * others + TRAINED_INT8_BYTES * linear_parameters(base) + 4 * linear_rows(base)
    return 4 * others + linear_memory(base, precision)


def token_memory(base: BaseFacts, precision: Precision, features: int, task_type: str | None) -> int:
    """Bytes that one token of a batch holds until the backward pass."""
    per_unit = LAYER_BYTES.get(precision, CHECKPOINTED_LAYER_BYTES)
    per_feature = LORA_BYTES.get(precision, CHECKPOINTED_LORA_BYTES)
    output = OUTPUT_BYTES * (base.vocab_size or 0) if writes_text(base, task_type) else 0
    return per_unit * (base.hidden_size or 0) * (base.layers or 0) + per_feature * features + output


def lora_parameters(base: BaseFacts, rank: int) -> int:
    """Parameters of a LoRA on all seven linear modules of each layer: the most that usual recipes train."""
    return 20 * rank * (base.hidden_size or 0) * (base.layers or 0)
