"""Every number in the config of every PEFT method, made huge: none takes memory that the file lacks."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from typing import Any, get_type_hints

import pytest
from peft import PEFT_TYPE_TO_CONFIG_MAPPING

from adapter_ui.domain import ADAPTER_CONFIG
from adapter_ui.domain.adapter_config import LARGEST_RANK, SIZES
from tests.hostile.cases import alter
from tests.hostile.conftest import Folders, Watched
from tests.models.every_method import FAMILIES, Bench, methods

pytestmark = pytest.mark.slow

LLAMA = FAMILIES[0]
GROWN_BYTES = 160 * 1024**2
HUGE = 10**9
REFUSALS = {"", "bad_adapter", "config_unreadable", "unsupported_adapter"}
# What takes another field with it to matter.
TOGETHER: dict[str, tuple[dict[str, Any], ...]] = {
    "ADALORA": (
        {"rank_pattern": {"q_proj": LARGEST_RANK}},
        {"rank_pattern": {"model.layers.0.self_attn.q_proj.lora_E": [True] * 40_000}},
        {"rank_pattern": {"evil.lora_E": [True] * 6}},
    ),
    "BOFT": ({"boft_block_size": 0, "boft_block_num": 1}, {"modules_to_save": ["model"]}),
    "C3A": ({"block_size_pattern": {"q_proj": HUGE}},),
    "CPT": ({"cpt_token_ids": [3] * 5_000, "cpt_mask": [1] * 5_000, "cpt_tokens_type_mask": [1] * 5_000},),
    "FOURIERFT": ({"n_frequency_pattern": {"q_proj": HUGE}},),
    "LORA": (
        {"monteclora_config": {"num_samples": HUGE}},
        {"monteclora_config": {"num_samples": 4, "buffer_size": HUGE}},
        {"r": LARGEST_RANK, "use_bdlora": {"nblocks": LARGEST_RANK, "target_modules_bd_a": ["q_proj"]}},
        {"velora_config": {"num_groups": HUGE}},
        {"r": LARGEST_RANK, "target_modules": ["embed_tokens"]},
        {"r": LARGEST_RANK, "target_modules": "all-linear"},
        {"r": LARGEST_RANK, "target_parameters": ["embed_tokens.weight"]},
        {"modules_to_save": ["o"] * 1000},
        {"trainable_token_indices": [7] * 45_000},
    ),
    "OSF": ({"rank_pattern": {"q_proj": HUGE}}, {"target_svd_config": {"q_proj": HUGE}}),
    "PSOFT": ({"psoft_svd": "lowrank", "psoft_svd_lowrank_niter": HUGE},),
    "SHADOW": ({"shadow_num_hidden_layers": 1024, "shadow_hidden_size": 16},),
    "SHIRA": ({"r": LARGEST_RANK, "target_modules": ["embed_tokens"]}, {"modules_to_save": ["model"]}),
    "TRAINABLE_TOKENS": ({"token_indices": [7] * 45_000},),
    "UNILORA": ({"r": LARGEST_RANK, "theta_d_length": 100_000_000},),
    "VBLORA": ({"num_vectors": 1_000_000, "vector_length": 32, "topk": 1_000},),
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("methods"))


def numbers_of(method: str) -> Iterator[dict[str, Any]]:
    """Each field that may hold a whole number, as large as the bounds on single fields let it be."""
    config_class = PEFT_TYPE_TO_CONFIG_MAPPING[method]
    hints = get_type_hints(config_class)
    for field in dataclasses.fields(config_class):
        if int in (hints[field.name], *getattr(hints[field.name], "__args__", ())):
            largest = LARGEST_RANK if field.name == "r" else SIZES.get(field.name, (0, HUGE))[1]
            yield {field.name: 1_000_000 if field.name == "num_virtual_tokens" else largest}


@pytest.mark.parametrize("method", methods())
def test_no_number_takes_memory_that_the_file_does_not_hold(
    method: str, bench: Bench, watched: Watched, folders: Folders
):
    sound = bench.adapter(method, LLAMA, "CAUSAL_LM")
    if isinstance(sound, str):
        sound = folders.models / "lora"  # PEFT cannot make one here; the config alone names the method
    base = folders.root / "llama"
    for number, changes in enumerate([{}, *numbers_of(method), *TOGETHER.get(method, ())]):
        adapter = folders.root / "sizes" / f"{method}-{number}"
        shutil.copytree(sound, adapter)
        alter(adapter / ADAPTER_CONFIG, peft_type=method, **changes)
        told = watched.load_folders(adapter, base, f"{method} with {str(changes)[:200]}")
        assert told["code"] in REFUSALS, (changes, told)
        assert told["base_same"], changes
        # for a BOFT, PEFT looks for a compiler
        assert told["done"] == [] or method == "BOFT", changes
        assert told["grown_bytes"] < GROWN_BYTES, (changes, told)
        assert not told["code"] or told["message"].endswith("."), told
