"""Read a GGUF file: its metadata, and its tensors as float32 arrays.

Only the tensor types of the embedded base are known: F32, F16, Q4_1 and Q8_0. This module knows the container
and the block formats, not what the tensors mean; `adapter_ui.models.convert` knows that.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

MAGIC = b"GGUF"
VERSION = 3
DEFAULT_ALIGNMENT = 32
MAX_ITEMS = 1_000_000
BLOCK = 32

STRING, ARRAY = 8, 9
SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}

F32, F16, Q4_1, Q8_0 = 0, 1, 3, 8
Q4_1_BLOCK = np.dtype([("scale", "<f2"), ("minimum", "<f2"), ("nibbles", "u1", BLOCK // 2)])
Q8_0_BLOCK = np.dtype([("scale", "<f2"), ("values", "i1", BLOCK)])
ROW_TYPES = {
    F32: np.dtype("<f4"),
    F16: np.dtype("<f2"),
    Q4_1: Q4_1_BLOCK,
    Q8_0: Q8_0_BLOCK,
}


class UnknownGguf(ValueError):
    """The file is not a GGUF file, or not one that this reader knows."""


@dataclass(frozen=True)
class GgufTensor:
    """Where a tensor lies. `shape` has the rows first, as numpy and torch have it."""

    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int


@dataclass(frozen=True)
class GgufFile:
    """A read header over a memory-mapped file."""

    metadata: dict[str, Any]
    tensors: dict[str, GgufTensor]
    data: np.memmap

    def read(self, name: str) -> np.ndarray:
        """The tensor's values in float32. Raises UnknownGguf for another quantization or a short file."""
        tensor = self.tensors[name]
        if tensor.kind not in ROW_TYPES:
            raise UnknownGguf(
                f"Tensor {name} has the quantization type {tensor.kind}, which is not supported."
            )
        block = ROW_TYPES[tensor.kind]
        values_per_block = BLOCK if tensor.kind in (Q4_1, Q8_0) else 1
        count = prod(tensor.shape)
        stored = self.data[tensor.offset : tensor.offset + count // values_per_block * block.itemsize]
        if count % values_per_block or stored.size != count // values_per_block * block.itemsize:
            raise UnknownGguf(f"Tensor {name} does not lie within the file.")
        return dequantize(stored.view(block), tensor.kind).reshape(tensor.shape)


def dequantize(blocks: np.ndarray, kind: int) -> np.ndarray:
    """Stored blocks as float32; a 4-bit block has its first half in the low nibbles, then the high ones."""
    if kind in (F32, F16):
        return blocks.astype(np.float32)
    scale = blocks["scale"].astype(np.float32)[:, None]
    if kind == Q8_0:
        return blocks["values"].astype(np.float32) * scale
    nibbles = np.concatenate([blocks["nibbles"] & 0x0F, blocks["nibbles"] >> 4], axis=1)
    return nibbles.astype(np.float32) * scale + blocks["minimum"].astype(np.float32)[:, None]


def read_gguf(path: Path) -> GgufFile:
    """Read the header of `path`; tensors are read when asked for. Raises UnknownGguf."""
    data = np.memmap(path, dtype=np.uint8, mode="r")
    reader = HeaderReader(data)
    if reader.take(4) != MAGIC or reader.scalar("<I") != VERSION:
        raise UnknownGguf(f"{path.name} is not a GGUF file of version {VERSION}.")
    tensor_count, metadata_count = reader.count(), reader.count()
    metadata = {reader.string(): reader.value(reader.scalar("<I")) for _ in range(metadata_count)}
    found = [reader.tensor() for _ in range(tensor_count)]
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    start = -(-reader.position // alignment) * alignment
    tensors = {t.name: GgufTensor(t.name, t.shape, t.kind, start + t.offset) for t in found}
    return GgufFile(metadata, tensors, data)


class HeaderReader:
    """Walks the header from its first byte; every count is bounded, every read stays within the file."""

    def __init__(self, data: np.memmap) -> None:
        self._data = data
        self.position = 0

    def take(self, size: int) -> bytes:
        piece = self._data[self.position : self.position + size].tobytes()
        if len(piece) != size:
            raise UnknownGguf("The GGUF file ends within its header.")
        self.position += size
        return piece

    def scalar(self, layout: str) -> Any:
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def count(self) -> int:
        count = self.scalar("<Q")
        if count > MAX_ITEMS:
            raise UnknownGguf(f"The GGUF header announces {count} items; at most {MAX_ITEMS} are read.")
        return count

    def string(self) -> str:
        return self.take(self.count()).decode()

    def value(self, kind: int) -> Any:
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            item_kind = self.scalar("<I")
            if item_kind == ARRAY:
                raise UnknownGguf("The GGUF header nests arrays, which is not supported.")
            return [self.value(item_kind) for _ in range(self.count())]
        if kind not in SCALARS:
            raise UnknownGguf(f"The GGUF header holds a value of the unknown type {kind}.")
        return self.scalar(SCALARS[kind])

    def tensor(self) -> GgufTensor:
        name = self.string()
        extents = [self.scalar("<Q") for _ in range(self.scalar("<I"))]
        return GgufTensor(name, tuple(reversed(extents)), self.scalar("<I"), self.scalar("<Q"))
