"""A processor without products in 16 bits, for tests on one that has them."""

from __future__ import annotations

import pytest
import torch

from adapter_ui.models import wide


def without_products(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """From now on 16 bits are not multiplied; gives the shapes of the inputs that are read in fp32, as they
    come.
    """
    read: list[tuple[int, ...]] = []
    in_fp32 = wide.linear_in_fp32

    def seen(inputs: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        read.append(tuple(inputs.shape))
        return in_fp32(inputs, *others)

    monkeypatch.setattr(wide, "can_multiply", lambda dtype: dtype is torch.float32)
    monkeypatch.setattr(wide, "linear_in_fp32", seen)
    return read
