"""Exact figures of a fine-tune before it starts: tokens, rows that are cut, trainable parameters."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figures:
    """`tokens` is what one epoch sees, `longest` the longest row before cutting; `cut` rows are longer than
    allowed, and `unlearnable` ones lose their whole answer by it.
    """

    tokens: int
    longest: int
    cut: int
    unlearnable: int
    trainable_parameters: int
    adapter_bytes: int
