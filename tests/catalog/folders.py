"""Small adapter folders, made without torch."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

CONFIG = {
    "peft_type": "LORA",
    "task_type": "CAUSAL_LM",
    "base_model_name_or_path": "tiny-org/base",
    "r": 2,
    "lora_alpha": 4,
    "target_modules": ["q_proj"],
}
MODULE = "base_model.model.model.layers.{}.self_attn.q_proj"


def lora_tensors(rank: int = 2, layers: int = 2, width: int = 64) -> dict[str, np.ndarray]:
    tensors = {}
    for layer in range(layers):
        tensors[MODULE.format(layer) + ".lora_A.weight"] = np.ones((rank, width), np.float32)
        tensors[MODULE.format(layer) + ".lora_B.weight"] = np.ones((width, rank), np.float32)
    return tensors


def adapter_files(
    config: dict[str, Any] | None = None,
    tensors: dict[str, np.ndarray] | None = None,
    card: str | None = None,
) -> dict[str, bytes | str]:
    files: dict[str, bytes | str] = {
        "adapter_config.json": json.dumps(CONFIG | (config or {})),
        "adapter_model.safetensors": save(lora_tensors() if tensors is None else tensors),
    }
    return files if card is None else files | {"README.md": card}


def write_adapter(folder: Path, **what: Any) -> Path:
    folder.mkdir(parents=True)
    for name, content in adapter_files(**what).items():
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(data)
    return folder


def refuse(monkeypatch: pytest.MonkeyPatch, refused: Path) -> None:
    """No permission stops root, who may be running the tests: the file says no itself."""
    opened = Path.open

    def opening(path: Path, *rest: Any, **options: Any) -> Any:
        if path == refused.resolve():
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, *rest, **options)

    monkeypatch.setattr(Path, "open", opening)
