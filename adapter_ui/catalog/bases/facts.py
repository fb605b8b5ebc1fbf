"""What is known of a base model without its weights: the Hub's metadata, config.json and the headers of a
folder become BaseFacts. What none of them says stays None.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapter_ui.catalog.bases.architecture import architecture
from adapter_ui.catalog.bases.headers import folder_tensors, folder_weights
from adapter_ui.catalog.bases.weights import facts_with_tensors, is_packed
from adapter_ui.domain import ADAPTER_CONFIG, BaseFacts
from adapter_ui.domain.base_config import LARGEST_COUNT
from adapter_ui.domain.tensor_table import DTYPE_BITS, dtype_name
from adapter_ui.errors import BadAdapter, BaseUnavailable

CONFIG_NAME = "config.json"
CONFIG_BYTES = 2_000_000


def facts_from_metadata(info: Mapping[str, Any], config: Mapping[str, Any] | None) -> BaseFacts:
    """The Hub's metadata of a base (with file sizes), and its config.json where it could be read."""
    counted = info.get("safetensors")
    by_dtype = parameters_by_dtype(counted if isinstance(counted, dict) else {})
    files = file_sizes(info)
    card = info.get("cardData")
    license_name = card.get("license") if isinstance(card, dict) else None
    told = architecture(config or {})
    counts = not is_packed(told["quantization"], by_dtype)
    return BaseFacts(
        id=str(info["id"]),
        commit=info["sha"] if isinstance(info.get("sha"), str) else None,
        parameters=sum(by_dtype.values()) or None if counts else None,
        size_bytes=bytes_of(by_dtype) or weights_size(files),
        dtype=main_dtype_of(by_dtype),
        gated=bool(info.get("gated")),
        license=license_name if isinstance(license_name, str) else None,
        weights=weights_format(files),
        is_adapter=ADAPTER_CONFIG in files,
        **told,
    )


def local_base_facts(folder: Path, base_id: str) -> BaseFacts:
    """Facts of a base in a folder of this machine.

    Raises BaseUnavailable when it is not a sound model folder.
    """
    try:
        config = json.loads((folder / CONFIG_NAME).read_bytes()[:CONFIG_BYTES])
        tensors = folder_tensors(folder)
    except (OSError, ValueError, BadAdapter) as error:
        raise BaseUnavailable(
            f"The folder of the base {base_id} cannot be read; delete it and load it again."
        ) from error
    if not tensors or not isinstance(config, dict):
        raise BaseUnavailable(
            f"The folder of the base {base_id} holds no safetensors weights; delete it and load it again."
        )
    facts = facts_with_tensors(BaseFacts(base_id, weights="safetensors", **architecture(config)), tensors)
    return replace(facts, size_bytes=sum(path.stat().st_size for path in folder_weights(folder)))


def parameters_by_dtype(counted: Mapping[str, Any]) -> dict[str, int]:
    parameters = counted.get("parameters")
    if not isinstance(parameters, dict):
        return {}
    return {dtype: n for dtype, n in parameters.items() if type(n) is int and 0 < n <= LARGEST_COUNT * 16}


def bytes_of(by_dtype: Mapping[str, int]) -> int | None:
    """Bytes of these tensors; None where a dtype is not known."""
    if not by_dtype.keys() <= DTYPE_BITS.keys():
        return None
    return sum(count * DTYPE_BITS[dtype] // 8 for dtype, count in by_dtype.items())


def main_dtype_of(by_dtype: Mapping[str, int]) -> str | None:
    return dtype_name(max(by_dtype, key=by_dtype.__getitem__)) if by_dtype else None


def file_sizes(info: Mapping[str, Any]) -> dict[str, int | None]:
    """Names of a repository's files with their sizes in bytes, from its metadata."""
    siblings = info.get("siblings")
    sizes: dict[str, int | None] = {}
    for sibling in siblings if isinstance(siblings, list) else ():
        if isinstance(sibling, dict) and isinstance(name := sibling.get("rfilename"), str):
            size = sibling.get("size")
            sizes[name] = size if type(size) is int else None
    return sizes


def weights_size(files: Mapping[str, int | None]) -> int | None:
    """Bytes of the weights files at the top of a repository, of the format that would be loaded."""
    for suffix in (".safetensors", ".bin"):
        sizes = [size for name, size in files.items() if name.endswith(suffix) and "/" not in name]
        if sizes and None not in sizes:
            return sum(size for size in sizes if size is not None)
    return None


def weights_format(files: Mapping[str, int | None]) -> str | None:
    """safetensors, pickle or gguf: the safest format the repository has; None when it has no weights."""
    for suffix, name in (
        (".safetensors", "safetensors"),
        (".gguf", "gguf"),
        (".bin", "pickle"),
        (".pth", "pickle"),
    ):
        if any(file.endswith(suffix) for file in files):
            return name
    return None
