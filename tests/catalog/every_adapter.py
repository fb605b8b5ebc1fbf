"""A real adapter of every PEFT method, fresh from PEFT and saved by it, with its live model for the truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import (
    PEFT_TYPE_TO_CONFIG_MAPPING,
    LoraConfig,
    PeftConfig,
    PeftModel,
    PeftType,
    get_peft_model,
    set_peft_model_state_dict,
)
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from adapter_ui.catalog.profiles.config import AdapterConfig, parse_config
from adapter_ui.catalog.profiles.reading import read_header
from adapter_ui.catalog.storage.files import FolderFiles
from adapter_ui.domain import ADAPTER_CONFIG, ADAPTER_WEIGHTS, TensorInfo
from tests.models.every_method import FAMILIES, options_of

INPUT = torch.tensor([[5, 3, 200, 17, 42]])
NEEDS_TASK_IDS = ("MULTITASK_PROMPT_TUNING", "POLY")


@dataclass
class Saved:
    """An adapter on its live model, and what of it lies in a folder."""

    method: str
    model: PeftModel
    folder: Path

    @property
    def config(self) -> AdapterConfig:
        return parse_config((self.folder / ADAPTER_CONFIG).read_bytes())

    @property
    def header(self) -> tuple[TensorInfo, ...]:
        return read_header(FolderFiles(self.folder)) or ()

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        return load_file(self.folder / ADAPTER_WEIGHTS)

    def layers(self) -> Iterator[tuple[str, BaseTunerLayer]]:
        """The base's modules that the method has put a layer of its own on, by their names in the base."""
        for name, module in self.model.named_modules():
            if isinstance(module, BaseTunerLayer):
                yield name.removeprefix("base_model.model.").replace(".base_layer", ""), module

    def logits(self) -> torch.Tensor:
        """For the tokens of the input, not for those that a prompt puts before them."""
        more = {"task_ids": torch.tensor([0])} if self.method in NEEDS_TASK_IDS else {}
        with torch.inference_mode():
            return self.model.eval()(INPUT, **more).logits[:, -INPUT.shape[1] :]

    def logits_with(self, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        set_peft_model_state_dict(self.model, dict(tensors))
        return self.logits()


def load_llama(tiny_models: Path) -> torch.nn.Module:
    model = AutoModelForCausalLM.from_pretrained(tiny_models / "llama", dtype=torch.float32)
    # X-LoRA asks for this.
    model.config.use_cache = False
    return model.eval()


def build(method: str, tiny_models: Path, folder: Path, **options: Any) -> Saved:
    """Raises whatever PEFT raises where it cannot build one."""
    torch.manual_seed(3)
    options = {**options_of(method, FAMILIES[0]), **options}
    if method == "XLORA":
        # PEFT drops what has the name of an adapter in it, here “0”: the classifier's first layer.
        options |= {"hidden_size": 64, "xlora_depth": 2, "xlora_size": 8}
        options |= {"adapters": {"0": str(save_lora(tiny_models, folder / "lora"))}}
    config = PEFT_TYPE_TO_CONFIG_MAPPING[PeftType(method)](task_type="CAUSAL_LM", **options)
    return save(method, load_llama(tiny_models), config, folder)


def save(method: str, base: torch.nn.Module, config: PeftConfig, folder: Path) -> Saved:
    model = get_peft_model(base, config).eval()
    model.save_pretrained(folder, save_embedding_layers=False)
    return Saved(method, model, folder)


def save_lora(tiny_models: Path, folder: Path) -> Path:
    config = LoraConfig(task_type="CAUSAL_LM", r=2, target_modules=["q_proj"], init_lora_weights=False)
    get_peft_model(load_llama(tiny_models), config).save_pretrained(folder, save_embedding_layers=False)
    return folder
