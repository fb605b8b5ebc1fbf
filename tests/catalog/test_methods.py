"""The table of PEFT methods against the installed peft."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import peft
import pytest
import transformers
from peft import PEFT_TYPE_TO_CONFIG_MAPPING, LoraConfig, PeftType, TaskType

from adapter_ui.catalog.profiles.config import parse_config
from adapter_ui.catalog.profiles.methods import LORA_FIELDS, METHODS, PIPELINE_TAGS, REFUSED
from adapter_ui.domain import MODEL_CLASS_OF_TASK


def test_the_methods_are_those_of_the_installed_peft():
    assert METHODS.keys() == {method.value for method in PeftType}


def test_the_refused_methods_are_either_known_or_gone():
    assert REFUSED.keys() - METHODS.keys() == {"BONE"}


def test_the_tasks_are_those_of_the_installed_peft():
    tasks = {task.value for task in TaskType}
    assert PIPELINE_TAGS.keys() == tasks
    assert MODEL_CLASS_OF_TASK.keys() == tasks


def test_every_auto_class_exists():
    assert all(hasattr(transformers, name) for name in MODEL_CLASS_OF_TASK.values())


def test_the_lora_fields_are_those_of_the_installed_peft():
    assert {field.name for field in dataclasses.fields(LoraConfig)} == LORA_FIELDS


@pytest.mark.parametrize("method", sorted(METHODS))
def test_the_defaults_of_every_method_are_read(method):
    """From the fields alone: building a config of some methods asks for packages that are not here."""
    config_class = PEFT_TYPE_TO_CONFIG_MAPPING[PeftType(method)]
    values = {field.name: default_of(field) for field in dataclasses.fields(config_class)}
    values |= {"peft_type": method, "base_model_name_or_path": "a/b"}
    config = parse_config(json.dumps(values, default=vars).encode())
    assert (config.peft_type, config.base_model_name_or_path) == (method, "a/b")


def test_a_configuration_is_read_as_peft_saves_it(tmp_path):
    LoraConfig(r=4, target_modules=["q_proj"], rank_pattern={"k_proj": 2}).save_pretrained(tmp_path)
    config = parse_config((tmp_path / "adapter_config.json").read_bytes())
    assert (config.r, config.target_modules, config.rank_pattern) == (4, ["q_proj"], {"k_proj": 2})
    assert config.peft_version == peft.__version__
    assert not config.extra.keys() - LORA_FIELDS


def default_of(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default
