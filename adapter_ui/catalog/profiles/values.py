"""A bounded look at the numbers in a weights file: are the tensors that decide all zero, is one not finite?

A trained adapter shows a number other than zero in the first piece that is looked at, which costs at most
one ranged read. Only where all of it is zero is more read, MOST_BYTES in all. Knows offsets and dtypes, no
methods.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np

from adapter_ui.domain import TensorInfo
from adapter_ui.domain.tensor_table import FIRST_READ_BYTES, LENGTH_BYTES, ReadRange, header_length

FIRST_LOOK_BYTES = 65_536
MOST_BYTES = 1_048_576
MOST_READS = 12
GAP_BYTES = 16_384


class Layout(NamedTuple):
    """How a dtype holds its numbers: as unsigned integers of `size` bytes, of which `value` is all but the
    sign; a value of `infinite` and above is an infinity or a NaN.
    """

    size: int
    value: int
    infinite: int | None


LAYOUTS = {
    "F64": Layout(8, 0x7FFF_FFFF_FFFF_FFFF, 0x7FF0_0000_0000_0000),
    "F32": Layout(4, 0x7FFF_FFFF, 0x7F80_0000),
    "C64": Layout(4, 0x7FFF_FFFF, 0x7F80_0000),
    "F16": Layout(2, 0x7FFF, 0x7C00),
    "BF16": Layout(2, 0x7FFF, 0x7F80),
    "F8_E5M2": Layout(1, 0x7F, 0x7C),
    "F8_E4M3": Layout(1, 0x7F, 0x7F),
}
PLAIN_BYTES = Layout(1, 0xFF, None)


class Window(NamedTuple):
    """A piece of the file's data: offsets as in TensorInfo."""

    start: int
    end: int


@dataclass(frozen=True)
class Values:
    """What was seen. Of the `deciding_bytes` of the tensors that decide, `seen_bytes` were read.

    `nonzero` says that one of their numbers is not zero, and `not_finite` names a tensor that holds a NaN or
    an infinity.
    """

    deciding_bytes: int
    seen_bytes: int = 0
    nonzero: bool = False
    not_finite: str | None = None


def look(read: ReadRange, tensors: Sequence[TensorInfo], deciding: Sequence[TensorInfo]) -> Values:
    """Look at the file until it is settled whether the `deciding` ones among its `tensors` are all zero.

    `read(start, end)` gives bytes of the file. Raises what `read` raises.
    """
    # Read for the header before, so that it comes from a cache.
    opening = read(0, FIRST_READ_BYTES)
    data_start = LENGTH_BYTES + header_length(opening, None)
    total = sum(one.end - one.start for one in deciding)
    names = {one.name for one in deciding}
    pieces = chain(
        [(0, opening[data_start:])],
        ((start, read(data_start + start, data_start + end)) for start, end in windows(deciding)),
    )
    seen: list[Window] = []
    nonzero, not_finite = False, None
    for start, data in pieces:
        seen.append(Window(start, start + len(data)))
        nonzero, not_finite = examine(data, start, tensors, names)
        if nonzero or not_finite or overlap(deciding, seen) == total:
            break
    return Values(total, overlap(deciding, seen), nonzero, not_finite)


def windows(deciding: Sequence[TensorInfo]) -> Iterator[Window]:
    """Where to look, in order: a small piece from the middle, then all, or samples from all over the file."""
    if not deciding:
        return
    middle = deciding[len(deciding) // 2]
    everything = Window(deciding[0].start, deciding[-1].end)
    if everything.end - everything.start > FIRST_LOOK_BYTES:
        yield Window(middle.start, min(middle.start + FIRST_LOOK_BYTES, everything.end))
    budget = MOST_BYTES - FIRST_LOOK_BYTES
    spans = merged((Window(one.start, one.end) for one in deciding), GAP_BYTES)
    if everything.end - everything.start <= budget:
        yield everything
    elif len(spans) <= MOST_READS and sum(end - start for start, end in spans) <= budget:
        yield from spans
    else:
        count = min(MOST_READS, len(spans))
        for place in range(count):
            start, end = spans[place * len(spans) // count]
            yield Window(start, min(end, start + budget // count))


def merged(pieces: Iterable[Window], gap: int) -> list[Window]:
    """The pieces in order, those that are at most `gap` bytes apart as one."""
    found: list[Window] = []
    for piece in sorted(pieces):
        if found and piece.start - found[-1].end <= gap:
            found[-1] = Window(found[-1].start, max(found[-1].end, piece.end))
        else:
            found.append(piece)
    return found


def overlap(tensors: Iterable[TensorInfo], seen: Iterable[Window]) -> int:
    """How many bytes of the tensors lie in what was seen."""
    pieces = merged(seen, 0)
    return sum(max(0, min(one.end, end) - max(one.start, start)) for one in tensors for start, end in pieces)


def examine(
    data: bytes, start: int, tensors: Iterable[TensorInfo], deciding: Collection[str]
) -> tuple[bool, str | None]:
    """Whether one of the `deciding` has a number other than zero in this piece, and which of all has one that
    is not finite.
    """
    nonzero, not_finite = False, None
    for tensor in tensors:
        if tensor.start >= start + len(data) or tensor.end <= start:
            continue
        numbers = numbers_of(tensor, data, start)
        infinite = LAYOUTS.get(tensor.dtype, PLAIN_BYTES).infinite
        if infinite is not None and not_finite is None and (numbers >= infinite).any():
            not_finite = tensor.name
        nonzero = nonzero or (tensor.name in deciding and bool(numbers.any()))
    return nonzero, not_finite


def numbers_of(tensor: TensorInfo, data: bytes, start: int) -> np.ndarray:
    """The tensor's whole numbers within a piece of the file, as unsigned integers without their signs."""
    size, value, _ = LAYOUTS.get(tensor.dtype, PLAIN_BYTES)
    begin = max(tensor.start, start)
    begin += (tensor.start - begin) % size
    end = min(tensor.end, start + len(data))
    count = max(0, end - begin) // size
    if not count:
        return np.zeros(0, f"<u{size}")
    return np.frombuffer(data, f"<u{size}", count, begin - start) & np.array(value, f"<u{size}")
