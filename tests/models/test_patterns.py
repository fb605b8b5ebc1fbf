"""Patterns of a config: the modules that PEFT would find, and none that could hang its `re`."""

import time

import pytest
from peft import LoraConfig, get_peft_model

from adapter_ui.domain import Precision
from adapter_ui.errors import BadAdapter
from adapter_ui.models.loading import load_base
from adapter_ui.models.patterns import PATTERN_SECONDS, module_names, with_plain_names

RUNS_AWAY = r"((a|\w|\.)+)+!"


@pytest.fixture
def model(tiny_models):
    return load_base(tiny_models / "llama", Precision.FP32, "AutoModelForCausalLM").model


def projections(*names: str) -> list[str]:
    return [f"model.layers.{layer}.self_attn.{name}" for layer in (0, 1) for name in names]


def test_a_pattern_of_targets_becomes_the_names_that_it_matches(model):
    plain = with_plain_names({"target_modules": r"model\.layers\.\d+\.self_attn\.[qv]_proj"}, model)
    assert plain["target_modules"] == projections("q_proj", "v_proj")


def test_names_are_the_bases_own_when_an_adapter_sits_on_it(model):
    before = module_names(model)
    config = LoraConfig(target_modules=["q_proj"], modules_to_save=["lm_head"], task_type="CAUSAL_LM")
    assert module_names(get_peft_model(model, config)) == before


def test_ranks_of_patterns_become_ranks_of_modules_and_names_stay(model):
    ranks = {"k_proj": 2, r".*\.0\..*v_proj": 8}
    plain = with_plain_names({"rank_pattern": ranks}, model)["rank_pattern"]
    assert list(plain.items()) == [("k_proj", 2), (r"model\.layers\.0\.self_attn\.v_proj", 8)]


@pytest.mark.parametrize(
    "fields",
    [
        {"exclude_modules": RUNS_AWAY},
        {"rank_pattern": {RUNS_AWAY: 4}},
        {"alpha_pattern": {RUNS_AWAY: 4}},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_a_pattern_that_could_run_away_never_reaches_peft(model, fields):
    started = time.monotonic()
    (plain,) = with_plain_names(fields, model).values()
    assert not plain
    assert time.monotonic() - started < 2 * PATTERN_SECONDS


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"layers_pattern": [RUNS_AWAY]}, "where names belong"),
        ({"layers_pattern": RUNS_AWAY}, "where names belong"),
        ({"modules_to_save": [RUNS_AWAY]}, "where names belong"),
        ({"rank_pattern": {"q_proj(": 4}}, "cannot be used"),
        ({"target_modules": "(" * 5000 + ")" * 5000}, "cannot be used"),
        ({"target_modules": "nothing.*"}, "matches no module"),
    ],
)
def test_patterns_that_cannot_be_used_are_refused(model, fields, sentence):
    with pytest.raises(BadAdapter, match=sentence):
        with_plain_names(fields, model)


def test_the_time_limit_is_for_all_names_together(model):
    slow = r"((\w|\.|[a-z])+.?)+(?<=!)"
    started = time.monotonic()
    with pytest.raises(BadAdapter, match="takes too long to match"):
        with_plain_names({"target_modules": slow}, model)
    assert time.monotonic() - started < 2 * PATTERN_SECONDS
