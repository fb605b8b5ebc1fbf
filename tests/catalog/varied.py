"""A Hub with adapters that differ in everything a search can ask for, and what is true of each, read from its
files with plain json and safetensors.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import yaml
from safetensors.numpy import load

from tests.catalog.folders import adapter_files, lora_tensors
from tests.hub import LoopbackHub, Repository
from tests.hub.light_adapters import BASE_IDS, add_light_adapters, add_light_bases, light_base_files

BASE = BASE_IDS[0]
FINETUNE, QUANTIZED = "chat-org/light-llama-chat", "small-org/light-llama-4bit"
MONTH = datetime(2024, 6, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Truth:
    """What an adapter's own files and its repository say."""

    repository: Repository
    base: str | None
    task: str | None
    method: str | None
    rank: int | None
    parameters: int | None
    size: int | None
    safetensors: bool | None
    license: str | None

    @property
    def name(self) -> str:
        return self.repository.id

    @property
    def gated(self) -> bool:
        return bool(self.repository.gated)


def add_varied_adapters(hub: LoopbackHub, light: int = 30) -> None:
    add_light_bases(hub)
    add_light_adapters(hub, light)
    add_base(hub, FINETUNE, {"base_model": BASE}, 900)
    add_base(hub, QUANTIZED, {"base_model": BASE, "base_model_relation": "quantized"}, 2_000)
    for number, base in enumerate((FINETUNE, QUANTIZED, FINETUNE)):
        add_adapter(hub, f"variant/on-{number}", {"base_model_name_or_path": base}, number=number)
    add_adapter(hub, "closed/gated-mit", {}, number=3, license="mit", gated="auto")
    add_adapter(hub, "closed/gated-other", {}, number=4, license="other", gated="manual")
    classify = {"task_type": "SEQ_CLS"}
    add_adapter(hub, "tasks/classifier", classify, number=5, pipeline_tag="text-classification")
    add_adapter(hub, "tasks/untagged-classifier", classify, number=6)
    add_adapter(hub, "tasks/wrongly-tagged", {}, number=7, pipeline_tag="text-classification")
    ia3 = {"peft_type": "IA3", "r": None}
    add_adapter(hub, "methods/untagged-ia3", ia3, number=8, tensors=ia3_tensors())
    add_adapter(hub, "methods/tagged-ia3", ia3, number=9, tensors=ia3_tensors(), tags=["ia3"])
    add_adapter(hub, "ranks/config-lies", {"r": 8}, number=10, tensors=lora_tensors(rank=24))
    add_adapter(hub, "formats/pickle", {"r": 16}, number=11, pickle=True)
    long = lora_tensors(rank=4, layers=300, width=4)
    add_adapter(hub, "formats/long-header", {"r": 4}, number=12, tensors=long)


def add_base(hub: LoopbackHub, name: str, card: dict[str, Any], downloads: int) -> None:
    files = light_base_files() | {"README.md": f"---\n{yaml.safe_dump(card)}---\n"}
    hub.add_repo(name, files, downloads=downloads)


def add_adapter(
    hub: LoopbackHub,
    name: str,
    config: dict[str, Any],
    *,
    number: int,
    tensors: dict[str, np.ndarray] | None = None,
    gated: bool | str = False,
    pickle: bool = False,
    **card: Any,
) -> None:
    config = {"base_model_name_or_path": BASE} | config
    base = config["base_model_name_or_path"]
    text = yaml.safe_dump({"library_name": "peft", "base_model": base, **card})
    files = adapter_files(config, tensors, card=f"---\n{text}---\n# {name}\n")
    if pickle:
        files["adapter_model.bin"] = files.pop("adapter_model.safetensors")
    created = MONTH + timedelta(days=number)
    hub.add_repo(
        name,
        files,
        downloads=7 + 13 * number,
        likes=(5 * number) % 31,
        trending_score=(11 * number) % 37,
        gated=gated,
        created=created,
        last_modified=created + timedelta(days=3 * number),
    )


def ia3_tensors() -> dict[str, np.ndarray]:
    return {"base_model.model.model.layers.0.self_attn.k_proj.ia3_l": np.ones((64, 1), np.float32)}


def truths(hub: LoopbackHub, names: list[str]) -> dict[str, Truth]:
    """What is true of these adapters. Of a gated one's files nobody without access knows anything."""
    return {name: truth(hub.repo(name)) for name in names}


def truth(repository: Repository) -> Truth:
    files = {path: file.content.read() for path, file in repository.head.files.items()}
    config = json.loads(files["adapter_config.json"])
    card = yaml.safe_load(files["README.md"].decode().split("---")[1])
    weights = files.get("adapter_model.safetensors")
    tensors = load(weights) if weights else {}
    ranks = [tensor.shape[0] for name, tensor in tensors.items() if "lora_A" in name]
    stated = config.get("r") if config["peft_type"] == "LORA" else None
    open_files = not repository.gated
    return Truth(
        repository,
        config["base_model_name_or_path"],
        config["task_type"],
        config["peft_type"] if open_files else None,
        (max(set(ranks), key=ranks.count) if ranks else stated) if open_files else None,
        (sum(tensor.size for tensor in tensors.values()) or None) if open_files else None,
        len(weights or files["adapter_model.bin"]) if open_files else None,
        (weights is not None) if open_files else None,
        card.get("license"),
    )
