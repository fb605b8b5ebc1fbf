"""What is known of a base model without its weights: metadata, config.json and headers become BaseFacts
(pure, but for one function that reads a folder). What none of them says stays None.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from adapter_ui.catalog.profiles.tensors import (
    DTYPE_BITS,
    HeaderTooLarge,
    HeaderUnreadable,
    dtype_name,
    read_tensors,
)
from adapter_ui.domain import ADAPTER_CONFIG, BaseFacts, TensorInfo
from adapter_ui.errors import BaseUnavailable

CONFIG_NAME = "config.json"
CONFIG_BYTES = 2_000_000
LOCAL_HEADER_BYTES = 16_000_000
LARGEST_COUNT = 2**40

HIDDEN_SIZE = ("hidden_size", "n_embd", "d_model", "dim")
LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
HEADS = ("num_attention_heads", "n_head", "num_heads", "n_heads")
KEY_VALUE_HEADS = ("num_key_value_heads", "num_kv_heads")
HEAD_SIZE = ("head_dim", "d_kv")


def facts_from_metadata(info: Mapping[str, Any], config: Mapping[str, Any] | None) -> BaseFacts:
    """The Hub's metadata of a base (with file sizes), and its config.json where it could be read."""
    counted = info.get("safetensors")
    by_dtype = parameters_by_dtype(counted if isinstance(counted, dict) else {})
    files = file_sizes(info)
    card = info.get("cardData")
    license_name = card.get("license") if isinstance(card, dict) else None
    return BaseFacts(
        id=str(info["id"]),
        commit=info["sha"] if isinstance(info.get("sha"), str) else None,
        parameters=sum(by_dtype.values()) or None,
        size_bytes=bytes_of(by_dtype) or weights_size(files),
        dtype=main_dtype_of(by_dtype),
        gated=bool(info.get("gated")),
        license=license_name if isinstance(license_name, str) else None,
        weights=weights_format(files),
        is_adapter=ADAPTER_CONFIG in files,
        **architecture(config or {}),
    )


def local_base_facts(folder: Path, base_id: str) -> BaseFacts:
    """Facts of a base in a folder of this machine.

    Raises BaseUnavailable when it is not a sound model folder.
    """
    try:
        config = json.loads((folder / CONFIG_NAME).read_bytes()[:CONFIG_BYTES])
        shards = sorted(folder.glob("model*.safetensors"))
        tensors = [tensor for shard in shards for tensor in read_local_tensors(shard)]
    except (OSError, ValueError, HeaderUnreadable, HeaderTooLarge) as error:
        raise BaseUnavailable(
            f"The folder of the base {base_id} cannot be read; delete it and load it again."
        ) from error
    if not tensors or not isinstance(config, dict):
        raise BaseUnavailable(
            f"The folder of the base {base_id} holds no safetensors weights; delete it and load it again."
        )
    by_dtype: dict[str, int] = {}
    for tensor in tensors:
        by_dtype[tensor.dtype] = by_dtype.get(tensor.dtype, 0) + tensor.parameters
    return BaseFacts(
        id=base_id,
        parameters=sum(by_dtype.values()),
        size_bytes=sum(shard.stat().st_size for shard in shards),
        dtype=main_dtype_of(by_dtype),
        weights="safetensors",
        **architecture(config),
    )


def read_local_tensors(path: Path) -> tuple[TensorInfo, ...]:
    with path.open("rb") as file:

        def read(start: int, end: int) -> bytes:
            file.seek(start)
            return file.read(end - start)

        return read_tensors(read, path.stat().st_size, LOCAL_HEADER_BYTES)


def architecture(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of BaseFacts that config.json decides; a model of several kinds of input describes its text
    part.
    """
    text = config.get("text_config")
    inner = {**config, **text} if isinstance(text, dict) else config
    hidden, heads = first_count(inner, HIDDEN_SIZE), first_count(inner, HEADS)
    head_size = first_count(inner, HEAD_SIZE)
    if head_size is None and hidden and heads and hidden % heads == 0:
        head_size = hidden // heads
    names = config.get("architectures")
    model_type, tied = config.get("model_type"), inner.get("tie_word_embeddings")
    return {
        "architectures": tuple(str(name) for name in names) if isinstance(names, list) else (),
        "model_type": model_type if isinstance(model_type, str) else None,
        "vocab_size": first_count(inner, ("vocab_size",)),
        "hidden_size": hidden,
        "layers": first_count(inner, LAYERS),
        "key_value_heads": first_count(inner, KEY_VALUE_HEADS) or heads,
        "head_size": head_size,
        "tied_embeddings": tied if isinstance(tied, bool) else None,
        "remote_code": bool(config.get("auto_map")),
        "quantization": quantization_name(config.get("quantization_config")),
    }


def quantization_name(section: Any) -> str | None:
    if not isinstance(section, dict):
        return None
    if section.get("load_in_4bit"):
        return "bitsandbytes 4-bit"
    if section.get("load_in_8bit"):
        return "bitsandbytes 8-bit"
    return str(section.get("quant_method", "unknown"))[:64]


def first_count(config: Mapping[str, Any], names: Iterable[str]) -> int | None:
    """The first of these fields that holds a usable count."""
    for name in names:
        value = config.get(name)
        if type(value) is int and 0 < value <= LARGEST_COUNT:
            return value
    return None


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
