"""What a base's table of tensors tells that its metadata does not (pure): which parameters a load keeps, and
which of them bitsandbytes quantises.

transformers replaces a module when it is a plain `nn.Linear` or `Conv1D` and no output layer (installed
source: `integrations/bitsandbytes.py`, `quantizers/base.py`). Headers hold names and shapes, no modules, so
the rules here were checked against the modules of all families that transformers builds; what they miss is
under 1 % of a model, but for a few research families.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import prod
from typing import NamedTuple

from adapter_ui.domain import BaseFacts
from adapter_ui.domain.tensor_table import DTYPE_BITS, dtype_name

# The last part of a table's module name: embed_tokens, word_embeddings, wte, shared …
TABLE = re.compile(r".*embed(?!dings_project|ding_hidden).*|wte|wpe|shared|relative_attention_bias|pos_emb")
OUTPUT_PARTS = {
    "lm_head", "embed_out", "output_projection", "cls", "predictions", "lm_predictions", "generator_lm_head",
    "generator_predictions", "discriminator_predictions", "vocab_transform", "vocab_layer_norm",
    "vocab_projector",
}  # fmt: skip
# transformers merges the experts of a mixture into one tensor, which is no linear module any more.
EXPERT = re.compile(r"\.experts\.\d+\.")
# Buffers, which are no parameters; most were saved by older versions of transformers and are dropped today.
DROPPED = re.compile(r".*(\.inv_freq|\.masked_bias|position_ids|final_logits_bias)")
OLD_MASK = re.compile(r".*\b(attn|attention)\.bias")
TRANSPOSED = {"gpt2", "openai-gpt", "imagegpt", "decision_transformer", "clvp"}
# Their linear layers are classes of their own, which are left as they are.
NEVER_QUANTIZED = {"falcon", "ibert"}
# The T5 family's `wo` overflows in fp16: there it stays in fp32, and it is never quantised.
KEPT_IN_FP32 = dict.fromkeys(("t5", "mt5", "umt5", "udop", "pop2piano"), "wo")

# Where files are quantised already, such a number may hold several weights (bitsandbytes' 4 bits, GPTQ, AWQ,
# MXFP4). In 8 bits there is one number for each weight, and beside them a few of these, one for a module.
PACKED = ("U8", "I32", "U32", "I64")
FEW = 0.01


class Stored(NamedTuple):
    """One tensor of a base as its file has it. `dtype` is the file's word for it: F32, BF16, …"""

    dtype: str
    shape: tuple[int, ...]


def facts_with_tensors(facts: BaseFacts, tensors: Mapping[str, Stored]) -> BaseFacts:
    """The facts with what the tensors, by name, settle: sizes, dtype, tied embeddings and linear layers.

    `parameters` counts what a load keeps; an output layer that is a copy of the embeddings is not counted.
    Where weights are packed, nothing is counted.
    """
    kept = {name: one for name, one in tensors.items() if not is_dropped(name, one)}
    by_dtype: dict[str, int] = {}
    for one in kept.values():
        by_dtype[one.dtype] = by_dtype.get(one.dtype, 0) + prod(one.shape)
    output = {name: one for name, one in kept.items() if is_output(name)}
    tables = [one for one in output.values() if is_vocabulary_table(one, facts.vocab_size)]
    tied = not tables or facts.tied_embeddings is True
    copied = count(tables) if tied else 0
    linear = {name: one for name, one in kept.items() if is_linear(name, one, facts)}
    axis = 1 if facts.model_type in TRANSPOSED else 0
    facts = replace(
        facts,
        parameters=None,
        size_bytes=sum(prod(one.shape) * DTYPE_BITS[one.dtype] // 8 for one in tensors.values()),
        dtype=dtype_name(max(by_dtype, key=by_dtype.__getitem__)) if by_dtype else None,
        tied_embeddings=tied,
    )
    if is_packed(facts.quantization, by_dtype):
        return facts
    return replace(
        facts,
        parameters=count(kept.values()) - copied,
        linear_parameters=count(linear.values()),
        linear_rows=sum(one.shape[axis] for one in linear.values()),
        output_parameters=count(output.values()) - copied,
        fp32_parameters=count(one for name, one in kept.items() if is_kept_in_fp32(name, facts)),
    )


def is_packed(quantization: str | None, by_dtype: Mapping[str, int]) -> bool:
    """Whether files with so many numbers of each dtype hold several weights in one number."""
    packed = sum(by_dtype.get(dtype, 0) for dtype in PACKED)
    return quantization is not None and packed > FEW * sum(by_dtype.values())


def count(tensors: Iterable[Stored]) -> int:
    return sum(prod(one.shape) for one in tensors)


def is_dropped(name: str, tensor: Stored) -> bool:
    """Whether it is no parameter of the model that transformers builds today."""
    is_mask = OLD_MASK.fullmatch(name) is not None and len(tensor.shape) == 4
    return is_mask or DROPPED.fullmatch(name) is not None


def is_output(name: str) -> bool:
    """Whether it belongs to the layer that turns hidden states into words."""
    return not OUTPUT_PARTS.isdisjoint(name.split("."))


def is_vocabulary_table(tensor: Stored, vocab_size: int | None) -> bool:
    """Whether an output tensor has a row for each word; files may pad the vocabulary."""
    return len(tensor.shape) == 2 and (vocab_size is None or tensor.shape[0] >= vocab_size)


def is_linear(name: str, tensor: Stored, facts: BaseFacts) -> bool:
    """Whether bitsandbytes quantises it when the base is loaded."""
    module, _, kind = name.rpartition(".")
    if kind != "weight" or len(tensor.shape) != 2 or facts.model_type in NEVER_QUANTIZED:
        return False
    is_table = TABLE.fullmatch(module.rpartition(".")[2]) is not None or tensor.shape[0] == facts.vocab_size
    return not (is_table or is_output(name) or EXPERT.search(name) or is_kept_in_fp32(name, facts))


def is_kept_in_fp32(name: str, facts: BaseFacts) -> bool:
    module = KEPT_IN_FP32.get(facts.model_type or "")
    return module is not None and name.endswith(f".{module}.weight")
