"""What goes wrong with adapters between a training and a Hub: each function changes the files in a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from adapter_ui.domain import ADAPTER_CONFIG, ADAPTER_PICKLE, ADAPTER_WEIGHTS


def change_config(folder: Path, **changes: Any) -> None:
    path = folder / ADAPTER_CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def pickled(folder: Path) -> None:
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(folder / ADAPTER_WEIGHTS), folder / ADAPTER_PICKLE)
    (folder / ADAPTER_WEIGHTS).unlink()


def into_folders(folder: Path) -> None:
    for name in ("checkpoint-100", "checkpoint-200"):
        (folder / name).mkdir()
        for file in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
            (folder / name / file).write_bytes((folder / file).read_bytes())
    for file in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        (folder / file).unlink()


def from_the_future(folder: Path) -> None:
    change_config(folder, peft_version="99.1.0", entanglement=4)


def unknown_method(folder: Path) -> None:
    change_config(folder, peft_type="QUANTUM_LORA")


def not_finite(folder: Path) -> None:
    change_config(folder, lora_dropout=float("nan"))


def wrong_rank(folder: Path) -> None:
    change_config(folder, r=json.loads((folder / ADAPTER_CONFIG).read_text())["r"] + 1)


def megatron(folder: Path) -> None:
    change_config(folder, megatron_config={"model": "gpt"})


def pissa(folder: Path) -> None:
    change_config(folder, init_lora_weights="pissa_niter_4")


def cut(folder: Path) -> None:
    weights = folder / ADAPTER_WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-512])


def nan_weights(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / ADAPTER_WEIGHTS)
    for tensor in tensors.values():
        tensor.fill_(float("nan"))
    save_file(tensors, folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})
