"""One row's next token, from scores of any size."""

from __future__ import annotations

import pytest
import torch
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from adapter_ui.domain import GenerationOptions
from adapter_ui.models.decoding.sampler import GREEDY_BELOW, Sampler

LARGEST = torch.finfo(torch.float32).max
SCORES = torch.randn(300, generator=torch.Generator().manual_seed(0)) * 4


@pytest.mark.parametrize("best", [LARGEST, 1e34, 50.0, -1e34], ids=str)
@pytest.mark.parametrize("temperature", [GREEDY_BELOW, 0.001, 0.7])
def test_large_scores_are_drawn_from_at_any_temperature(best: float, temperature: float) -> None:
    scores = torch.full((300,), -LARGEST)
    scores[17] = best
    options = GenerationOptions(temperature=temperature, top_p=1, top_k=0)
    assert Sampler(options, [5], 3).choose(scores) == 17


@pytest.mark.parametrize(("top_k", "top_p"), [(0, 1), (20, 1), (0, 0.9), (50, 0.95)])
def test_tokens_are_as_likely_as_in_transformers(top_k: int, top_p: float) -> None:
    """A draw in which all that may come has its turn, with the shares that transformers gives them."""
    options = GenerationOptions(temperature=1.3, top_p=top_p, top_k=top_k)
    sampler = Sampler(options, [5], 3)
    drawn = torch.bincount(torch.tensor([sampler.choose(SCORES) for _ in range(4000)]), minlength=300)
    expected = TemperatureLogitsWarper(1.3)(None, SCORES[None])
    expected = TopKLogitsWarper(top_k)(None, expected) if top_k else expected
    expected = (
        TopPLogitsWarper(top_p)(None, expected).softmax(-1)[0] if top_p < 1 else expected.softmax(-1)[0]
    )
    assert not drawn[expected == 0].any()
    assert (drawn / 4000 - expected).abs().max() < 0.03
