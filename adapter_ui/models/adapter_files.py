"""The two files of an adapter, read within bounds before any library sees them.

Knows files and what a sound one looks like; nothing of PEFT, of models or of bases.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adapter_ui.domain import ADAPTER_CONFIG, ADAPTER_WEIGHTS, TensorInfo
from adapter_ui.domain.adapter_config import AdapterFields, parse_fields
from adapter_ui.domain.bounded_json import JSON_BYTES
from adapter_ui.domain.tensor_table import read_tensors
from adapter_ui.errors import BadAdapter, HeaderTooLarge

TABLE_BYTES = 8 * 1024**2
"""More than an inspection reads over the network, and enough for every adapter with a bearable number of
tensors."""


def state_of(folder: Path) -> tuple[object, ...]:
    """What changes when other files stand under the same name: a new revision, or a run that went on."""
    files = [folder / name for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS)]
    found = [file.stat() if file.is_file() else None for file in files]
    return folder, *((one.st_size, one.st_mtime_ns) if one else None for one in found)


def read_json(folder: Path) -> dict[str, Any]:
    """The fields of the adapter's config, each of a sound kind and size. Raises BadAdapter."""
    try:
        with (folder / ADAPTER_CONFIG).open("rb") as file:
            data = file.read(JSON_BYTES + 1)
    except OSError as error:
        raise BadAdapter(
            f"{ADAPTER_CONFIG} cannot be read ({error.strerror}); load the adapter again to download it "
            "afresh."
        ) from error
    return parse_fields(data, AdapterFields).model_dump(exclude_unset=True)


def read_table(folder: Path) -> tuple[TensorInfo, ...]:
    """The table of tensors of the adapter's weights, held against the file's size. Raises BadAdapter."""
    try:
        with (folder / ADAPTER_WEIGHTS).open("rb") as file:
            size = file.seek(0, 2)

            def read(start: int, end: int) -> bytes:
                file.seek(start)
                return file.read(end - start)

            return read_tensors(read, size, TABLE_BYTES)
    except HeaderTooLarge as error:
        raise BadAdapter(
            f"The table of tensors of {ADAPTER_WEIGHTS} is larger than {TABLE_BYTES:,} bytes; no sound "
            "adapter has so many tensors."
        ) from error
    except OSError as error:
        raise BadAdapter(
            f"{ADAPTER_WEIGHTS} cannot be read ({error.strerror}); load the adapter again to download it "
            "afresh."
        ) from error
