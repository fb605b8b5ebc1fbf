"""Which adapters share a base in memory: each loads whatever was loaded before, as the page says."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from peft import (
    FrodConfig,
    LoraConfig,
    PeftConfig,
    PeftModel,
    PveraConfig,
    RandLoraConfig,
    VeraConfig,
    get_peft_model,
)

from adapter_ui.catalog.comparison.sharing import one_base
from adapter_ui.catalog.profiles.reading import read_config
from adapter_ui.catalog.storage.files import FolderFiles
from adapter_ui.domain import AdapterProfile, AdapterRef
from adapter_ui.models.pool import Pool
from tests.catalog.test_side_by_side import profile
from tests.models.test_adapters import logits
from tests.models.test_decoding import spec_for

ATTENTION: dict[str, Any] = {"target_modules": ["q_proj"], "task_type": "CAUSAL_LM"}
UP: dict[str, Any] = {"target_modules": ["up_proj"], "task_type": "CAUSAL_LM"}
# Two adapters each that differ in what PEFT shares among all of their method.
PAIRS: dict[str, tuple[PeftConfig, PeftConfig]] = {
    "VeRAs of two ranks": (VeraConfig(r=4, **ATTENTION), VeraConfig(r=8, **ATTENTION)),
    "VeRAs of two widths": (VeraConfig(r=4, **ATTENTION), VeraConfig(r=4, **UP)),
    "VeRAs of two seeds": (
        VeraConfig(r=4, **ATTENTION),
        VeraConfig(r=4, projection_prng_key=7, **ATTENTION),
    ),
    "PVeRAs": (PveraConfig(r=4, **ATTENTION), PveraConfig(r=8, **ATTENTION)),
    "RandLoras": (RandLoraConfig(r=4, **ATTENTION), RandLoraConfig(r=8, **ATTENTION)),
    "FRoDs": (FrodConfig(**ATTENTION), FrodConfig(projection_prng_key=7, **ATTENTION)),
    "LoRAs on other parameters": (
        LoraConfig(target_modules=[], target_parameters=["mlp.up_proj.weight"], task_type="CAUSAL_LM"),
        LoraConfig(target_modules=[], target_parameters=["mlp.down_proj.weight"], task_type="CAUSAL_LM"),
    ),
}


def saved(config: PeftConfig, base: Path, folder: Path) -> Path:
    """An adapter whose effect is large, whatever its method starts with."""
    model = get_peft_model(transformers.AutoModelForCausalLM.from_pretrained(base), config)
    torch.manual_seed(3)
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    return folder


def plain_peft(base: Path, adapter: Path) -> torch.Tensor:
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    return logits(PeftModel.from_pretrained(model, adapter).eval())


@pytest.mark.parametrize("pair", PAIRS)
def test_either_loads_after_the_other_and_both_answer_as_alone(tiny_models: Path, tmp_path: Path, pair: str):
    base = tiny_models / "llama"
    adapters = [saved(config, base, tmp_path / str(number)) for number, config in enumerate(PAIRS[pair])]
    untouched = logits(transformers.AutoModelForCausalLM.from_pretrained(base))
    for order in (adapters, adapters[::-1]):
        pool = Pool()
        for adapter in order:
            pool.load(spec_for(base, adapter))
        for adapter in order:
            resident, _ = pool.load(spec_for(base, adapter))
            found = logits(resident.speak_alone(adapter.name).model)
            assert torch.equal(found, plain_peft(base, adapter))
        copies = len(pool.residents)
        alone, _ = pool.load(spec_for(base))  # either copy answers for the base too
        assert torch.equal(logits(alone.speak_alone("").model), untouched)
        assert len(pool.residents) == copies == 2


def inspected(adapter: Path) -> AdapterProfile:
    config = read_config(FolderFiles(adapter))
    fields = config.model_dump(exclude_unset=True)
    return profile(
        AdapterRef.parse(f"folder:{adapter.name}"),
        config=fields,
        method=config.peft_type,
        task_type=config.task_type,
    )


def test_the_page_says_of_any_two_what_memory_does(tiny_models: Path, tmp_path: Path):
    base = tiny_models / "llama"
    biased = LoraConfig(bias="all", **ATTENTION)
    pairs = (*PAIRS["VeRAs of two ranks"], *PAIRS["LoRAs on other parameters"], biased)
    adapters = [saved(config, base, tmp_path / f"made-{number}") for number, config in enumerate(pairs)]
    adapters += [tiny_models / name for name in ("lora", "lora-wide", "dora", "ia3")]
    for both in combinations(adapters, 2):
        pool = Pool()
        copies = {id(pool.load(spec_for(base, adapter))[0]) for adapter in both}
        said = one_base([inspected(adapter) for adapter in both], [])
        assert said.possible is (len(copies) == 1), (both, said)
