"""adapter_config.json as strangers write it."""

from __future__ import annotations

import json
import math

import pytest

from adapter_ui.catalog.profiles.config import CONFIG_BYTES, parse_config
from adapter_ui.errors import BadAdapter, ConfigUnreadable, NonFiniteNumber

LORA = {
    "peft_type": "LORA",
    "r": 16,
    "lora_alpha": 32,
    "task_type": "CAUSAL_LM",
    "base_model_name_or_path": "a/b",
}


def parse(**changes):
    return parse_config(json.dumps(LORA | changes).encode())


@pytest.mark.parametrize(
    ("changes", "scaling"),
    [
        ({}, 2.0),
        ({"use_rslora": True}, 32 / math.sqrt(16)),
        ({"lora_alpha": 8192.0, "r": 128}, 64.0),
        ({"lora_alpha": 0}, 0.0),
        ({"r": None}, None),
    ],
)
def test_scaling_is_alpha_over_r_or_over_its_root(changes, scaling):
    assert parse(**changes).scaling == scaling


def test_scaling_is_what_peft_computes(tiny_models):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    config = parse_config((tiny_models / "lora" / "adapter_config.json").read_bytes())
    model = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(tiny_models / "llama"), tiny_models / "lora"
    )
    layer = model.base_model.model.model.layers[0].self_attn.q_proj
    assert config.scaling == layer.scaling["default"]


def test_unknown_fields_are_kept_apart():
    config = parse(entanglement=4, scaling="mine", extra=[1], model_config={"x": 1})
    assert config.extra == {"entanglement": 4, "scaling": "mine", "extra": [1], "model_config": {"x": 1}}
    assert config.scaling == 2.0


def test_an_unknown_method_is_kept_as_text():
    assert parse(peft_type="QUANTUM").peft_type == "QUANTUM"


@pytest.mark.parametrize("targets", ["all-linear", r".*\.(q|v)_proj", ["q_proj"], None])
def test_targets_may_be_a_pattern_a_list_or_absent(targets):
    assert parse(target_modules=targets).target_modules == targets


def test_a_byte_order_mark_is_no_obstacle():
    assert parse_config(b"\xef\xbb\xbf" + json.dumps(LORA).encode()).r == 16


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"peft_type": None}, "peft_type"),
        ({"peft_type": ""}, "peft_type"),
        ({"peft_type": ["LORA"]}, "peft_type"),
        ({"r": 2**31 - 1}, "r"),
        ({"r": -1}, "r"),
        ({"r": "16"}, "r"),
        ({"r": 16.5}, "r"),
        ({"r": True}, "r"),
        ({"r": 0}, "r"),
        ({"lora_alpha": "32"}, "lora_alpha"),
        ({"lora_dropout": 1.5}, "lora_dropout"),
        ({"use_dora": "yes"}, "use_dora"),
        ({"target_modules": {"q_proj": 1}}, "target_modules"),
        ({"target_modules": ["q_proj", 7]}, "target_modules"),
        ({"modules_to_save": [["x"]]}, "modules_to_save"),
        ({"rank_pattern": [1]}, "rank_pattern"),
        ({"base_model_name_or_path": "a" * 5000}, "base_model_name_or_path"),
        ({"base_model_name_or_path": 7}, "base_model_name_or_path"),
        ({"layers_to_transform": ["1"]}, "layers_to_transform"),
        ({"num_virtual_tokens": 10**9}, "num_virtual_tokens"),
    ],
)
def test_a_field_of_the_wrong_kind_is_named(changes, field):
    with pytest.raises(ConfigUnreadable, match=f"“{field}”"):
        parse(**changes)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"not json",
        b"[1, 2]",
        b'"LORA"',
        b"null",
        b"{}",
        b'{"peft_type": "LORA"',
        b"\xff\xfe{}",
        b"[" * 100_000,
        b'{"peft_type": "LORA", "x": ' + b'{"a": ' * 50 + b"1" + b"}" * 51,
        b'{"peft_type": "LORA", "r": ' + b"9" * 5000 + b"}",
        json.dumps(LORA | {"note": "x" * 30_000}).encode(),
        json.dumps(LORA | {"y" * 30_000: 1}).encode(),
        json.dumps(LORA | {"many": [0] * 60_000}).encode(),
        b" " * (CONFIG_BYTES + 1),
    ],
    ids=lambda text: repr(text[:24]),
)
def test_what_is_no_sound_configuration_is_refused_in_one_sentence(text):
    with pytest.raises(BadAdapter) as error:
        parse_config(text)
    assert error.value.code == "config_unreadable"
    assert error.value.message.endswith(".")
    assert len(error.value.message) < 300


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e16"])
@pytest.mark.parametrize(
    "template", ['{"peft_type": "LORA", "lora_alpha": %s}', '{"peft_type": "X", "y": [{"z": %s}]}']
)
def test_numbers_that_are_none_are_refused_wherever_they_stand(number, template):
    with pytest.raises(NonFiniteNumber):
        parse_config((template % number).encode())


def test_the_message_does_not_repeat_a_strangers_value():
    with pytest.raises(ConfigUnreadable) as error:
        parse(r="<script>alert(1)</script>")
    assert "script" not in error.value.message
