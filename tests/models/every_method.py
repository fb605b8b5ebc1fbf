"""An adapter of every PEFT method for every task of three tiny bases, made and saved by PEFT."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from peft import PEFT_TYPE_TO_CONFIG_MAPPING, PeftModel, get_peft_model
from tokenizers.processors import TemplateProcessing

from adapter_ui.domain import MODEL_CLASS_OF_TASK, Precision
from adapter_ui.domain.classes import task_of_class
from adapter_ui.models.heads import LABELS_FILE
from tests.hub.tiny_models import build_tiny_models, build_tokenizer
from tests.models.engine_here import outputs_of
from tests.models.plain_peft import PlainBase
from tests.training import tiny_t5

NO_TASK = ""
PREDICTIONS = ("SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS", "FEATURE_EXTRACTION")
INPUT = torch.tensor([[5, 9, 200, 17, 42, 2]])
# Each label begins an entity, so that a tagger shows every word of the text.
LABELS = ("B-red", "B-green", "B-blue")
HEADS = {"SEQ_CLS": LABELS, "TOKEN_CLS": LABELS, "QUESTION_ANS": ("start", "end")}
REASONS = (TypeError, ValueError, AttributeError, ImportError, RuntimeError, LookupError)


@dataclass(frozen=True)
class Family:
    """A tiny base and the names of its parts: linear modules to change, a feed-forward one, a norm.

    `without_task` is the class of an adapter that names no task. `heads` are what PEFT does not know to be
    one, so that the adapter's config has to.
    """

    name: str
    linear: tuple[str, ...]
    feed_forward: tuple[str, ...]
    norm: str
    without_task: str
    heads: tuple[str, ...] = ()

    def model_class(self, task: str) -> str:
        return MODEL_CLASS_OF_TASK[task] if task else self.without_task


FAMILIES = (
    Family("llama", ("q_proj", "v_proj"), ("down_proj",), "input_layernorm", "LlamaForCausalLM"),
    Family(
        "t5", ("q", "v"), ("wo",), "layer_norm", "T5ForConditionalGeneration", heads=("classification_head",)
    ),
    Family("bert", ("query", "value"), ("dense",), "LayerNorm", "BertModel"),
)
VIRTUAL = {"num_virtual_tokens": 4}
OPTIONS: dict[str, dict[str, Any]] = {
    "ADALORA": {"total_step": 10, "init_r": 6},
    "ADAPTION_PROMPT": {"adapter_len": 4, "adapter_layers": 1},
    "C3A": {"block_size": 16},
    "CARTRIDGE": VIRTUAL,
    "CPT": {"cpt_token_ids": [3, 4, 5, 6], "cpt_mask": [1] * 4, "cpt_tokens_type_mask": [1, 2, 3, 4]},
    "FOURIERFT": {"n_frequency": 10},
    "LOKR": {"r": 2},
    "MULTITASK_PROMPT_TUNING": {**VIRTUAL, "num_tasks": 2},
    "POLY": {"r": 4},
    "PREFIX_TUNING": VIRTUAL,
    "PROMPT_TUNING": VIRTUAL,
    "P_TUNING": VIRTUAL | {"encoder_hidden_size": 32},
    "ROAD": {"group_size": 32},
    "SHADOW": {},
    "SHIRA": {"r": 4},
    "TRAINABLE_TOKENS": {"token_indices": [3, 4]},
    "VBLORA": {"r": 4, "num_vectors": 16, "vector_length": 16},
    "WAVEFT": {"n_frequency": 10},
    "XLORA": {},
}
# How far what an adapter trains is moved. RandLoRA multiplies by 20, and would drown the base.
SPREAD = {"RANDLORA": 0.005}
# The first two tokens of the text, so that what they were trained to shows.
TRAINED_TOKENS = [276, 395]
WITHOUT_TARGETS = {"ADAPTION_PROMPT", "CPT", "SHADOW", "TRAINABLE_TOKENS", "XLORA"}


def methods() -> list[str]:
    """PEFT's own table, by its own names."""
    return sorted(method.value for method in PEFT_TYPE_TO_CONFIG_MAPPING)


