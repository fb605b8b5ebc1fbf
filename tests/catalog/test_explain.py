"""Configurations in words."""

from __future__ import annotations

from adapter_ui.catalog.profiles.config import AdapterConfig
from adapter_ui.catalog.profiles.explain import FIELDS, explain


def rows(**fields):
    return {row.field: row for row in explain(AdapterConfig(peft_type="LORA", **fields))}


def test_scaling_is_explained_by_its_formula():
    assert (rows(r=16, lora_alpha=32)["scaling"].value, rows(r=16, lora_alpha=32)["scaling"].effect) == (
        "2",
        "lora_alpha / r",
    )
    stabilised = rows(r=16, lora_alpha=32, use_rslora=True)["scaling"]
    assert (stabilised.value, stabilised.effect) == ("8", "lora_alpha / √r, since use_rslora is on")
    assert "scaling" not in rows(r=16)


def test_what_is_not_set_is_not_shown():
    assert set(rows(r=4)) == {"peft_type", "r", "use_rslora", "use_dora"}


def test_targets_are_told_by_their_kind():
    assert rows(target_modules=["q_proj", "v_proj"])["target_modules"].value == "q_proj, v_proj"
    assert "every linear layer" in rows(target_modules="all-linear")["target_modules"].effect
    assert "pattern" in rows(target_modules=".*q")["target_modules"].effect
    assert rows(target_modules=[f"m{n}" for n in range(20)])["target_modules"].value.endswith("and 12 more")


def test_fields_without_a_meaning_here_are_shown_all_the_same():
    row = rows(entanglement={"a": 1})["entanglement"]
    assert (row.value, row.meaning) == ("{'a': 1}", "")
    assert "other" not in rows(other=None)


def test_every_explained_field_exists():
    assert FIELDS.keys() <= AdapterConfig.model_fields.keys()


def test_values_are_bounded():
    assert all(
        len(row.value) < 2000
        for row in explain(AdapterConfig(peft_type="X", note="x" * 20_000, many=["y" * 999] * 99))
    )
