"""Mixing: what PEFT's own `add_weighted_adapter` gives on a real model, and ranks that it cannot mix."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from adapter_ui.domain import ADAPTER_CONFIG, ADAPTER_WEIGHTS, Combination, MixRecipe, Precision
from adapter_ui.errors import BadAdapter, UnsupportedAdapter
from adapter_ui.models.adapters import attach
from adapter_ui.models.loading import load_base
from adapter_ui.models.mixing.factors import read_lora
from adapter_ui.models.mixing.mix import mix
from tests.hub.tiny_models import LLAMA_ID, save_adapter

DENSITY = 0.6
SEED = 11
INPUT = torch.tensor([[5, 9, 200, 17, 42]])
QUERIES = {"target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM"}
KINDS = {
    "one": LoraConfig(r=4, lora_alpha=8, **QUERIES),
    "two": LoraConfig(r=4, lora_alpha=4, **QUERIES),
    "rooted": LoraConfig(r=4, lora_alpha=8, use_rslora=True, **QUERIES),
    "wide": LoraConfig(r=8, lora_alpha=4, **QUERIES),
    "varied": LoraConfig(
        r=2,
        lora_alpha=2,
        rank_pattern={"layers.0.self_attn.q_proj": 6},
        alpha_pattern={"v_proj": 8},
        **QUERIES,
    ),
    "elsewhere": LoraConfig(
        r=4, lora_alpha=8, target_modules=r".*\.1\..*\.(up|q)_proj", task_type="CAUSAL_LM"
    ),
    "whole": LoraConfig(
        r=4, lora_alpha=8, target_modules=["embed_tokens", "lm_head", "q_proj"], task_type="CAUSAL_LM"
    ),
}


@pytest.fixture(scope="module")
def adapters(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mixed")
    for seed, (name, config) in enumerate(KINDS.items(), start=21):
        save_adapter(tiny_models / "llama", folder / name, LLAMA_ID, config, seed)
    return folder


def recipe(combination: str, weights: dict[str, float], rank: int | None = None) -> MixRecipe:
    parts = [{"adapter": f"folder:{name}", "weight": weight} for name, weight in weights.items()]
    return MixRecipe.of(parts, combination, name="new", density=DENSITY, rank=rank, seed=SEED)


def mixed(adapters: Path, tmp_path: Path, recipe: MixRecipe) -> Path:
    target = tmp_path / "new"
    target.mkdir()
    folders = [adapters / part.adapter.name for part in recipe.parts]
    steps = list(mix(recipe, folders, LLAMA_ID, target))
    assert steps[-2].done == steps[-2].total - 1
    return target


def peft_mix(models: Path, adapters: Path, recipe: MixRecipe) -> PeftModel:
    """The same mix by PEFT on the real model, under the adapter name `mix`."""
    base = AutoModelForCausalLM.from_pretrained(models / "llama")
    names = [part.adapter.name for part in recipe.parts]
    model = PeftModel.from_pretrained(base, adapters / names[0], adapter_name=names[0])
    for name in names[1:]:
        model.load_adapter(adapters / name, adapter_name=name)
    inject = model.base_model.inject_adapter

    def inject_then_seed(*arguments, **options) -> None:
        """A fresh adapter draws its own first values, which the mix then writes over."""
        inject(*arguments, **options)
        torch.manual_seed(SEED)

    model.base_model.inject_adapter = inject_then_seed
    weights = [part.weight for part in recipe.parts]
    model.add_weighted_adapter(
        names, weights, "mix", recipe.combination.value, svd_rank=recipe.rank, density=recipe.density
    )
    model.set_adapter("mix")
    return model.eval()


def changes(folder: Path) -> dict[str, torch.Tensor]:
    """What the adapter adds to each module's weight."""
    lora = read_lora(folder)
    return {name: one.up @ one.down * one.scaling for name, one in lora.factors.items()}