def options_of(method: str, family: Family) -> dict[str, Any]:
    options = OPTIONS.get(method, {})
    if method == "IA3":
        return {
            "target_modules": [*family.linear, *family.feed_forward],
            "feedforward_modules": [*family.feed_forward],
        }
    if method == "LN_TUNING":
        return {"target_modules": [family.norm]}
    without = method in WITHOUT_TARGETS or "num_virtual_tokens" in options
    return options if without else {"target_modules": list(family.linear), **options}


class Bench:
    """Builds bases and adapters in a folder, each once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bases = build_tiny_models(folder / "tiny")
        build_t5(self.bases / "t5")

    def base(self, family: Family, task: str, precision: Precision = Precision.FP32) -> PlainBase:
        folder, model_class = self.bases / family.name, family.model_class(task)
        return PlainBase(folder, model_class, precision, HEADS.get(task, ()))

    @cache  # noqa: B019 - a bench lives as long as the run
    def adapter(self, method: str, family: Family, task: str) -> Path | str:
        """The saved adapter's folder, or PEFT's own reason why there is none."""
        folder = self.folder / f"{method}-{family.name}-{task}"
        try:
            adapted = self.made(method, family, task)
            adapted.save_pretrained(folder, save_embedding_layers=False)
            forward(adapted, writes=(task or task_of_class(family.without_task)) not in PREDICTIONS)
        except REASONS as error:
            return first_line(error)
        if task in HEADS:
            (folder / LABELS_FILE).write_text(json.dumps(HEADS[task]))
        return folder

    def made(self, method: str, family: Family, task: str) -> PeftModel:
        """An adapter whose effect shows: all that it trains is moved by chance."""
        torch.manual_seed(1)
        options = options_of(method, family)
        if method == "TRAINABLE_TOKENS":
            options = {"token_indices": TRAINED_TOKENS}
        config = PEFT_TYPE_TO_CONFIG_MAPPING[method](task_type=task or None, **options)
        if task in HEADS and family.heads and hasattr(config, "modules_to_save"):
            config.modules_to_save = [*(config.modules_to_save or []), *family.heads]
        adapted = get_peft_model(self.base(family, task).load(), config)
        with torch.no_grad():
            for parameter in adapted.parameters():
                if parameter.requires_grad and parameter.is_floating_point():
                    parameter.add_(torch.randn_like(parameter) * SPREAD.get(method, 0.1))
        return adapted.eval()


def forward(model: torch.nn.Module, *, writes: bool) -> torch.Tensor:
    inputs = {"input_ids": INPUT, "attention_mask": torch.ones_like(INPUT)}
    if model.config.is_encoder_decoder and writes:
        inputs["decoder_input_ids"] = torch.tensor([[0, 7, 8]])
    with torch.inference_mode():
        return torch.cat([one.flatten() for one in outputs_of(model(**inputs))])


def build_t5(folder: Path) -> Path:
    """Its tokenizer ends a text as T5's own does; classifiers read the text at that token."""
    tokenizer = build_tokenizer()
    end = ("</s>", tokenizer.eos_token_id)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[end]
    )
    return tiny_t5.build_t5(folder, tokenizer)


def has_class(family: Family, task: str, bases: Path) -> bool:
    """Whether transformers has a class of this family for the task."""
    if not task:
        return True
    config = transformers.AutoConfig.from_pretrained(bases / family.name)
    return type(config) in getattr(transformers, MODEL_CLASS_OF_TASK[task])._model_mapping


def first_line(error: Exception) -> str:
    """Without the names of modules, which are others on each base."""
    text = " ".join(str(error).split())
    if found := re.search(r"size mismatch for \S+\.(\w+)\.default", text):
        return f"size mismatch for {found[1]}"
    text = re.sub(r"\(in_features=.*?\)", "", text)
    return text[:160] if len(text) > 8 else f"{type(error).__name__}: {text}"
