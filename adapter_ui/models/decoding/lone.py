"""A single token of a single row on a CPU: torch's own bf16 products in place of oneDNN's.

oneDNN takes 17 to 31 µs for a bf16 product however small it is, and a token of one row is made of hundreds:
without it that token takes a quarter less time, and is no less exact. From two rows on oneDNN is the faster
one, and always where it has no bf16 instructions to use. Knows torch's switch; nothing of rows.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from transformers import PreTrainedModel

from adapter_ui.models.wide import can_multiply


def gains_without_onednn(model: PreTrainedModel) -> bool:
    """Whether a lone token of this model is faster so: in bf16, where nothing is quantised (int8 would lose a
    third, and the other precisions gain nothing).
    """
    quantised = getattr(model, "quantization_method", None) is not None
    in_bf16 = model.dtype is torch.bfloat16 and can_multiply(torch.bfloat16)
    return in_bf16 and model.device.type == "cpu" and not quantised


def without_onednn(wanted: bool) -> AbstractContextManager[None]:
    if not wanted:
        return nullcontext()
    as_they_are = {"deterministic": None, "allow_tf32": None, "fp32_precision": None}
    return torch.backends.mkldnn.flags(enabled=False, **as_they_are)
