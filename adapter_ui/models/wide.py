"""Products of many rows in 16 bits, in fp32 by weights converted on the way where the CPU has no better.

With AVX2 alone, for instance, a bf16 product takes as long as its rows take one by one, that of a prompt as
long as those of all its tokens. With its weights converted once for all of them, a piece at a time into
memory that stays in the cache, it takes a fifth. It is no less exact: sums are kept in fp32 either way, and
rounded at the end. Knows torch; nothing of models or answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

FEWEST_ROWS = 8
PIECE = 1 << 19  # numbers of a weight converted at once: 2 MiB


@cache
def can_multiply(dtype: torch.dtype) -> bool:
    """Whether oneDNN has products in `dtype` for this CPU."""
    if dtype is torch.bfloat16:
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    if dtype is torch.float16:
        return torch.ops.mkldnn._is_mkldnn_fp16_supported()
    return True


def wide_products() -> AbstractContextManager[object]:
    """Within it, linear modules in 16 bits on such a CPU read many rows in fp32. For inference alone: nothing
    that wants a gradient is touched.
    """
    if can_multiply(torch.bfloat16) and can_multiply(torch.float16):
        return nullcontext()
    return InFp32()


class InFp32(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is torch.nn.functional.linear and not kwargs and gains_in_fp32(*args):
            return linear_in_fp32(*args)
        return func(*args, **(kwargs or {}))


def gains_in_fp32(inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> bool:
    return (
        inputs.numel() >= FEWEST_ROWS * inputs.shape[-1]
        and inputs.dtype is weight.dtype
        and weight.device.type == "cpu"
        and weight.layout is torch.strided
        and not can_multiply(weight.dtype)
        and not torch.is_grad_enabled()
    )


def linear_in_fp32(
    inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """`inputs` [..., in] @ `weight` [out, in].T + `bias` [out], as [..., out] in the weight's own type."""
    size_out, size_in = weight.shape
    rows = inputs.reshape(-1, size_in).float()
    output = torch.empty(len(rows), size_out)
    height = max(1, PIECE // size_in)
    converted = torch.empty(min(height, size_out), size_in)
    for start in range(0, size_out, height):
        piece = weight[start : start + height]
        torch.mm(rows, converted[: len(piece)].copy_(piece).T, out=output[:, start : start + len(piece)])
    if bias is not None:
        output += bias
    return output.to(weight.dtype).view(*inputs.shape[:-1], size_out)