def changes_of(model: PeftModel) -> dict[str, torch.Tensor]:
    return {
        name: module.lora_B["mix"].weight @ module.lora_A["mix"].weight
        for name, module in model.get_base_model().named_modules()
        if "mix" in getattr(module, "lora_A", {})
    }


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, change in expected.items():
        torch.testing.assert_close(found[name], change, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("combination", list(Combination))
def test_every_combination_gives_what_peft_gives(tiny_models, adapters, tmp_path, combination):
    asked = recipe(combination, {"one": 0.7, "two": 1.4})
    target = mixed(adapters, tmp_path, asked)
    theirs = peft_mix(tiny_models, adapters, asked)
    assert_same(changes(target), changes_of(theirs))
    raw = json.loads((target / ADAPTER_CONFIG).read_text())
    assert (raw["r"], raw["lora_alpha"]) == (theirs.peft_config["mix"].r,) * 2
    assert (set(raw["target_modules"]), raw["task_type"]) == ({"q_proj", "v_proj"}, "CAUSAL_LM")
    assert raw["base_model_name_or_path"] == LLAMA_ID


@pytest.mark.parametrize("combination", ["linear", "cat", "svd", "dare_linear", "magnitude_prune_svd"])
def test_an_adapter_can_be_taken_away(tiny_models, adapters, tmp_path, combination):
    asked = recipe(combination, {"one": 1.0, "two": -0.5})
    assert_same(changes(mixed(adapters, tmp_path, asked)), changes_of(peft_mix(tiny_models, adapters, asked)))


@pytest.mark.parametrize("combination", ["cat", "svd", "ties_svd"])
def test_different_ranks_give_what_peft_gives(tiny_models, adapters, tmp_path, combination):
    asked = recipe(combination, {"one": 0.7, "wide": 1.4, "varied": 1.0}, 5 if "svd" in combination else None)
    assert_same(changes(mixed(adapters, tmp_path, asked)), changes_of(peft_mix(tiny_models, adapters, asked)))


def test_the_mix_answers_on_plain_peft_as_pefts_own(tiny_models, adapters, tmp_path):
    asked = recipe("cat", {"one": 0.7, "wide": 1.4})
    base = AutoModelForCausalLM.from_pretrained(tiny_models / "llama")
    ours = PeftModel.from_pretrained(base, mixed(adapters, tmp_path, asked)).eval()
    theirs = peft_mix(tiny_models, adapters, asked)
    with torch.inference_mode():
        torch.testing.assert_close(ours(INPUT).logits, theirs(INPUT).logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("combination", ["linear", "ties", "magnitude_prune", "dare_ties"])
def test_a_smaller_rank_is_the_same_adapter_padded_with_zeros(tiny_models, adapters, tmp_path, combination):
    """PEFT mixes these types at one rank only, so it gets the padded adapter; nothing is pruned here."""
    padded = tmp_path / "padded"
    shutil.copytree(adapters, padded)
    tensors = load_file(padded / "one" / ADAPTER_WEIGHTS)
    for key, tensor in tensors.items():
        axis = 0 if "lora_A" in key else 1
        tensors[key] = torch.cat([tensor, torch.zeros_like(tensor)], dim=axis)
    save_file(tensors, padded / "one" / ADAPTER_WEIGHTS)
    raw = json.loads((padded / "one" / ADAPTER_CONFIG).read_text())
    (padded / "one" / ADAPTER_CONFIG).write_text(json.dumps(raw | {"r": 8, "lora_alpha": 16}))
    parts = [{"adapter": "folder:one", "weight": 0.7}, {"adapter": "folder:wide", "weight": 1.4}]
    asked = MixRecipe.of(parts, combination, name="new", density=1.0)
    assert_same(changes(mixed(adapters, tmp_path, asked)), changes_of(peft_mix(tiny_models, padded, asked)))


def test_what_is_pruned_does_not_depend_on_the_padding(adapters, tmp_path):
    asked = recipe("magnitude_prune", {"one": 1.0, "wide": 1.0})
    lora = read_lora(mixed(adapters, tmp_path, asked))
    for one in lora.factors.values():
        kept = (one.down[4:] != 0).sum()  # rows that only the wide adapter has
        assert kept <= int(DENSITY * one.down.numel())
        assert (one.down[:4] != 0).any(dim=1).all()


def test_a_rooted_scaling_is_counted_once(adapters, tmp_path):
    """PEFT keeps use_rslora of the first adapter and would scale what it has scaled already."""
    found = changes(mixed(adapters, tmp_path, recipe("cat", {"rooted": 1.0, "one": 1.0})))
    rooted, one = changes(adapters / "rooted"), changes(adapters / "one")
    assert_same(found, {name: rooted[name] + one[name] for name in one})


@pytest.mark.parametrize("combination", ["linear", "cat", "svd"])
def test_modules_that_one_adapter_leaves_alone_keep_the_others_change(
    tiny_models, adapters, tmp_path, combination
):
    asked = recipe(combination, {"elsewhere": 0.5, "one": 2.0})
    found = changes(mixed(adapters, tmp_path, asked))
    elsewhere, one = changes(adapters / "elsewhere"), changes(adapters / "one")
    assert found.keys() == elsewhere.keys() | one.keys()
    alone = found.keys() - (elsewhere.keys() & one.keys())
    expected = {name: 0.5 * elsewhere[name] if name in elsewhere else 2 * one[name] for name in alone}
    assert_same({name: found[name] for name in alone}, expected)
    base = load_base(tiny_models / "llama", Precision.FP32, "AutoModelForCausalLM")
    _, attached = attach(base.model, tmp_path / "new", "a_1")
    assert (attached.keys_applied, attached.notices) == (2 * len(found), ())


@pytest.mark.parametrize("combination", ["cat", "svd", "ties"])
def test_embeddings_are_mixed_too(tiny_models, adapters, tmp_path, combination):
    asked = recipe(combination, {"whole": 0.5, "one": 2.0})
    target = mixed(adapters, tmp_path, asked)
    assert "base_model.model.model.embed_tokens.lora_embedding_A" in load_file(target / ADAPTER_WEIGHTS)
    assert len(changes(target)) == 6
    base = AutoModelForCausalLM.from_pretrained(tiny_models / "llama")
    ours = PeftModel.from_pretrained(base, target).eval()
    with torch.inference_mode():
        theirs = peft_mix(tiny_models, adapters, asked)(INPUT).logits
        torch.testing.assert_close(ours(INPUT).logits, theirs, rtol=1e-3, atol=1e-4)


def test_the_seed_decides_what_dare_drops(adapters, tmp_path):
    weights = {"one": 1.0, "two": 1.0}
    parts = [{"adapter": f"folder:{name}", "weight": weight} for name, weight in weights.items()]
    files = []
    for number, seed in enumerate((1, 1, 2)):
        (folder := tmp_path / str(number)).mkdir()
        asked = MixRecipe.of(parts, "dare_linear", name="new", seed=seed)
        files.append((mixed(adapters, folder, asked) / ADAPTER_WEIGHTS).read_bytes())
    assert files[0] == files[1] != files[2]


@pytest.fixture
def altered(adapters: Path, tmp_path: Path):
    """A copy of an adapter whose config and tensors a test may change."""

    def alter(config: dict | None = None, tensors: dict | None = None) -> Path:
        folder = tmp_path / "altered"
        shutil.copytree(adapters / "one", folder)
        raw = json.loads((folder / ADAPTER_CONFIG).read_text())
        (folder / ADAPTER_CONFIG).write_text(json.dumps(raw | (config or {})))
        kept = load_file(folder / ADAPTER_WEIGHTS)
        save_file(kept | (tensors or {}), folder / ADAPTER_WEIGHTS)
        return folder

    return alter


PLACE = "base_model.model.model.layers.0.self_attn"


@pytest.mark.parametrize(
    ("config", "tensors", "kind", "sentence"),
    [
        ({"peft_type": "LOHA"}, {}, BadAdapter, "LoRA"),
        ({"use_dora": True}, {}, UnsupportedAdapter, "variant"),
        ({"r": 8}, {}, BadAdapter, "do not agree on"),
        ({"rank_pattern": {"q_proj": 2}}, {}, BadAdapter, "do not agree on"),
        ({"target_modules": ["q_proj"]}, {}, BadAdapter, "do not agree on"),
        ({"target_modules": r"((q|_|\w)+)+!"}, {}, BadAdapter, "target_modules pattern"),
        ({}, {"base_model.model.model.norm.weight": torch.ones(64)}, UnsupportedAdapter, "no factor"),
        ({}, {f"{PLACE}.q_proj.lora_B.bias": torch.ones(64)}, UnsupportedAdapter, "no factor"),
        ({}, {f"{PLACE}.k_proj.lora_A.weight": torch.ones(4, 64)}, BadAdapter, "lacks a factor"),
        ({}, {f"{PLACE}.q_proj.lora_B.weight": torch.ones(64, 3)}, UnsupportedAdapter, "one rank"),
        ({}, {f"{PLACE}.q_proj.lora_A.weight": torch.full((4, 64), torch.nan)}, BadAdapter, "not finite"),
    ],
)  # fmt: skip
def test_what_is_no_plain_lora_is_refused(altered, config, tensors, kind, sentence):
    with pytest.raises(kind, match=sentence):
        read_lora(altered(config, tensors))


@pytest.mark.parametrize("module", ["forward", "a..b", "a.forward"])
def test_a_name_that_no_module_can_have_is_refused(altered, module):
    place = f"base_model.model.{module}"
    tensors = {f"{place}.lora_A.weight": torch.ones(4, 8), f"{place}.lora_B.weight": torch.ones(8, 4)}
    with pytest.raises(BadAdapter, match="no name of a module"):
        read_lora(altered(tensors=tensors))


def test_adapters_of_different_widths_are_refused(adapters, altered, tmp_path):
    shapes = {f"{PLACE}.{name}.lora_A.weight": torch.ones(4, 32) for name in ("q_proj", "v_proj")}
    odd = altered(tensors=shapes)
    asked = recipe("linear", {"one": 1.0, "two": 1.0})
    with pytest.raises(UnsupportedAdapter, match="shape of"):
        list(mix(asked, [adapters / "one", odd], LLAMA_ID, tmp_path))


def test_work_without_end_is_refused(tmp_path):
    """A whole matrix as large as those of a 70B model's vocabulary, which no machine here decomposes."""
    place = "base_model.model.lm_head"
    tensors = {
        f"{place}.lora_A.weight": torch.zeros(1, 8192),
        f"{place}.lora_B.weight": torch.zeros(128_000, 1),
    }
    config = LoraConfig(r=1, target_modules=["lm_head"], base_model_name_or_path=LLAMA_ID)
    for name in ("one", "two"):
        config.save_pretrained(tmp_path / name)
        save_file(tensors, tmp_path / name / ADAPTER_WEIGHTS)
    folders = [tmp_path / "one", tmp_path / "two"]
    with pytest.raises(UnsupportedAdapter, match="use ties or svd"):
        list(mix(recipe("ties_svd", {"one": 1.0, "two": 1.0}), folders, LLAMA_ID, tmp_path))
