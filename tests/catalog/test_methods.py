"""The tables of PEFT methods, fields and meanings against the installed peft."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import peft
import pytest
import transformers
from peft import PEFT_TYPE_TO_CONFIG_MAPPING, LoraConfig, PeftType, TaskType

from adapter_ui.catalog.methods.fields import FIELDS_FILE, default_fields, read_table, unknown_fields
from adapter_ui.catalog.methods.meanings import OWN, meanings_of
from adapter_ui.catalog.methods.meanings.common import COMMON
from adapter_ui.catalog.methods.ranks import half, side_of_pairs
from adapter_ui.catalog.methods.scaling import RULES, Scaling, scaling_of
from adapter_ui.catalog.methods.table import METHODS, PIPELINE_TAGS
from adapter_ui.catalog.profiles.config import parse_config
from adapter_ui.domain import MODEL_CLASS_OF_TASK
from adapter_ui.domain.loadable import REFUSED_METHODS
from tests.catalog.peft_fields import default_of, read_fields


def test_the_methods_are_those_of_the_installed_peft():
    assert METHODS.keys() == {method.value for method in PeftType}


def test_the_refused_methods_are_either_known_or_gone():
    assert REFUSED_METHODS.keys() - METHODS.keys() == {"BONE"}


def test_the_tasks_are_those_of_the_installed_peft():
    tasks = {task.value for task in TaskType}
    assert PIPELINE_TAGS.keys() == tasks
    assert MODEL_CLASS_OF_TASK.keys() == tasks


def test_every_auto_class_exists():
    assert all(hasattr(transformers, name) for name in MODEL_CLASS_OF_TASK.values())


def test_the_file_of_fields_is_that_of_the_installed_peft():
    """`python -m tests.catalog.peft_fields` writes it anew."""
    assert json.loads(FIELDS_FILE.read_text()) == json.loads(json.dumps(read_fields()))
    assert read_table()["peft"] == peft.__version__


def test_the_file_of_fields_is_packaged():
    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    assert '"catalog/methods/*.json"' in pyproject.read_text()


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_field_has_a_meaning_and_every_meaning_a_field(method):
    fields = default_fields(method)
    assert fields.keys() - meanings_of(method).keys() == set()
    assert OWN[method].keys() - fields.keys() == set()
    texts = OWN[method].values()
    assert all(text and text[0] == text.lstrip()[0] and not text.endswith(".") for text in texts)


def test_no_common_meaning_is_left_without_a_method():
    assert COMMON.keys() <= {name for method in METHODS for name in default_fields(method)}


@pytest.mark.parametrize("method", sorted(RULES))
def test_the_scaling_is_made_of_numbers_that_the_method_has_by_default(method):
    rule, fields = RULES[method], default_fields(method)
    assert {rule.alpha, *rule.ranks} <= fields.keys()
    assert rule.root is None or rule.root in fields
    assert not rule.by_module or {"rank_pattern", "alpha_pattern"} <= fields.keys()
    assert scaling_of(method, fields) is not None


@pytest.mark.parametrize(
    ("scaling", "factor", "text"),
    [
        (Scaling(16, 8), 2, "16/8 = 2"),
        (Scaling(16, 16, rooted=True), 4, "16/√16 = 4"),
        (Scaling(150), 150, "150"),
        (Scaling(1, 3), 1 / 3, "1/3 = 0.3333"),
    ],
)
def test_a_scaling_is_written_with_its_numbers(scaling, factor, text):
    assert scaling.factor == factor
    assert str(scaling) == text


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"lora_alpha": 8},
        {"r": 8},
        {"lora_alpha": 8, "r": 0},
        {"lora_alpha": "8", "r": 8},
        {"lora_alpha": True, "r": 8},
    ],
)
def test_without_sound_numbers_there_is_no_scaling(values):
    assert scaling_of("LORA", values) is None
    assert scaling_of("IA3", {"lora_alpha": 8, "r": 8}) is None


@pytest.mark.parametrize("rank", [2, 3, 32, 1000])
def test_a_rank_is_counted_back_from_its_pairs(rank):
    assert side_of_pairs(rank * (rank - 1) // 2) == rank
    assert side_of_pairs(rank * (rank - 1) // 2 + 1) is None
    assert (half(2 * rank), half(2 * rank + 1)) == (rank, None)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_the_defaults_of_every_method_are_read(method):
    """From the fields alone: building a config of some methods asks for packages that are not here."""
    config_class = PEFT_TYPE_TO_CONFIG_MAPPING[PeftType(method)]
    values = {field.name: default_of(field) for field in dataclasses.fields(config_class)}
    values |= {"peft_type": method, "base_model_name_or_path": "a/b"}
    config = parse_config(json.dumps(values, default=vars).encode())
    assert (config.peft_type, config.base_model_name_or_path) == (method, "a/b")
    assert unknown_fields(method, config.extra.keys()) == []


def test_a_configuration_is_read_as_peft_saves_it(tmp_path):
    LoraConfig(r=4, target_modules=["q_proj"], rank_pattern={"k_proj": 2}).save_pretrained(tmp_path)
    config = parse_config((tmp_path / "adapter_config.json").read_bytes())
    assert (config.r, config.target_modules, config.rank_pattern) == (4, ["q_proj"], {"k_proj": 2})
    assert config.peft_version == peft.__version__
    assert unknown_fields("LORA", config.extra.keys()) == []


def test_fields_of_another_peft_are_told_for_known_methods():
    assert unknown_fields("LORA", {"r", "entanglement", "spin"}) == ["entanglement", "spin"]
    assert unknown_fields("IA3", {"use_dora"}) == ["use_dora"]
    assert unknown_fields("QUANTUM", {"spin"}) == []
