"""Which token comes next: one row's own temperature, top-k, top-p, repetition penalty and seed.

The same order as transformers' own logits processors: penalty (Keskar et al. 2019), temperature, top-k, then
top-p (Holtzman et al. 2020). Knows logits of one row; nothing of text or of the other rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from adapter_ui.domain import GenerationOptions
from adapter_ui.errors import ModelFailure

GREEDY_BELOW = 1e-6  # logits divided by less than this overflow


class Sampler:
    """Draws from a stream of random numbers that no other row shares, so that a seed repeats an answer
    whatever else is being written, as far as its scores are the same: in bf16 on a CPU with bf16
    instructions a lone row has other kernels than two rows have (see lone.py), and may go another way.
    """

    def __init__(self, options: GenerationOptions, prompt: Sequence[int], seed: int) -> None:
        self.options = options
        self.seen = set(prompt)
        self.random = torch.Generator().manual_seed(seed)

    def choose(self, logits: torch.Tensor) -> int:
        """The next token for `logits` [vocabulary]. Raises ModelFailure when they are no numbers."""
        scores = logits.float()
        if self.options.repetition_penalty != 1:
            scores = self.penalised(scores)
        token = self.greedy(scores) if self.options.temperature < GREEDY_BELOW else self.drawn(scores)
        self.seen.add(token)
        return token

    def greedy(self, scores: torch.Tensor) -> int:
        best, token = scores.max(-1)
        refuse_noise(best)
        return int(token)

    def drawn(self, scores: torch.Tensor) -> int:
        count = min(self.options.top_k or scores.numel(), scores.numel())
        best, tokens = scores.topk(count)
        refuse_noise(best[0])
        # the best one is taken off first: divided by a small temperature, a large score is infinite
        shares = ((best - best[0]) / self.options.temperature).softmax(-1)
        if self.options.top_p < 1:
            # the first token above the threshold is kept, so that one always is
            shares = shares.masked_fill(shares.cumsum(-1) - shares > self.options.top_p, 0)
        return int(tokens[torch.multinomial(shares.cpu(), 1, generator=self.random)[0]])

    def penalised(self, scores: torch.Tensor) -> torch.Tensor:
        seen = torch.tensor(sorted(self.seen), device=scores.device)
        penalty = self.options.repetition_penalty
        before = scores[seen]
        return scores.index_copy(0, seen, torch.where(before < 0, before * penalty, before / penalty))


def refuse_noise(scores: torch.Tensor) -> None:
    """Raise ModelFailure when one of these is no number, or beyond all numbers."""
    if not torch.isfinite(scores).all():
        raise ModelFailure(
            "The model's scores are no numbers any more; try another precision, or less strength."
        )
