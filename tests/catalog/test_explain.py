"""Configurations in words."""

from __future__ import annotations

import dataclasses
import json

import pytest
from peft import IA3Config, LoHaConfig, LoraConfig, PromptTuningConfig

from adapter_ui.catalog.methods.table import METHODS
from adapter_ui.catalog.profiles.config import AdapterConfig, parse_config
from adapter_ui.catalog.profiles.effects import EFFECTS
from adapter_ui.catalog.profiles.explain import FIRST, IDENTITY, Explanation, explain
from tests.catalog.peft_fields import read_fields


def rows(method: str = "LORA", **fields) -> dict[str, Explanation]:
    return {row.field: row for row in explain(AdapterConfig(peft_type=method, **fields))}


@pytest.mark.parametrize(
    ("fields", "value", "effect"),
    [
        ({"r": 8, "lora_alpha": 16}, "2", "lora_alpha/r = 16/8 = 2"),
        ({"r": 16, "lora_alpha": 32, "use_rslora": True}, "8", "lora_alpha/√r = 32/√16 = 8"),
        ({"r": 16}, "0.5", "lora_alpha/r = 8/16 = 0.5"),
        ({"method": "LOHA", "r": 4, "alpha": 2}, "0.5", "alpha/r = 2/4 = 0.5"),
        ({"method": "GRALORA", "r": 6, "hybrid_r": 2, "alpha": 4}, "0.5", "alpha/(r + hybrid_r) = 4/8 = 0.5"),
    ],
)
def test_scaling_is_explained_with_its_numbers(fields, value, effect):
    row = rows(**fields)["scaling"]
    assert (row.value, row.effect, row.default) == (value, effect, None)


def test_scaling_says_so_where_modules_differ():
    assert rows(r=8, lora_alpha=16, rank_pattern={"q": 4})["scaling"].effect.endswith("of their own")


def test_a_scaling_that_is_a_field_is_shown_once():
    found = [
        row for row in explain(AdapterConfig(peft_type="FOURIERFT", scaling=150.0)) if row.field == "scaling"
    ]
    assert [(row.value, row.default) for row in found] == [("150", True)]


def test_where_numbers_are_unsound_there_is_no_scaling():
    assert "scaling" not in rows(r=8, lora_alpha=None)
    assert "scaling" not in rows("LOHA", r=8, alpha="much")
    assert "scaling" not in rows("IA3")


def test_defaults_are_told_from_choices():
    found = rows(r=8, lora_alpha=16, use_dora=False, lora_dropout=0, bias="all", peft_version="0.9.0")
    assert {name: row.default for name, row in found.items()} == {
        "peft_type": None,
        "r": True,
        "lora_alpha": False,
        "scaling": None,
        "use_dora": True,
        "lora_dropout": True,
        "bias": False,
        "peft_version": None,
    }
    assert rows(init_lora_weights=True)["init_lora_weights"].default is True
    assert rows("ROAD", group_size=True)["group_size"].default is False


def test_what_says_nothing_is_left_out_and_what_is_emptied_on_purpose_is_not():
    assert "modules_to_save" not in rows(modules_to_save=None, rank_pattern={})
    row = rows(bias=None)["bias"]
    assert (row.value, row.default) == ("None", False)


@pytest.mark.parametrize(
    "config",
    [
        LoraConfig(r=4, target_modules=["q"]),
        IA3Config(target_modules=["k"], feedforward_modules=["k"]),
        LoHaConfig(target_modules=["q"]),
        PromptTuningConfig(num_virtual_tokens=4, task_type="CAUSAL_LM"),
    ],
    ids=lambda config: config.peft_type.value,
)
def test_what_peft_saves_is_known_in_full(config, tmp_path):
    config.save_pretrained(tmp_path)
    found = explain(parse_config((tmp_path / "adapter_config.json").read_bytes()))
    assert all(row.meaning and not row.newer for row in found)
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    for row in found:
        if row.default is not None:
            assert row.default == (getattr(config, row.field) == defaults.get(row.field))


def test_a_field_of_another_peft_comes_last_and_is_marked():
    *known, last = explain(AdapterConfig(peft_type="LORA", entanglement={"a": 1}, r=4, other=None))
    assert last == Explanation("entanglement", "{'a': 1}", "", "", None, newer=True)
    assert not any(row.newer for row in known)
    assert rows("IA3", use_dora=True)["use_dora"].newer


def test_of_an_unknown_method_only_common_fields_are_explained():
    found = rows("QUANTUM", r=4, spin=1, base_model_name_or_path="a/b")
    assert found["r"].meaning and found["base_model_name_or_path"].meaning
    assert (found["spin"].meaning, found["spin"].newer) == ("", False)
    assert {row.default for row in found.values()} == {None}


def test_what_matters_stands_first():
    fields = {
        "lora_dropout": 0.1,
        "target_modules": ["q"],
        "lora_alpha": 16,
        "r": 8,
        "task_type": "CAUSAL_LM",
    }
    assert list(rows(**fields)) == [
        "peft_type",
        "task_type",
        "r",
        "lora_alpha",
        "scaling",
        "target_modules",
        "lora_dropout",
    ]


def test_targets_are_told_by_their_kind():
    assert rows(target_modules=["q_proj", "v_proj"])["target_modules"].value == "q_proj, v_proj"
    assert "every linear layer" in rows(target_modules="all-linear")["target_modules"].effect
    assert "pattern" in rows(target_modules=".*q")["target_modules"].effect
    assert rows("ADAPTION_PROMPT", target_modules="self_attn")["target_modules"].effect == ""
    assert rows(target_modules=[f"m{n}" for n in range(20)])["target_modules"].value.endswith("and 12 more")


def test_every_field_with_an_effect_or_a_place_is_one_of_peft():
    table = read_fields()
    names = {*table["common"], *(name for fields in table["methods"].values() for name in fields)}
    assert {*EFFECTS, *FIRST, *IDENTITY} <= names


@pytest.mark.parametrize("method", [*sorted(METHODS), "QUANTUM"])
def test_values_of_any_kind_are_put_into_words_and_bounded(method):
    """A stranger's file may have any value in a field that is not checked."""
    strange = ["x" * 20_000, ["y" * 999] * 99, {"z": ["w" * 999] * 99}, -1, 1e300, True, None, [], [None]]
    checked = AdapterConfig.model_fields.keys()
    table = read_fields()
    names = {*table["methods"].get(method, {}), "note"} - checked
    for value in strange:
        for row in explain(AdapterConfig(peft_type=method, **dict.fromkeys(names, value))):
            assert all(len(text) < 2000 for text in dataclasses.astuple(row) if isinstance(text, str))


def test_a_whole_file_of_every_method_is_explained():
    table = read_fields()
    for method, fields in table["methods"].items():
        config = parse_config(json.dumps({**table["common"], **fields, "peft_type": method}).encode())
        assert {row.default for row in explain(config)} <= {True, None}
