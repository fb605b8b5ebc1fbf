"""Adapters that PEFT has just saved on a base are never said to be for another: by family and method."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from peft import LoraConfig, get_peft_model

from adapter_ui.catalog.bases.facts import local_base_facts
from adapter_ui.catalog.bases.headers import folder_tensors
from adapter_ui.catalog.findings.evidence import Evidence
from adapter_ui.catalog.profiles.reading import read_config, read_header, read_values
from adapter_ui.catalog.storage.files import FolderFiles
from adapter_ui.domain import AdapterRef, Level
from tests.catalog.every_adapter import build
from tests.catalog.evidence import codes
from tests.catalog.test_every_method import BUILDABLE

WORDS, WIDTH = 96, 32
SHAPE = {
    "vocab_size": WORDS,
    "hidden_size": WIDTH,
    "intermediate_size": 2 * WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
SHORT = {
    "vocab_size": WORDS,
    "n_embd": WIDTH,
    "n_layer": 2,
    "n_head": 4,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
T5_SHAPE = {"vocab_size": WORDS, "d_model": WIDTH, "d_ff": 64, "d_kv": 8, "num_layers": 2, "num_heads": 4}
VISION = {"hidden_size": WIDTH, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
PICTURES = {"image_size": 28, "patch_size": 14}


def llava() -> transformers.PreTrainedModel:
    """Two towers, whose names in the file are not those in memory."""
    return transformers.LlavaForConditionalGeneration(
        transformers.LlavaConfig(
            vision_config=transformers.CLIPVisionConfig(**VISION, **PICTURES),
            text_config=transformers.LlamaConfig(**SHAPE),
            image_token_index=5,
        )
    )


FAMILIES: dict[str, Callable[[], transformers.PreTrainedModel]] = {
    "llama": lambda: transformers.LlamaForCausalLM(transformers.LlamaConfig(**SHAPE)),
    "qwen2": lambda: transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**SHAPE)),
    "gpt2": lambda: transformers.GPT2LMHeadModel(transformers.GPT2Config(**SHORT)),
    "bloom": lambda: transformers.BloomForCausalLM(transformers.BloomConfig(**SHORT, hidden_size=WIDTH)),
    "phi3": lambda: transformers.Phi3ForCausalLM(transformers.Phi3Config(**SHAPE)),
    "t5": lambda: transformers.T5ForConditionalGeneration(transformers.T5Config(**T5_SHAPE)),
    "bert": lambda: transformers.BertForMaskedLM(transformers.BertConfig(**SHAPE)),
    "mixtral": lambda: transformers.MixtralForCausalLM(
        transformers.MixtralConfig(**SHAPE, num_local_experts=4)
    ),
    "llava": llava,
}
WITH_RENAMED_MODULES = {"mixtral"}
SPEAKS_AGAINST = (Level.WARNING, Level.BLOCKER)


def evidence(base: Path, adapter: Path) -> Evidence:
    """What an inspection would gather, from two folders."""
    files = FolderFiles(adapter)
    config, tensors = read_config(files), read_header(files)
    values, problem = read_values(files, config, tensors or ())
    assert problem is None
    return Evidence(
        AdapterRef.parse("a/adapter"),
        files.list(),
        config,
        tensors,
        local_base_facts(base, "org/base"),
        base_asked="org/base",
        base_tensors={name: one.shape for name, one in folder_tensors(base).items()},
        values=values,
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_what_peft_saved_on_a_base_fits_it(family, tmp_path):
    torch.manual_seed(0)
    base = FAMILIES[family]()
    base.save_pretrained(tmp_path / "base")
    base.name_or_path = "org/base"
    adapted = get_peft_model(base, LoraConfig(target_modules="all-linear", r=4, lora_alpha=8))
    adapted.save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
    found = evidence(tmp_path / "base", tmp_path / "adapter")
    # As fresh as it is, it changes nothing; without a task, PEFT names the base's class.
    assert codes(found, *SPEAKS_AGAINST) == {"changes_nothing", "custom_class"}
    assert ("fits_base" in codes(found)) == (family not in WITH_RENAMED_MODULES)


@pytest.mark.parametrize("method", BUILDABLE)
def test_what_a_method_saved_on_a_llama_is_not_said_to_be_for_another_base(method, tiny_models, tmp_path):
    build(method, tiny_models, tmp_path)
    found = codes(evidence(tiny_models / "llama", tmp_path), *SPEAKS_AGAINST)
    assert found <= {"changes_nothing", "unsupported_method", "base_is_local_path"}
