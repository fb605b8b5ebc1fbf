"""Adapters made under transformers 4, whose experts were modules: they answer as in plain PEFT, whole."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from peft import LoraConfig, PeftModel
from safetensors.torch import save_file

from adapter_ui.domain import Precision
from adapter_ui.errors import BadAdapter
from adapter_ui.models.adapters import attach, speaking_as
from adapter_ui.models.loading import load_base
from adapter_ui.models.names import slot
from adapter_ui.models.pool import Pool
from adapter_ui.models.tuning.model import continued
from tests.catalog.test_findings_families import WIDTH, llava
from tests.hub.tiny_models import VOCABULARY_SIZE, build_tokenizer, save_model, token_ids
from tests.models.test_adapters import logits
from tests.models.test_decoding import spec_for
from tests.training.conftest import recipe

LAYERS, EXPERTS, HIDDEN, EXPERT_WIDTH, RANK = 2, 4, 64, 32, 4
SIZES = {
    "vocab_size": VOCABULARY_SIZE,
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "head_dim": 16,
}
# Each with where the experts were, and the names of their two inner modules and of the outer one.
FAMILIES: dict[str, tuple[dict[str, Any], str, tuple[str, str, str]]] = {
    "Mixtral": (
        {"num_local_experts": EXPERTS, "intermediate_size": EXPERT_WIDTH},
        "block_sparse_moe",
        ("w1", "w3", "w2"),
    ),
    "Qwen3Moe": (
        {"num_experts": EXPERTS, "moe_intermediate_size": EXPERT_WIDTH, "num_experts_per_tok": 2},
        "mlp",
        ("gate_proj", "up_proj", "down_proj"),
    ),
}


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def base(family: str, tmp_path: Path) -> Path:
    tokenizer = build_tokenizer()
    sizes = SIZES | FAMILIES[family][0] | token_ids(tokenizer)
    config = getattr(transformers, f"{family}Config")(**sizes)
    kind = getattr(transformers, f"{family}ForCausalLM")
    return save_model(kind, config, tokenizer, tmp_path / "base", seed=0)


def factors(module: str, size_in: int, size_out: int, rank: int = RANK) -> dict[str, torch.Tensor]:
    place = f"base_model.model.{module}"
    return {
        f"{place}.lora_A.weight": torch.randn(rank, size_in) * 0.3,
        f"{place}.lora_B.weight": torch.randn(size_out, rank) * 0.3,
    }


def older_tensors(family: str, *, attention: bool = True) -> dict[str, torch.Tensor]:
    """What transformers 4 and PEFT saved: a pair of factors for each expert."""
    _, block, (first, second, outer) = FAMILIES[family]
    torch.manual_seed(3)
    tensors = {}
    for layer in (f"model.layers.{number}" for number in range(LAYERS)):
        if attention:
            tensors |= factors(f"{layer}.self_attn.q_proj", HIDDEN, HIDDEN)
        for expert in (f"{layer}.{block}.experts.{number}" for number in range(EXPERTS)):
            tensors |= factors(f"{expert}.{first}", HIDDEN, EXPERT_WIDTH)
            tensors |= factors(f"{expert}.{second}", HIDDEN, EXPERT_WIDTH)
            tensors |= factors(f"{expert}.{outer}", EXPERT_WIDTH, HIDDEN)
    return tensors


def save_older(
    folder: Path, tensors: Mapping[str, torch.Tensor], targets: list[str] | str, **options: Any
) -> Path:
    config = LoraConfig(task_type="CAUSAL_LM", **{"r": RANK, "lora_alpha": 8} | options)
    config.save_pretrained(folder)
    raw = json.loads((folder / "adapter_config.json").read_text()) | {"target_modules": targets}
    (folder / "adapter_config.json").write_text(json.dumps(raw))
    save_file(dict(tensors), folder / "adapter_model.safetensors")
    return folder


def expert_names(family: str) -> list[str]:
    return list(FAMILIES[family][2])


def plain_peft(base: Path, adapter: Path) -> torch.Tensor:
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    return logits(PeftModel.from_pretrained(model, adapter).eval())


@pytest.mark.parametrize("attention", [True, False], ids=["with attention", "experts alone"])
def test_a_lora_on_separate_experts_answers_as_in_plain_peft(base, family, tmp_path, attention):
    targets = [*expert_names(family), *(["q_proj"] if attention else [])]
    tensors = older_tensors(family, attention=attention)
    folder = save_older(tmp_path / "older", tensors, targets)
    loaded = load_base(base, Precision.FP32, "AutoModelForCausalLM")
    untouched = logits(loaded.model)
    model, attached = attach(loaded.model, folder, "a_1")
    assert (attached.keys_applied, attached.notices) == (attached.keys_in_file, ())
    with speaking_as(model, "a_1"):
        assert torch.equal(logits(model), plain_peft(base, folder))
        assert not torch.allclose(logits(model), untouched, atol=1e-3)
    model, _ = attach(model, folder, "a_2")
    with speaking_as(model, "a_2"):
        assert torch.equal(logits(model), plain_peft(base, folder))
    with speaking_as(model, ""):
        assert torch.equal(logits(model), untouched)


def test_a_pattern_finds_the_separate_experts(base, family, tmp_path):
    pattern = rf"model\.layers\.\d+\..*\.({'|'.join([*expert_names(family), 'q_proj'])})"
    tensors = older_tensors(family)
    by_pattern = save_older(tmp_path / "pattern", tensors, pattern)
    by_name = save_older(tmp_path / "names", tensors, [*expert_names(family), "q_proj"])
    loaded = load_base(base, Precision.FP32, "AutoModelForCausalLM")
    model, attached = attach(loaded.model, by_pattern, "a_1")
    assert attached.notices == ()
    with speaking_as(model, "a_1"):
        assert torch.equal(logits(model), plain_peft(base, by_name))


def test_experts_are_put_into_the_layers_and_attention_alone_stays_beside_them(base, family, tmp_path):
    whole = save_older(tmp_path / "whole", older_tensors(family), [*expert_names(family), "q_proj"])
    alone = {key: one for key, one in older_tensors(family).items() if "q_proj" in key}
    attention = save_older(tmp_path / "attention", alone, ["q_proj"])
    pool = Pool()
    resident, _ = pool.load(spec_for(base, attention))
    assert pool.load(spec_for(base, whole))[0] is resident
    assert [*resident.low_rank] == ["attention"]
    assert resident.attached["whole"].notices == ()


def test_two_with_different_experts_load_in_either_order_on_copies_of_their_own(base, family, tmp_path):
    outer = expert_names(family)[-1]
    whole = save_older(tmp_path / "whole", older_tensors(family), [*expert_names(family), "q_proj"])
    part = {key: one for key, one in older_tensors(family).items() if f".{outer}." in key}
    some = save_older(tmp_path / "some", part, [outer])
    for order in ((whole, some), (some, whole)):
        pool = Pool()
        residents = [pool.load(spec_for(base, folder))[0] for folder in (*order, *order)]
        assert residents[:2] == residents[2:]
        assert residents[0] is not residents[1]
        for resident, folder in zip(residents, order, strict=False):
            with speaking_as(resident.loaded.model, slot(folder.name)):
                assert torch.equal(logits(resident.loaded.model), plain_peft(base, folder))


def test_one_is_trained_further_from_where_it_stood(base, family, tmp_path):
    folder = save_older(tmp_path / "older", older_tensors(family), [*expert_names(family), "q_proj"])
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    begun = continued(model, folder, recipe(method="LORA")).eval()
    assert torch.equal(logits(begun), plain_peft(base, folder))


def test_experts_that_the_file_does_not_hold_are_not_made(base, family, tmp_path):
    tensors = {key: one for key, one in older_tensors(family).items() if "q_proj" in key}
    folder = save_older(
        tmp_path / "wide", tensors, [*expert_names(family), "q_proj"], r=20_000, rank_pattern={"q_proj": RANK}
    )
    loaded = load_base(base, Precision.FP32, "AutoModelForCausalLM")
    with pytest.raises(BadAdapter, match="asks for about"):
        attach(loaded.model, folder, "a_1")


def test_experts_of_different_ranks_or_with_half_of_a_fused_part_are_refused(base, family, tmp_path):
    first = expert_names(family)[0]
    half = save_older(tmp_path / "half", older_tensors(family), [first])
    tensors = older_tensors(family)
    place = next(key for key in tensors if f".{first}.lora_A" in key)
    uneven = save_older(tmp_path / "uneven", tensors | {place: torch.ones(2, HIDDEN)}, expert_names(family))
    loaded = load_base(base, Precision.FP32, "AutoModelForCausalLM")
    for folder in (half, uneven):
        with pytest.raises(BadAdapter, match="PEFT cannot put this adapter"):
            attach(loaded.model, folder, "a_1")


def test_a_lora_with_the_older_names_of_modules_answers_as_in_plain_peft(tmp_path):
    """A language model with eyes had its text part elsewhere."""
    model, text = llava().eval(), torch.tensor([[7, 9, 20]])
    older = {}
    torch.manual_seed(3)
    for layer in range(LAYERS):
        older |= factors(f"language_model.model.layers.{layer}.self_attn.q_proj", WIDTH, WIDTH)
    folder = save_older(tmp_path / "older", older, r".*language_model.*q_proj")
    plain = PeftModel.from_pretrained(copy.deepcopy(model), folder).eval()
    untouched = model(text).logits
    adapted, attached = attach(model, folder, "a_1")
    assert (attached.keys_applied, attached.notices) == (attached.keys_in_file, ())
    with speaking_as(adapted, "a_1"):
        assert torch.equal(adapted(text).logits, plain(text).logits)
        assert not torch.allclose(adapted(text).logits, untouched, atol=1e-3)
