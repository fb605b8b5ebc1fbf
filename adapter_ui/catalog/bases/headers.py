"""The tables of tensors at the start of a base's weights files: one file or many shards, on the Hub or in a
folder. Not one byte of the weights themselves is read.

A base of the Hub costs two ranged reads for each file: eight bytes that say how long its table is, and the
table. What the tensors mean is not known here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from adapter_ui.catalog.bases.weights import Stored
from adapter_ui.catalog.storage.files import AdapterFiles
from adapter_ui.domain.base_config import shard_names
from adapter_ui.domain.tensor_table import (
    LENGTH_BYTES,
    header_length,
    parse_header,
)
from adapter_ui.errors import HeaderTooLarge, HeaderUnreadable

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
INDEX_BYTES = 8_000_000
MOST_READ = 64
HEADER_BYTES = 4_000_000
ALL_HEADERS_BYTES = 32_000_000
LOCAL_HEADER_BYTES = 16_000_000
READERS = 8


def hub_tensors(files: AdapterFiles) -> dict[str, Stored]:
    """All tensors of a base by name, shards read eight at a time; empty when it has no safetensors weights.

    Raises HubError, HeaderUnreadable, and HeaderTooLarge beyond MOST_READ files, HEADER_BYTES of one table
    or ALL_HEADERS_BYTES of all.
    """
    sizes = files.list()
    if WEIGHTS in sizes:
        names: tuple[str, ...] = (WEIGHTS,)
    elif INDEX in sizes:
        names = shards_to_read(files.read(INDEX, INDEX_BYTES), sizes)
    else:
        return {}
    pool = ThreadPoolExecutor(min(READERS, len(names)), thread_name_prefix="headers")
    try:
        lengths = dict(zip(names, pool.map(lambda name: length_of(files, name), names), strict=True))
        if sum(lengths.values()) > ALL_HEADERS_BYTES:
            raise too_large()
        tables = list(pool.map(lambda name: table_of(files, name, lengths[name]), names))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return {name: one for table in tables for name, one in table.items()}


def folder_tensors(folder: Path) -> dict[str, Stored]:
    """All tensors of the weights files in a folder, by name. Raises OSError and HeaderUnreadable."""
    found: dict[str, Stored] = {}
    for path in folder_weights(folder):
        size = path.stat().st_size
        with path.open("rb") as file:
            length = header_length(file.read(LENGTH_BYTES), size)
            if length > LOCAL_HEADER_BYTES:
                raise too_large()
            found |= stored(file.read(length), size - LENGTH_BYTES - length)
    return found


def folder_weights(folder: Path) -> list[Path]:
    return sorted(folder.glob("model*.safetensors"))


def shards_to_read(index: bytes, sizes: Mapping[str, int | None]) -> tuple[str, ...]:
    """The files that a sharded base's index names. Raises HeaderUnreadable unless all are plain and there,
    and HeaderTooLarge for more than an inspection reads, though a load takes them.
    """
    try:
        named = shard_names(json.loads(index))
    except (ValueError, AttributeError, RecursionError) as error:
        raise HeaderUnreadable("The base's index of weights files cannot be read.") from error
    if named is None or not all(name in sizes for name in named):
        raise HeaderUnreadable("The base's index of weights files names files that it does not have.")
    if len(named) > MOST_READ:
        raise too_large()
    return named


def length_of(files: AdapterFiles, name: str) -> int:
    length = header_length(files.read_range(name, 0, LENGTH_BYTES), files.list()[name])
    if length > HEADER_BYTES:
        raise too_large()
    return length


def table_of(files: AdapterFiles, name: str, length: int) -> dict[str, Stored]:
    header, size = files.read_range(name, LENGTH_BYTES, LENGTH_BYTES + length), files.list()[name]
    return stored(header, None if size is None else size - LENGTH_BYTES - length)


def stored(header: bytes, data_size: int | None) -> dict[str, Stored]:
    return {one.name: Stored(one.dtype, one.shape) for one in parse_header(header, data_size)}


def too_large() -> HeaderTooLarge:
    return HeaderTooLarge("The base's tables of tensors are longer than an inspection reads.")
