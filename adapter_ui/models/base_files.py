"""The files of a base, looked at before transformers sees them: config, index of weights, tokenizer's config.

Knows files and what a sound one looks like; nothing of models in memory.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from adapter_ui.domain import ADAPTER_CONFIG
from adapter_ui.domain.base_config import (
    CONFIG_BYTES,
    asks_for_more,
    beyond_bounds,
    shard_names,
    without_choices,
)
from adapter_ui.errors import BaseUnavailable

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
INDEX_BYTES = 20_000_000
TOKENIZER_BYTES = 128 * 1024 * 1024
MOST_GROWTH = 256
# The tokenizer's own library opens this file by name, in any folder.
NAMES_FILES = "fast_tokenizer_files"
# As few as a weight has; bases in 8 bits and less are refused as quantised ones.
WEIGHT_BYTES = 2


def read_base_config(folder: Path) -> dict[str, Any]:
    """The base's config.json without the fields by which it could choose code to run, and within bounds.

    Raises BaseUnavailable.
    """
    if (folder / ADAPTER_CONFIG).exists():
        raise BaseUnavailable(
            "This base is itself an adapter; load the adapter over the base it was made from."
        )
    raw = without_choices(read_object(folder / "config.json", CONFIG_BYTES))
    if problem := beyond_bounds(raw):
        raise BaseUnavailable(f"The base's config.json says {problem}.")
    parts = [raw, *(value for value in raw.values() if isinstance(value, dict))]
    if any(part.get("quantization_config") for part in parts):
        raise BaseUnavailable(
            "This base's weights are already quantised; choose the unquantised original, which loads in "
            "int8, nf4 or fp4 too."
        )
    return raw


def check_weights(folder: Path) -> None:
    """The base's weights lie in files of its own folder, and are about as many as its config asks for."""
    if asks_for_more(read_base_config(folder), numbers_in_files(folder)):
        raise BaseUnavailable(
            "The base's config.json describes a model many times larger than its weights; choose another "
            "revision."
        )


def numbers_in_files(folder: Path) -> int:
    """At most so many weights the base's files hold."""
    return sum(file.stat().st_size for file in weight_files(folder)) // WEIGHT_BYTES


def weight_files(folder: Path) -> list[Path]:
    """As transformers looks for them: one file, or those in the index."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if not (folder / INDEX).is_file():
        raise BaseUnavailable("The base has no weights in safetensors; choose another base model.")
    names = shard_names(read_object(folder / INDEX, INDEX_BYTES))
    if names is None:
        raise BaseUnavailable("The base model's weight index names unusual files; choose another base model.")
    files = [folder / name for name in names]
    if missing := next((file for file in files if not file.is_file()), None):
        raise BaseUnavailable(f"The base lacks its weight file {missing.name}; choose another base model.")
    return files


def check_tokenizer(folder: Path) -> None:
    """The tokenizer's config names no further files."""
    file = folder / "tokenizer_config.json"
    if file.is_file() and NAMES_FILES in read_object(file, INDEX_BYTES):
        raise BaseUnavailable(
            f"The base's {file.name} names files of its own choice ({NAMES_FILES}); choose another revision."
        )


def check_tokenizer_program(folder: Path) -> None:
    """The tokenizer's program cannot blow a text up: steps that put in more than they take out multiply."""
    file = folder / "tokenizer.json"
    if not file.is_file():
        return
    program = read_object(file, TOKENIZER_BYTES)
    steps = [program.get(part) for part in ("normalizer", "pre_tokenizer", "decoder")]
    if growth(steps) > MOST_GROWTH:
        raise BaseUnavailable(
            "The base's tokenizer makes a text many times longer, which no real one does; choose another "
            "base."
        )


def growth(step: object) -> float:
    """How many times longer a step of a tokenizer's program can make a text."""
    if isinstance(step, dict):
        inner = [value for key, value in step.items() if isinstance(value, (dict, list)) and key != "pattern"]
        return growth(inner) * (replacement_growth(step) if step.get("type") == "Replace" else 1)
    return math.prod(growth(one) for one in step) if isinstance(step, list) else 1


def replacement_growth(step: dict[str, Any]) -> float:
    """A pattern can match nothing at all, and so put its content before every character."""
    content, pattern = step.get("content"), step.get("pattern")
    plain = pattern.get("String") if isinstance(pattern, dict) else None
    put_in = len(content) if isinstance(content, str) else 0
    return max(1.0, put_in / len(plain)) if isinstance(plain, str) and plain else 1.0 + put_in


def read_object(file: Path, most_bytes: int) -> dict[str, Any]:
    try:
        with file.open("rb") as opened:
            data = opened.read(most_bytes + 1)
        if len(data) > most_bytes:
            raise ValueError(f"it is larger than {most_bytes:,} bytes")
        values = json.loads(data)
        if not isinstance(values, dict):
            raise ValueError("it is no JSON object")
    except (OSError, ValueError, RecursionError) as error:
        raise BaseUnavailable(
            f"The base's {file.name} cannot be read ({error}); try another revision."
        ) from error
    return values
