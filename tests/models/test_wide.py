"""Products of many rows in 16 bits, on CPUs with and without instructions for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch.nn.functional import linear

from adapter_ui.models import wide
from adapter_ui.models.wide import FEWEST_ROWS, linear_in_fp32, wide_products
from tests.models.no_products import without_products

SIXTEEN_BITS = pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)


@pytest.fixture
def in_fp32(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, ...]]]:
    """A CPU without products in 16 bits; gives the shapes of the inputs that were read in fp32."""
    read = without_products(monkeypatch)
    with torch.inference_mode(), wide_products():
        yield read


def numbers(*shape: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)


@SIXTEEN_BITS
@pytest.mark.parametrize("piece", [1, 40, 64, wide.PIECE])
@pytest.mark.parametrize("has_bias", [True, False])
def test_products_in_pieces_are_the_exact_ones_rounded_once(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, piece: int, has_bias: bool
):
    monkeypatch.setattr(wide, "PIECE", piece)
    inputs, weight = numbers(2, 5, 16, dtype=dtype), numbers(13, 16, dtype=dtype)
    bias = numbers(13, dtype=dtype) if has_bias else None
    exact = linear(inputs.double(), weight.double(), bias.double() if has_bias else None)
    found = linear_in_fp32(inputs, weight, bias)
    assert found.shape == (2, 5, 13) and found.dtype is dtype
    # half a unit in the last place of each number, and what sums in fp32 are off
    unit = torch.finfo(dtype).eps * exact.abs()
    assert ((found.double() - exact).abs() <= 0.51 * unit + 1e-5).all()


def test_many_rows_are_read_in_fp32_and_few_are_not(in_fp32: list[tuple[int, ...]]):
    weight = numbers(6, 4)
    for rows in (1, FEWEST_ROWS - 1, FEWEST_ROWS):
        linear(numbers(rows, 4), weight)
    linear(numbers(2, FEWEST_ROWS // 2, 4), weight)
    assert in_fp32 == [(FEWEST_ROWS, 4), (2, FEWEST_ROWS // 2, 4)]


def test_nothing_else_is_touched(in_fp32: list[tuple[int, ...]]):
    inputs, weight = numbers(16, 4), numbers(6, 4)
    linear(inputs.float(), weight.float())
    with pytest.raises(RuntimeError, match="dtype"):
        linear(inputs.float(), weight)
    assert torch.equal(inputs.mm(weight.T), inputs @ weight.T)
    assert in_fp32 == []


def test_gradients_are_those_of_torch(in_fp32: list[tuple[int, ...]]):
    with torch.inference_mode(False), torch.enable_grad():
        inputs = numbers(16, 4).requires_grad_()
        linear(inputs, numbers(6, 4)).sum().backward()
    assert inputs.grad is not None
    assert in_fp32 == []


def test_a_cpu_that_multiplies_16_bits_does_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(wide, "can_multiply", lambda dtype: True)
    monkeypatch.setattr(wide, "linear_in_fp32", None)
    with torch.inference_mode(), wide_products():
        assert linear(numbers(16, 4), numbers(6, 4)).shape == (16, 6)
