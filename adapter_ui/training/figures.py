"""Exact figures of a fine-tune before it starts: tokens, lengths, what is cut, trainable parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adapter_ui.domain import LengthHistogram, TokenRow

MOST_BARS = 24
SHOWN_LIMITS = 2
NICE_WIDTHS = (1, 2, 5)


@dataclass(frozen=True)
class Figures:
    """`tokens` is what one epoch sees, `longest` the longest row before cutting; `cut` rows are longer than
    allowed, and of `unlearnable` ones nothing is left to learn. Among these are the `refused`, whose turns
    the base's chat template does not take; `first_refusal` is the first one's place and the reason. `leaked`
    validation rows stand in the training rows too, and `unseen` classes stand in none of those.
    `training_rows` is what one epoch goes through: of a long context each window counts. `unused_classes`
    counts those of the base's own head, where a new one takes its place; `other_classes` names them where as
    many of the data take their places.
    """

    tokens: int
    longest: int
    cut: int
    unlearnable: int
    trainable_parameters: int
    adapter_bytes: int
    lengths: LengthHistogram
    preview: tuple[TokenRow, ...] = ()
    leaked: int = 0
    unseen: tuple[str, ...] = ()
    training_rows: int | None = None
    refused: int = 0
    first_refusal: tuple[int, str] | None = None
    unused_classes: int = 0
    other_classes: tuple[str, ...] = ()


def histogram(lengths: Sequence[int], limit: int) -> LengthHistogram:
    """Rows by their tokens in at most 24 bars; rows of more than twice the limit stand in the last."""
    longest = max(1, *lengths)
    shown = min(longest, SHOWN_LIMITS * limit)
    width = next(
        nice
        for power in range(10)
        for nice in (factor * 10**power for factor in NICE_WIDTHS)
        if nice * MOST_BARS >= shown
    )
    last = (shown - 1) // width
    counts = [0] * (last + 1)
    for length in lengths:
        counts[min(max(length - 1, 0) // width, last)] += 1
    return LengthHistogram(width, tuple(counts), limit, longest)
