"""A safetensors header, a stranger's bytes, read into a table of tensors; every figure is checked against the
file.

A header is 8 bytes of length (little-endian) and a JSON object of that length; the data follow without gaps.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from adapter_ui.domain import TensorInfo
from adapter_ui.errors import HeaderTooLarge, HeaderUnreadable

LENGTH_BYTES = 8
FIRST_READ_BYTES = 65_536
INSPECTION_BYTES = 262_144
MOST_TENSORS = 20_000
MOST_AXES = 8
LONGEST_NAME = 1_000
LARGEST_EXTENT = 2**48

# fmt: off
DTYPE_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "I64": 64, "U64": 64, "F64": 64, "C64": 64,
}
# fmt: on
# What torch calls them.
DTYPE_NAMES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
    "C64": "complex64",
    **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
}

ReadRange = Callable[[int, int], bytes]


def read_tensors(
    read: ReadRange, file_size: int | None, limit: int = INSPECTION_BYTES
) -> tuple[TensorInfo, ...]:
    """Read the table of tensors in one or two reads of at most `limit` bytes together.

    `read(start, end)` gives bytes of the file, `file_size` is its size in bytes where known. Raises
    HeaderUnreadable, or HeaderTooLarge.
    """
    start = read(0, min(FIRST_READ_BYTES, limit))
    length = header_length(start, file_size)
    end = LENGTH_BYTES + length
    if end > limit:
        raise HeaderTooLarge(
            f"The table of tensors is {length:,} bytes long, more than an inspection reads; it is checked at "
            "load."
        )
    if end > len(start):
        start += read(len(start), end)
    if len(start) < end:
        raise HeaderUnreadable(
            "The weights file ends inside its table of tensors; ask the author to upload it again."
        )
    return parse_header(start[LENGTH_BYTES:end], None if file_size is None else file_size - end)


def header_length(start: bytes, file_size: int | None) -> int:
    if len(start) < LENGTH_BYTES:
        raise HeaderUnreadable("The weights file is too short to be one; ask the author to upload it again.")
    length = int.from_bytes(start[:LENGTH_BYTES], "little")
    if length < 2 or (file_size is not None and length > file_size - LENGTH_BYTES):
        raise HeaderUnreadable(
            "The weights file is not a safetensors file, whatever its name says; do not use it."
        )
    return length


def parse_header(header: bytes, data_size: int | None) -> tuple[TensorInfo, ...]:
    """Check a header against `data_size`, the bytes that follow it.

    Tensors come in the order of their data.
    """
    try:
        entries = json.loads(header, object_pairs_hook=without_doubles)
    except (ValueError, RecursionError) as error:
        raise HeaderUnreadable(
            "The table of tensors is not JSON; ask the author to upload the weights again."
        ) from error
    if not isinstance(entries, dict):
        raise HeaderUnreadable(
            "The table of tensors is not a JSON object; ask the author to upload the weights again."
        )
    entries.pop("__metadata__", None)
    if any(len(name) > LONGEST_NAME for name in entries):
        raise HeaderUnreadable(
            f"The weights file has a tensor with a name longer than {LONGEST_NAME:,} characters; no sound "
            "adapter has one."
        )
    if len(entries) > MOST_TENSORS:
        raise HeaderUnreadable(
            f"The weights file names {len(entries):,} tensors; no sound adapter has so many."
        )
    tensors = sorted(
        (read_entry(name, entry) for name, entry in entries.items()), key=lambda one: (one.start, one.end)
    )
    check_layout(tensors, data_size)
    return tuple(tensors)


def without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError("a name stands twice")
    return entries


def read_entry(name: str, entry: Any) -> TensorInfo:
    problem = HeaderUnreadable(
        f"The entry of the tensor “{name[:120]}” is not sound; do not use this weights file."
    )
    if not isinstance(entry, dict):
        raise problem
    dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in DTYPE_BITS:
        raise problem
    if not are_counts(shape) or not are_counts(offsets) or len(offsets) != 2 or len(shape) > MOST_AXES:
        raise problem
    tensor = TensorInfo(name, dtype, tuple(shape), *offsets)
    if (tensor.end - tensor.start) * 8 != tensor.parameters * DTYPE_BITS[tensor.dtype]:
        raise problem
    return tensor


def are_counts(values: Any) -> bool:
    return isinstance(values, list) and all(
        type(value) is int and 0 <= value <= LARGEST_EXTENT for value in values
    )


def check_layout(tensors: list[TensorInfo], data_size: int | None) -> None:
    """The data must lie one after the other without gaps, and fill the file."""
    end = 0
    for tensor in tensors:
        if tensor.start != end:
            raise HeaderUnreadable("The tensors of the weights file overlap or leave gaps; do not use it.")
        end = tensor.end
    if data_size is not None and end != data_size:
        raise HeaderUnreadable(
            f"The weights file holds {data_size:,} bytes of data where its table says {end:,}; it is cut or "
            "padded."
        )


def main_dtype(tensors: tuple[TensorInfo, ...]) -> str | None:
    """The dtype of most bytes, by torch's name; None when there are no tensors.

    Whole numbers count only where there are no others: beside weights they are indices.
    """
    numbers = tuple(tensor for tensor in tensors if tensor.dtype.startswith(("F", "BF", "C"))) or tensors
    by_dtype: dict[str, int] = {}
    for tensor in numbers:
        by_dtype[tensor.dtype] = by_dtype.get(tensor.dtype, 0) + tensor.end - tensor.start
    return dtype_name(max(by_dtype, key=by_dtype.__getitem__)) if by_dtype else None


def dtype_name(dtype: str) -> str:
    return DTYPE_NAMES.get(dtype, dtype.lower())
