"""Builds every variant with PEFT and says what is true of it, by PEFT's live model and by safetensors alone.

Nothing of the app's own reading is used here, except the names of files.
"""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import peft
import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)

from adapter_ui.domain import ADAPTER_PICKLE, ADAPTER_WEIGHTS
from tests.catalog.truth.variants import BERT, GATED_BASE, GPT2, LLAMA, SHARDED, WIDE, Variant
from tests.hub.tiny_models import VOCABULARY_SIZE, build_tiny_models

NAMES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32"}
RANK_ATTRIBUTES = ("r", "hra_r", "miss_r")
CLASSES: dict[str, Any] = {
    "CAUSAL_LM": AutoModelForCausalLM,
    "SEQ_CLS": AutoModelForSequenceClassification,
    "TOKEN_CLS": AutoModelForTokenClassification,
    "QUESTION_ANS": AutoModelForQuestionAnswering,
    "FEATURE_EXTRACTION": AutoModel,
}
LLAMA_SHAPE = {
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": VOCABULARY_SIZE,
    "max_position_embeddings": 512,
}


@dataclass(frozen=True)
class Truth:
    """What PEFT and safetensors say. `ranks` are the live tuner layers, where they have one."""

    variant: Variant
    folder: Path
    method: str
    task: str | None
    parameters: int | None
    size_bytes: int | None
    dtype: str | None
    modules: frozenset[str]
    ranks: dict[str, int]


@dataclass(frozen=True)
class BaseTruth:
    id: str
    parameters: int
    size_bytes: int
    dtype: str


class Bases:
    """Tiny bases in folders, each built once; models are copied, since loading costs more."""

    def __init__(self, folder: Path) -> None:
        tiny = build_tiny_models(folder / "tiny")
        self.folders = {LLAMA: tiny / "llama", BERT: tiny / "bert"}
        gpt2 = GPT2Config(n_embd=64, n_layer=2, n_head=4, vocab_size=VOCABULARY_SIZE, n_positions=512)
        narrow = LlamaConfig(hidden_size=64, intermediate_size=128, **LLAMA_SHAPE)
        wide = LlamaConfig(hidden_size=128, intermediate_size=256, **LLAMA_SHAPE)
        for base_id, model, shard in (
            (GPT2, GPT2LMHeadModel(gpt2), "5GB"),
            (WIDE, LlamaForCausalLM(wide).to(torch.bfloat16), "5GB"),
            (SHARDED, LlamaForCausalLM(narrow), "200KB"),
        ):
            self.folders[base_id] = folder / base_id.replace("/", "--")
            model.save_pretrained(self.folders[base_id], max_shard_size=shard)
        self.folders[GATED_BASE] = self.folders[LLAMA]
        self.model = cache(self._load)

    def _load(self, base_id: str, task: str) -> PreTrainedModel:
        labels = {"num_labels": 3} if task in ("SEQ_CLS", "TOKEN_CLS") else {}
        return CLASSES[task].from_pretrained(self.folders[base_id], **labels)

    def truth(self, base_id: str) -> BaseTruth:
        files = sorted(self.folders[base_id].glob("*.safetensors"))
        counts = Counter[str]()
        for file in files:
            for dtype, shape in headers(file).values():
                counts[dtype] += prod(shape)
        size = sum(count * bytes_of(dtype) for dtype, count in counts.items())
        return BaseTruth(base_id, counts.total(), size, NAMES[counts.most_common(1)[0][0]])


def build(variant: Variant, bases: Bases, folder: Path) -> Truth:
    """Save the adapter in `folder` as its author would have, and tell what it is."""
    made_on = variant.made_on or (variant.base if variant.base in bases.folders else LLAMA)
    model = copy.deepcopy(bases.model(made_on, variant.task))
    model.name_or_path = model.config._name_or_path = variant.base
    task = None if variant.task == "NONE" else variant.task
    config = getattr(peft, variant.method)(task_type=task, **variant.options)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(len(variant.name))
        adapted = peft.get_peft_model(model, config)
        if variant.trained:
            for parameter in adapted.parameters():
                if parameter.requires_grad and parameter.is_floating_point():
                    parameter.add_(torch.randn_like(parameter) * 0.05)
    layers = tuner_layers(adapted)
    adapted.save_pretrained(folder, save_embedding_layers=False)
    cast(folder / ADAPTER_WEIGHTS, variant.dtype)
    write_card(folder, variant)
    if variant.damage is not None:
        variant.damage(folder)
    return tell(variant, folder, config, layers)


def tell(variant: Variant, folder: Path, config: Any, layers: dict[str, Any]) -> Truth:
    weights, pickle = folder / ADAPTER_WEIGHTS, folder / ADAPTER_PICKLE
    tensors = headers(weights) if weights.exists() else {}
    dtypes = Counter[str]()
    for dtype, shape in tensors.values():
        if getattr(torch, NAMES[dtype]).is_floating_point:  # indices say nothing of the precision
            dtypes[dtype] += prod(shape) * bytes_of(dtype)
    largest = weights if weights.exists() else pickle
    return Truth(
        variant=variant,
        folder=folder,
        method=config.peft_type.value,
        task=config.task_type,
        parameters=sum(prod(shape) for _, shape in tensors.values()) or None,
        size_bytes=largest.stat().st_size if largest.exists() else None,
        dtype=NAMES[dtypes.most_common(1)[0][0]] if dtypes else None,
        modules=frozenset(layers),
        ranks={name: rank for name, layer in layers.items() if (rank := rank_of(layer)) is not None},
    )


def bytes_of(dtype: str) -> int:
    return getattr(torch, NAMES[dtype]).itemsize


def rank_of(layer: Any) -> int | None:
    """The rank of a live tuner layer; methods name the attribute differently."""
    kept = (getattr(layer, name, None) for name in RANK_ATTRIBUTES)
    ranks = (by_adapter["default"] for by_adapter in kept if isinstance(by_adapter, dict))
    return next((rank for rank in ranks if isinstance(rank, int)), None)


def tuner_layers(adapted: Any) -> dict[str, BaseTunerLayer]:
    """The modules of the base that PEFT has wrapped, by their own names."""
    inner = adapted.base_model.model if hasattr(adapted.base_model, "model") else adapted.base_model
    return {name: module for name, module in inner.named_modules() if isinstance(module, BaseTunerLayer)}


def headers(file: Path) -> dict[str, tuple[str, list[int]]]:
    """Names, dtypes and shapes by safetensors itself; nothing for a file that it refuses."""
    try:
        with safe_open(file, "pt") as opened:
            slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118 - no mapping
            return {name: (one.get_dtype(), one.get_shape()) for name, one in slices.items()}
    except SafetensorError:
        return {}


def cast(file: Path, dtype: str) -> None:
    wanted = getattr(torch, dtype)
    tensors = {
        name: tensor.to(wanted) if tensor.is_floating_point() else tensor
        for name, tensor in load_file(file).items()
    }
    save_file(tensors, file, metadata={"format": "pt"})


def write_card(folder: Path, variant: Variant) -> None:
    named = f"base_model: {variant.base}\n" if variant.base.count("/") == 1 else ""
    (folder / "README.md").write_text(
        f"---\nlibrary_name: peft\nlicense: {variant.license}\n{named}---\n\n# {variant.name}\n"
    )
