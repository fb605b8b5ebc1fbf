"""A question with its context as tokens, and where in the context an answer stands.

A long context is read in windows that overlap, so that an answer at the end of one stands whole in the next.
Knows nothing of models or of training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedTokenizerBase

OVERLAP = 128
FEWEST_CONTEXT_TOKENS = 8
LONGEST_ANSWER = 64
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
Place = tuple[int, int] | None
"""Where a token stands in the context, by characters; None for a token of the question."""


@dataclass(frozen=True)
class Window:
    """What a model reads at once, and the place of each of its tokens in the whole context."""

    inputs: dict[str, list[int]]
    places: list[Place]


def read_windows(
    question: str, context: str, tokenizer: PreTrainedTokenizerBase, max_length: int
) -> list[Window]:
    """The windows of one question; none when it leaves no room for its context."""
    room = max_length - len(tokenizer(question, "")["input_ids"])
    if room < FEWEST_CONTEXT_TOKENS:
        return []
    encoded = tokenizer(
        question,
        context,
        truncation="only_second",
        max_length=max_length,
        stride=min(OVERLAP, room // 2),
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    return [
        Window(
            {name: encoded[name][at] for name in INPUTS if name in encoded},
            [
                tuple(offset) if side == 1 else None
                for offset, side in zip(offsets, encoded.sequence_ids(at), strict=True)
            ],
        )
        for at, offsets in enumerate(encoded["offset_mapping"])
    ]


def likeliest_span(logits: np.ndarray, places: Sequence[Place]) -> tuple[float, int, int]:
    """The best sum of a first and a last logit within the context, and the characters between them.

    `logits` has a row for each token: its logit as the first of the answer, and as the last.
    """
    inside = [at for at, place in enumerate(places) if place is not None]
    firsts, lasts = logits[inside].T
    lasts = np.pad(lasts, (0, LONGEST_ANSWER), constant_values=-np.inf)
    scores = firsts[:, None] + np.lib.stride_tricks.sliding_window_view(lasts, LONGEST_ANSWER + 1)
    first, further = divmod(int(scores.argmax()), LONGEST_ANSWER + 1)
    return float(scores[first, further]), places[inside[first]][0], places[inside[first + further]][1]
