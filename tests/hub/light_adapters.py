"""Many small, varied adapter repositories, made quickly and without torch: for lists, pages and filters.

Their tensors have the names and shapes of the real thing over a very small model, and mean nothing.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import yaml
from safetensors.numpy import save

from tests.hub.repository import FileSource, Repository
from tests.hub.server import LoopbackHub

Files = dict[str, FileSource]
Tensors = dict[str, np.ndarray]

HIDDEN_SIZE = 64
BASE_IDS = ("tiny-org/light-llama", "tiny-org/light-qwen", "tiny-org/light-gemma")
AUTHORS = ("ada", "grace", "linus", "barbara", "ken")
TOPICS = ("sql", "poetry", "medical-notes", "legal", "pirate", "summaries", "unit-tests")
RANKS = (2, 4, 8, 16, 32, 64)
PREFIX = "base_model.model.model.layers.0.self_attn"
EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
LICENCES = ("mit", "apache-2.0", None)


def add_light_adapters(hub: LoopbackHub, count: int, base_ids: Sequence[str] = BASE_IDS) -> list[Repository]:
    """Add `count` adapters over `base_ids`, differing in method, rank, dtype, task, author, dates and counts.

    The same number always makes the same repository; later numbers have fewer downloads.
    """
    repositories = []
    for number in range(count):
        created = EPOCH + timedelta(hours=number)
        repositories.append(
            hub.add_repo(
                light_adapter_id(number),
                light_adapter_files(number, base_ids[number % len(base_ids)]),
                downloads=max(0, 10 * (count - number)),
                likes=(number * 7) % 50,
                trending_score=(number * 13) % 29,
                created=created,
                last_modified=created + timedelta(days=number % 30),
            )
        )
    return repositories


def add_light_bases(hub: LoopbackHub, base_ids: Sequence[str] = BASE_IDS) -> list[Repository]:
    return [hub.add_repo(base_id, light_base_files(), downloads=5000, likes=100) for base_id in base_ids]


def light_adapter_id(number: int) -> str:
    return f"{AUTHORS[number % len(AUTHORS)]}/{TOPICS[number % len(TOPICS)]}-adapter-{number:04d}"


def light_adapter_files(number: int, base_id: str) -> Files:
    rank = RANKS[number % len(RANKS)]
    dtype = (np.float32, np.float16)[number % 2]
    make_method = METHODS[number % len(METHODS)]
    config, tensors = make_method(rank, dtype)
    config = {"base_model_name_or_path": base_id, "task_type": "CAUSAL_LM", "inference_mode": True, **config}
    card = {"base_model": base_id, "library_name": "peft", "pipeline_tag": "text-generation"}
    card["tags"] = [config["peft_type"].lower(), TOPICS[number % len(TOPICS)]]
    if licence := LICENCES[number % len(LICENCES)]:
        card["license"] = licence
    return adapter_files(config, tensors, card, title=light_adapter_id(number))


def adapter_files(
    config: dict[str, Any], tensors: Tensors, card: dict[str, Any] | None, title: str = ""
) -> Files:
    """An adapter repository's files; without a card there is no README."""
    files: Files = {
        "adapter_config.json": json.dumps(config, indent=2),
        "adapter_model.safetensors": save(tensors, metadata={"format": "pt"}),
    }
    if card is not None:
        files["README.md"] = (
            f"---\n{yaml.safe_dump(card)}---\n\n# {title}\n\nA small adapter made for tests.\n"
        )
    return files


def light_base_files() -> Files:
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": HIDDEN_SIZE,
        "intermediate_size": 2 * HIDDEN_SIZE,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "vocab_size": 512,
    }
    card = {"library_name": "transformers", "license": "apache-2.0"}
    tensors = {"model.embed_tokens.weight": np.zeros((512, HIDDEN_SIZE), np.float32)}
    return {
        "config.json": json.dumps(config, indent=2),
        "model.safetensors": save(tensors, metadata={"format": "pt"}),
        "README.md": f"---\n{yaml.safe_dump(card)}---\n",
    }


def lora(rank: int, dtype: type, **options: Any) -> tuple[dict[str, Any], Tensors]:
    config = {
        "peft_type": "LORA",
        "r": rank,
        "lora_alpha": 2 * rank,
        "lora_dropout": 0.05,
        "bias": "none",
        "target_modules": ["q_proj", "v_proj"],
        **options,
    }
    tensors: Tensors = {}
    for module in ("q_proj", "v_proj"):
        tensors[f"{PREFIX}.{module}.lora_A.weight"] = np.ones((rank, HIDDEN_SIZE), dtype)
        tensors[f"{PREFIX}.{module}.lora_B.weight"] = np.ones((HIDDEN_SIZE, rank), dtype)
        if options.get("use_dora"):
            tensors[f"{PREFIX}.{module}.lora_magnitude_vector"] = np.ones(HIDDEN_SIZE, dtype)
    return config, tensors


def rslora(rank: int, dtype: type) -> tuple[dict[str, Any], Tensors]:
    return lora(rank, dtype, use_rslora=True, lora_alpha=16.0)


def dora(rank: int, dtype: type) -> tuple[dict[str, Any], Tensors]:
    return lora(rank, dtype, use_dora=True)


def lora_by_pattern(rank: int, dtype: type) -> tuple[dict[str, Any], Tensors]:
    return lora(rank, dtype, target_modules=r".*\.(q_proj|v_proj)")


def ia3(rank: int, dtype: type) -> tuple[dict[str, Any], Tensors]:
    config = {"peft_type": "IA3", "target_modules": ["k_proj", "v_proj"], "feedforward_modules": []}
    modules = ("k_proj", "v_proj")
    return config, {f"{PREFIX}.{module}.ia3_l": np.ones((HIDDEN_SIZE, 1), dtype) for module in modules}


def prompt_tuning(rank: int, dtype: type) -> tuple[dict[str, Any], Tensors]:
    config = {
        "peft_type": "PROMPT_TUNING",
        "num_virtual_tokens": rank,
        "token_dim": HIDDEN_SIZE,
        "num_transformer_submodules": 1,
        "prompt_tuning_init": "RANDOM",
    }
    return config, {"prompt_embeddings": np.ones((rank, HIDDEN_SIZE), dtype)}


METHODS = (lora, dora, ia3, lora, rslora, prompt_tuning, lora_by_pattern)
