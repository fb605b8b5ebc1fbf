"""rank_pattern and alpha_pattern of plain names, held against PEFT's own matching."""

from __future__ import annotations

import random

import pytest
from peft.utils.other import get_pattern_key

from adapter_ui.catalog.methods.overrides import Overrides, ends_of

NAMES = [
    "q",
    "q_proj",
    "layers.0.q_proj",
    "model.layers.0.q_proj",
    "model.layers.10.q_proj",
    "encoder.q",
    "decoder.q",
]
KEYS = [*NAMES, "^model.layers.0.q_proj", "^q", "q_proj$", "^encoder.q$", "proj", "0.q_proj", "layers"]


@pytest.mark.parametrize("seed", range(40))
def test_plain_keys_match_as_in_peft(seed):
    keys = random.Random(seed).sample(KEYS, 5)
    patterns = {key: place for place, key in enumerate(keys)}
    overrides = Overrides.read(patterns)
    for name in NAMES:
        assert overrides.value(name, "default") == patterns.get(get_pattern_key(keys, name), "default")


def test_behind_a_real_expression_only_what_stands_before_it_is_known():
    overrides = Overrides.read({"q_proj": 1, r".*\.v_proj": 2, "k_proj": 3})
    assert overrides.value("layers.0.q_proj", 8) == 1
    assert overrides.value("layers.0.v_proj", 8) is None
    assert overrides.value("layers.0.k_proj", 8) is None


def test_without_patterns_the_default_counts():
    assert not Overrides.read(None)
    assert not Overrides.read({})
    assert Overrides.read({"q": 1})
    assert Overrides.read({".*": 1})
    assert Overrides.read({}).value("q", 8) == 8


def test_the_ends_of_a_name_begin_behind_its_dots():
    assert list(ends_of("a.b.c")) == ["a.b.c", "b.c", "c"]
    assert list(ends_of("")) == [""]
