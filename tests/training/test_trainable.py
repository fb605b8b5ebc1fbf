"""The count of trained parameters by arithmetic is the one that PEFT's own modules have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapter_ui.catalog.bases.facts import local_base_facts
from adapter_ui.catalog.bases.headers import folder_tensors
from adapter_ui.catalog.bases.modules import linear_modules
from adapter_ui.domain.modules import LinearModules
from adapter_ui.models.tuning.check import weightless
from adapter_ui.training.run_folder import PreparedBase
from adapter_ui.training.trainable import trainable_parameters
from tests.training.conftest import recipe
from tests.training.tiny_t5 import build_t5


def modules_of(folder: Path) -> tuple[LinearModules, ...]:
    shapes = {name: one.shape for name, one in folder_tensors(folder).items()}
    return linear_modules(local_base_facts(folder, "a/b"), shapes)


@pytest.fixture(scope="module")
def bases(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {"llama": tiny_models / "llama", "t5": build_t5(tmp_path_factory.mktemp("t5"))}


@pytest.mark.parametrize(
    ("base", "fields"),
    [
        ("llama", {"target_modules": ["q_proj", "down_proj"]}),
        ("llama", {"target_modules": "all-linear", "use_dora": True, "r": 3}),
        ("llama", {"target_modules": "all-linear", "method": "ADALORA"}),
        ("llama", {"target_modules": ["k_proj", "gate_proj"], "method": "LOHA"}),
        ("t5", {"target_modules": "all-linear", "task_type": "SEQ_2_SEQ_LM"}),
        ("t5", {"target_modules": ["wo", "k"], "task_type": "SEQ_2_SEQ_LM"}),
    ],
)
def test_it_counts_what_peft_would_train(base: str, fields: dict[str, Any], bases: dict[str, Path]) -> None:
    settings = recipe(**fields)
    model = weightless(settings, PreparedBase(bases[base], "a/b"), ()).model
    found = trainable_parameters(settings, modules_of(bases[base]))
    assert found == model.get_nb_trainable_parameters()[0]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"target_modules": ["q_proj"], "bias": "all"},
        {"target_modules": ["q_proj"], "trainable_tokens": ["</s>"]},
        {"target_modules": ["q_proj"], "task_type": "SEQ_CLS"},
        {"target_modules": ["layers.0.self_attn.q_proj"]},
        {"target_modules": ["q_proj"], "adapter": "run:x"},
        {"target_modules": ["q_proj"], "method": "OFT"},
    ],
)
def test_what_arithmetic_cannot_tell_is_left_to_the_check(fields: dict[str, Any], tiny_models: Path) -> None:
    assert trainable_parameters(recipe(**fields), modules_of(tiny_models / "llama")) is None


def test_modules_are_told_by_name_with_their_inputs_and_outputs(tiny_models: Path) -> None:
    found = {one.name: one.sizes for one in modules_of(tiny_models / "llama")}
    assert found["down_proj"] == ((128, 64),) * 2
    assert "lm_head" not in found
    assert "embed_tokens" not in found
