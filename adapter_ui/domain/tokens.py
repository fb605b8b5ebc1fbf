"""Rows as a base's tokenizer makes them: tokens, which of them are learned, and how long rows are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Token:
    """One token as text. `label` is what it is taught to be called, where words are labelled."""

    text: str
    learned: bool
    label: str = ""


@dataclass(frozen=True)
class TokenRow:
    """The beginning of one row as it is trained on. `length` is in tokens, before the row is cut; `label` is
    the class that the whole row is taught.
    """

    tokens: tuple[Token, ...]
    length: int
    label: str = ""


@dataclass(frozen=True)
class LengthHistogram:
    """How many rows have 1 to `width` tokens, how many up to twice that, and so on.

    The last count also holds all longer rows; the longest has `longest` tokens. Rows are cut at `limit`.
    """

    width: int
    counts: tuple[int, ...]
    limit: int
    longest: int


@dataclass(frozen=True)
class TokenPreview:
    """The first rows as tokens, cut at `limit`; or `missing`, what has to be there first."""

    rows: tuple[TokenRow, ...] = ()
    limit: int | None = None
    missing: str = ""
