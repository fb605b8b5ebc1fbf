"""The X-ray of every method in PEFT's own table, held against the live model that PEFT built and saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from peft import PeftType

from adapter_ui.catalog.findings.tensors import tensor_findings
from adapter_ui.catalog.methods.scaling import RULES
from adapter_ui.catalog.methods.table import METHODS, PROMPT_METHODS
from adapter_ui.catalog.profiles.config import AdapterConfig
from adapter_ui.catalog.profiles.profile import list_modules, overall_rank, zero_tensors
from adapter_ui.domain import Level, TensorInfo
from tests.catalog.every_adapter import Saved, build, load_llama

CANNOT_BE_BUILT = {"ADAMSS": (ImportError, "scikit-learn")}
"""Methods that PEFT builds only with a package that this app does not bring, and how it says so."""

WITHOUT_MODULES = {*PROMPT_METHODS, "UNILORA", "XLORA"}
"""A prompt, one vector for all modules, a classifier over other adapters: no tensor belongs to a module."""
WIDTH_OF: dict[str, Callable[[Any], int | None]] = {
    "DEFT": lambda layer: layer.deft_r["default"],
    "FROD": lambda layer: None,
    "HRA": lambda layer: layer.hra_r["default"],
    "MISS": lambda layer: layer.miss_r["default"],
    "OFT": lambda layer: None,
    "OSF": lambda layer: min(layer.in_features, layer.out_features) - layer.effective_rank["default"],
    "SHADOW": lambda layer: layer.shadow_r["default"],
    "SHIRA": lambda layer: None,
    "SUPERTUNING": lambda layer: layer.supertuning_rank["default"] or None,
}
FACTOR_OF: dict[str, Callable[[Any], float]] = {
    "ADALORA": lambda layer: layer.scaling["default"] / layer.ranknum["default"].item(),
    "FOURIERFT": lambda layer: layer.fourierft_scaling["default"],
    "SHADOW": lambda layer: layer.shadow_alpha["default"],
    "WAVEFT": lambda layer: layer.waveft_scaling["default"],
}
NOT_THE_BASE_AT_FIRST = {"C3A", "FOURIERFT", "UNILORA", "VBLORA"}
"""Methods with zero parts whose default start is noise."""

WITH_PARTS_THAT_ZEROS_LEAVE = {"DEFT": {"decomposition_method": "qr"}}
"""Options of methods that zeros make the base in their default form only."""

CLOSE = 1e-5
BUILDABLE = sorted({method.value for method in PeftType} - CANNOT_BE_BUILT.keys())
WITH_ZERO_PARTS = sorted(method for method in BUILDABLE if METHODS[method].zero_parts)


@pytest.fixture(scope="module")
def adapter_of(tiny_models, tmp_path_factory) -> Callable[[str], Saved]:
    """Each method is built once; a test that changes its numbers puts them back."""
    built: dict[str, Saved] = {}

    def adapter(method: str) -> Saved:
        if method not in built:
            built[method] = build(method, tiny_models, tmp_path_factory.mktemp(method))
        return built[method]

    return adapter


@pytest.fixture(scope="module")
def base_logits(tiny_models) -> torch.Tensor:
    return Saved("", load_llama(tiny_models), tiny_models).logits()


@pytest.mark.parametrize("method", CANNOT_BE_BUILT)
def test_what_is_left_out_truly_cannot_be_built(method, tiny_models, tmp_path):
    error, reason = CANNOT_BE_BUILT[method]
    with pytest.raises(error, match=reason):
        build(method, tiny_models, tmp_path)


@pytest.mark.parametrize("method", BUILDABLE)
def test_the_modules_are_those_that_the_live_model_has(method, adapter_of):
    saved = adapter_of(method)
    modules = list_modules(saved.header, saved.config)
    targeted = {module.name for module in modules if not module.shared}
    if method in WITHOUT_MODULES:
        assert targeted == set()
    elif method == "ADAPTION_PROMPT":
        assert targeted == {"model.layers.1.self_attn"}
    else:
        assert targeted == {name for name, _ in saved.layers()}
    assert not any(module.whole for module in modules)
    in_layers = method != "TRAINABLE_TOKENS"
    assert all((module.layer is None) == (module.shared or not in_layers) for module in modules)


@pytest.mark.parametrize("method", BUILDABLE)
def test_parameters_and_dtypes_are_those_of_the_file(method, adapter_of):
    saved = adapter_of(method)
    modules, tensors = list_modules(saved.header, saved.config), saved.tensors
    assert sum(module.parameters for module in modules) == sum(one.numel() for one in tensors.values())
    for module in modules:
        ours = {name: one for name, one in tensors.items() if f".{module.name}." in f".{name}."}
        assert module.parts == tuple(sorted(parts_of(ours, module.name, module.shared)))
        assert getattr(torch, module.dtype) in {one.dtype for one in ours.values()}


def parts_of(names: dict[str, torch.Tensor], module: str, shared: bool) -> set[str]:
    return {module} if shared else {name.split(f"{module}.")[1].split(".")[0] for name in names}


@pytest.mark.parametrize("method", BUILDABLE)
def test_ranks_and_scalings_are_those_of_the_live_layers(method, adapter_of):
    saved = adapter_of(method)
    modules = {module.name: module for module in list_modules(saved.header, saved.config)}
    seen = 0
    for name, layer in saved.layers():
        module = modules.get(name)
        if module is None:
            continue
        seen += 1
        width = WIDTH_OF.get(method, lambda one: getattr(one, "r", {}).get("default"))
        assert module.rank == width(layer)
        if method in RULES:
            factor = FACTOR_OF.get(method, lambda one: one.scaling["default"])
            assert module.scaling == pytest.approx(factor(layer), rel=1e-5)
        else:
            assert module.scaling is None
            assert getattr(layer, "scaling", {}).get("default", 1.0) == 1.0
    assert (seen == 0) == (method in WITHOUT_MODULES or method == "ADAPTION_PROMPT")
    if any(module.rank for module in modules.values()):
        assert overall_rank(None, modules.values()) == overall_rank(saved.config, modules.values())


@pytest.mark.parametrize("method", BUILDABLE)
def test_no_finding_speaks_against_what_peft_has_just_saved(method, adapter_of):
    saved = adapter_of(method)
    found = tensor_findings(saved.config, saved.header, None)
    assert [one for one in found if one.level in (Level.BLOCKER, Level.WARNING)] == []


@pytest.mark.parametrize("method", WITH_ZERO_PARTS)
def test_a_method_that_starts_as_the_base_starts_with_zeros(method, adapter_of, base_logits):
    saved = adapter_of(method)
    zeros = [saved.tensors[one.name] for one in zero_tensors(saved.header, method)]
    is_base = torch.allclose(saved.logits(), base_logits, atol=CLOSE)
    assert zeros
    assert is_base == (method not in NOT_THE_BASE_AT_FIRST)
    assert is_base == (not any(one.any() for one in zeros))


@pytest.mark.parametrize("method", WITH_ZERO_PARTS)
def test_zeros_alone_decide_whether_the_method_changes_anything(method, adapter_of, base_logits):
    """Whatever the other tensors hold."""
    saved = adapter_of(method)
    start, deciding = saved.tensors, {one.name for one in zero_tensors(saved.header, method)}
    torch.manual_seed(4)
    others = {name: one if name in deciding else noisy(name, one) for name, one in start.items()}
    zeroed = {name: torch.zeros_like(one) if name in deciding else one for name, one in others.items()}
    filled = {name: torch.full_like(one, 0.5) if name in deciding else one for name, one in others.items()}
    try:
        assert torch.allclose(saved.logits_with(zeroed), base_logits, atol=CLOSE)
        assert not torch.allclose(saved.logits_with(filled), base_logits, atol=CLOSE)
    finally:
        saved.logits_with(start)


def noisy(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """GLoRA saves constants called zeros for what a layer without a bias has not; those stay."""
    fixed = not tensor.is_floating_point() or name.endswith(".zeros")
    return tensor if fixed else tensor + torch.randn_like(tensor) * 0.1


@pytest.mark.parametrize("method", sorted(set(BUILDABLE) - set(WITH_ZERO_PARTS)))
def test_where_no_zero_parts_are_named_no_zeros_make_the_method_the_base(
    method, adapter_of, base_logits, tiny_models, tmp_path
):
    options = WITH_PARTS_THAT_ZEROS_LEAVE.get(method)
    saved = build(method, tiny_models, tmp_path, **options) if options else adapter_of(method)
    start, deciding = saved.tensors, list_modules(saved.header, saved.config)
    torch.manual_seed(4)
    others = {name: noisy(name, one) for name, one in start.items()}
    try:
        for part in {part for module in deciding for part in module.parts}:
            zeroed = {
                name: torch.zeros_like(one) if part in name.split(".") and one.is_floating_point() else one
                for name, one in others.items()
            }
            assert not torch.allclose(saved.logits_with(zeroed), base_logits, atol=CLOSE)
    finally:
        saved.logits_with(start)


def test_the_tensors_of_adamss_are_told_apart_by_the_names_that_its_layer_gives_them():
    """Read from `peft/tuners/adamss/layer.py`: lists of matrices, one for each subspace, and a projection."""
    layer = "base_model.model.model.layers.0.self_attn.q_proj"
    shapes = {"adamss_A.0": (1, 16), "adamss_A.1": (2, 16), "adamss_B.0": (40, 1), "adamss_B.1": (24, 2)}
    header = [TensorInfo(f"{layer}.{name}", "F32", shape, 0, 0) for name, shape in shapes.items()]
    header.append(TensorInfo(f"{layer}.adamss_newB", "F32", (16, 64), 0, 0))
    (module,) = list_modules(header, AdapterConfig(peft_type="ADAMSS", r=16))
    assert (module.name, module.rank, module.parts) == (
        layer.removeprefix("base_model.model."),
        16,
        ("adamss_A", "adamss_B", "adamss_newB"),
    )
    assert [one.shape for one in zero_tensors(header, "ADAMSS")] == [(40, 1), (24, 2)]
