"""A hostile input: the route that it tries, what it changes about sound files, and what has to come of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from adapter_ui.domain import ADAPTER_CONFIG, ADAPTER_WEIGHTS

SAFE = ""
OUTSIDE = "/@outside@"
"""In a file of a case: the folder that nothing may open."""


@dataclass(frozen=True)
class Case:
    """`change` alters the adapter's and the base's folder. `refusal` is the code of the error and `sentence`
    a part of what it says; without them the load is safe.
    """

    route: str
    name: str
    change: Callable[[Path, Path], object]
    refusal: str = SAFE
    sentence: str = ""

    def __str__(self) -> str:
        return f"{self.route}: {self.name}"


def alter(path: Path, **changes: Any) -> None:
    """Fields of a JSON file, which is made where there is none."""
    before = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(before | changes))


def adapter(**changes: Any) -> Callable[[Path, Path], None]:
    return lambda adapter, base: alter(adapter / ADAPTER_CONFIG, **changes)


def base(**changes: Any) -> Callable[[Path, Path], None]:
    return lambda adapter, base: alter(base / "config.json", **changes)


def beside(name: str, **changes: Any) -> Callable[[Path, Path], None]:
    """Another JSON file of the base."""
    return lambda adapter, base: alter(base / name, **changes)


def tensors(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Callable:
    def changed(adapter: Path, base: Path) -> None:
        file = adapter / ADAPTER_WEIGHTS
        save_file(change(load_file(file)), file)

    return changed


def weights(data: Callable[[bytes], bytes]) -> Callable[[Path, Path], None]:
    def changed(adapter: Path, base: Path) -> None:
        file = adapter / ADAPTER_WEIGHTS
        file.write_bytes(data(file.read_bytes()))

    return changed


def header(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Path, Path], None]:
    """The weights with another table of tensors over the same data."""

    def changed(data: bytes) -> bytes:
        end = 8 + int.from_bytes(data[:8], "little")
        table = json.dumps(change(json.loads(data[8:end]))).encode()
        return len(table).to_bytes(8, "little") + table + data[end:]

    return weights(changed)
