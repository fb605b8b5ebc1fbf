"""PiSSA and OLoRA: from an adapter whose start was taken out of the base's weights to one for the base as it
was.

Such a start leaves W - sB₀A₀ in the base, s being the scaling, and the trained model is W - sB₀A₀ + sBA. On
the untouched W the same is said by a plain LoRA of twice the rank, with [B, -B₀] and [A; A₀] and the same s.
PEFT's own conversion leaves out heads, biases and trained tokens. Knows nothing of runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, PeftType, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from adapter_ui.domain import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from adapter_ui.training.checkpoints import PLAIN
from adapter_ui.training.methods import STARTS_FROM_THE_BASE

Factors = Mapping[str, torch.Tensor]


def starts_from_the_base(model: PeftModel) -> bool:
    config = model.active_peft_config
    return config.peft_type == PeftType.LORA and config.init_lora_weights in STARTS_FROM_THE_BASE


def is_factor(name: str) -> bool:
    return "lora_A" in name or "lora_B" in name


def first_factors(model: PeftModel) -> Factors:
    """A₀ and B₀ of a model that was not trained yet, under their names in a file; none where the base is
    untouched.
    """
    if not starts_from_the_base(model):
        return {}
    saved = get_peft_model_state_dict(model, save_embedding_layers=False)
    return {name: value.detach().cpu().clone() for name, value in saved.items() if is_factor(name)}


def write_plain(folder: Path, first: Factors, prefix: str = "") -> None:
    """Write the adapter saved in `folder` as a plain LoRA, under PEFT's names behind `prefix`."""
    if not first:
        return
    trained = load_file(folder / ADAPTER_WEIGHTS)
    plain = {name: joined(name, value, first) for name, value in trained.items()}
    save_file(plain, folder / f"{prefix}{ADAPTER_WEIGHTS}", metadata={"format": "pt"})
    config = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    text = json.dumps(config | plain_fields(config), indent=2, sort_keys=True)
    (folder / f"{prefix}{ADAPTER_CONFIG}").write_text(text, encoding="utf-8")


def joined(name: str, trained: torch.Tensor, first: Factors) -> torch.Tensor:
    if name not in first:
        return trained
    sides = (trained, first[name]) if "lora_A" in name else (trained, -first[name])
    return torch.cat(sides, dim=0 if "lora_A" in name else 1).contiguous()


def plain_fields(config: Mapping[str, Any]) -> dict[str, Any]:
    """Twice the rank at the same scaling, which is alpha/r, or alpha/√r with rsLoRA."""
    more = 2**0.5 if config["use_rslora"] else 2
    return {"r": 2 * config["r"], "lora_alpha": more * config["lora_alpha"], "init_lora_weights": True}


class PlainCheckpoints(TrainerCallback):
    """Puts the plain LoRA beside the factors that a checkpoint resumes from, for whoever keeps it."""

    def __init__(self, checkpoints: Path, first: Factors) -> None:
        self.checkpoints = checkpoints
        self.first = first

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        write_plain(self.checkpoints / f"checkpoint-{state.global_step}", self.first, PLAIN)
