"""Where the shape of a tensor shows a rank (pure)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isqrt


def as_it_is(extent: int) -> int | None:
    return extent


def half(extent: int) -> int | None:
    """The rank of PVeRA, whose vector holds a mean and a variance for each of its r directions."""
    return extent // 2 if extent % 2 == 0 else None


def side_of_pairs(extent: int) -> int | None:
    """The r of which there are `extent` pairs: a skew-symmetric r x r matrix is r(r-1)/2 numbers."""
    side = (1 + isqrt(1 + 8 * extent)) // 2
    return side if side * (side - 1) // 2 == extent else None


@dataclass(frozen=True)
class Extent:
    """The axis of a method's tensor that is as long as the rank, or from which `rank_of` computes it.

    `part` is the tensor's name within its module, or the beginning of it up to a dot. `axes`, where given, is
    the number of axes that the tensor must have.
    """

    part: str
    axis: int
    axes: int | None = None
    rank_of: Callable[[int], int | None] = as_it_is

    def rank(self, name: str, shape: tuple[int, ...]) -> int | None:
        """The rank that the tensor called `name` within its module shows, if it is this one."""
        fits = len(shape) == self.axes if self.axes is not None else -len(shape) <= self.axis < len(shape)
        return self.rank_of(shape[self.axis]) if fits and is_part(name, self.part) else None


def is_part(name: str, part: str) -> bool:
    """Whether a tensor called `name` within its module is `part`, or lies below it."""
    return name == part or name.startswith(f"{part}.")
