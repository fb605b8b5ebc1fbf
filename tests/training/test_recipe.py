"""Recipes: what is accepted, and the sentence for what is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapter_ui.domain import Precision
from adapter_ui.errors import InvalidRecipe
from adapter_ui.training.methods import METHODS, strange_fields
from adapter_ui.training.recipe import FIELD_HELP, Recipe, defaults_of, total_steps, validation_size

BASE = {"base_model": "org/name"}

REFUSED = [
    ({"base_modle": "x"}, "base_modle", "did you mean “base_model”?"),
    ({"warmup": 0.1}, "warmup", "did you mean “warmup_ratio”?"),
    ({"zzz": 1}, "zzz", "the fields are name, base_model"),
    ({"r": 0}, "r", "r is “0”; allowed is a whole number from 1 to 512."),
    ({"r": 8.5}, "r", "a whole number from 1 to 512"),
    ({"r": True}, "r", "a whole number"),
    ({"r": None}, "r", "r is empty"),
    ({"r": [8]}, "r", "r is a list"),
    ({"r": "many"}, "r", "r is “many”"),
    ({"lora_alpha": float("inf")}, "lora_alpha", "a number from above 0 to 4096"),
    ({"lora_dropout": 1.0}, "lora_dropout", "a number from 0 to 0.9"),
    ({"learning_rate": 0}, "learning_rate", "a number from above 0 to 1"),
    ({"learning_rate": float("nan")}, "learning_rate", "learning_rate is “nan”"),
    ({"num_train_epochs": -1}, "num_train_epochs", "from above 0 to 1000"),
    ({"max_steps": 0}, "max_steps", "1 or more, or -1"),
    ({"max_length": 1}, "max_length", "from 8 to 131072"),
    ({"validation_fraction": 0.9}, "validation_fraction", "from 0 to 0.5"),
    ({"seed": -1}, "seed", "from 0 to"),
    ({"method": "DORA"}, "method", "“DORA” cannot be tuned here; the methods are LORA, IA3"),
    ({"task_type": "FEATURE_EXTRACTION"}, "task_type", "TOKEN_CLS or SEQ_2_SEQ_LM or QUESTION_ANS"),
    ({"precision": "q4"}, "precision", "fp32, bf16, fp16, int8, nf4, fp4"),
    ({"bias": "some"}, "bias", "none or all or lora_only"),
    ({"lr_scheduler_type": "magic"}, "lr_scheduler_type", "linear or cosine"),
    ({"use_rslora": "perhaps"}, "use_rslora", "true or false"),
    ({"columns": ["prompt"]}, "columns", "an object such as"),
    ({"target_modules": [".*(q|k"]}, "target_modules", "module names such as q_proj"),
    ({"target_modules": ["q_proj"] * 65}, "target_modules", "at most 64"),
    ({"name": "x" * 101}, "name", "at most 100 characters"),
    ({"base_model": "/etc/passwd"}, "base_model", "a model's id on the Hub"),
    ({"base_model": "", "adapter": ""}, "base_model", "neither a base_model nor an adapter"),
    ({"method": ["LORA"]}, "method", "The method a list cannot be tuned here"),
    ({"num_virtual_tokens": 20}, "num_virtual_tokens", "LORA has no field num_virtual_tokens, which belongs"),
    ({"alpha": 8}, "alpha", "which belongs to LOHA, LOKR; leave it out. LORA has r, lora_alpha"),
    ({"method": "IA3", "r": 8}, "r", "IA3 has no field r"),
    ({"method": "MISS", "lora_alpha": 8}, "lora_alpha", "MISS has no field lora_alpha"),
    ({"method": "P_TUNING", "target_modules": []}, "target_modules", "P_TUNING has no field target_modules"),
    ({"method": "LOHA", "alpha": 0}, "alpha", "a whole number from 1 to 4096"),
    ({"method": "LOHA", "rank_dropout": 1}, "rank_dropout", "a number from 0 to 0.9"),
    ({"method": "LOHA", "module_dropout": -1}, "module_dropout", "a number from 0 to 0.9"),
    ({"method": "LOKR", "decompose_both": "maybe"}, "decompose_both", "true or false"),
    ({"method": "LOKR", "decompose_factor": -2}, "decompose_factor", "a whole number from -1 to 4096"),
    ({"method": "LOKR", "precision": "nf4"}, "precision", "LOKR cannot be trained on a base in nf4"),
    ({"method": "OFT", "oft_block_size": 1}, "oft_block_size", "a whole number from 2 to 1024"),
    ({"method": "VERA", "d_initial": 0}, "d_initial", "a number from above 0 to 1"),
    ({"method": "VERA", "vera_dropout": "x"}, "vera_dropout", "a number from 0 to 0.9"),
    ({"method": "MISS", "miss_dropout": 2}, "miss_dropout", "a number from 0 to 0.9"),
    ({"method": "P_TUNING", "num_virtual_tokens": 0}, "num_virtual_tokens", "a whole number from 1 to 1000"),
    (
        {"method": "P_TUNING", "encoder_reparameterization_type": "GRU"},
        "encoder_reparameterization_type",
        "MLP or LSTM",
    ),
    ({"method": "P_TUNING", "encoder_hidden_size": 0}, "encoder_hidden_size", "from 1 to 8192"),
    ({"method": "PREFIX_TUNING", "task_type": "SEQ_CLS"}, "method", "SEQ_CLS here, only for CAUSAL_LM"),
    ({"method": "P_TUNING", "task_type": "TOKEN_CLS"}, "method", "only for CAUSAL_LM and SEQ_CLS"),
    ({"method": "IA3", "feedforward_modules": "all-linear"}, "feedforward_modules", "module names such as"),
    (
        {"method": "IA3", "target_modules": "k_proj", "feedforward_modules": "down_proj"},
        "feedforward_modules",
        "names down_proj, which target_modules does not",
    ),
    (
        {"method": "P_TUNING", "adapter": "run:x"},
        "adapter",
        "P-tuning cannot be trained further: the network",
    ),
    ({"init_lora_weights": "eva"}, "init_lora_weights", "allowed is true, gaussian, orthogonal, pissa"),
    ({"init_lora_weights": "pissa", "precision": "nf4"}, "init_lora_weights", "nf4 has rounded already"),
    ({"init_lora_weights": "mica", "precision": "int8"}, "init_lora_weights", "int8 has rounded already"),
    ({"init_lora_weights": "mica", "use_dora": True}, "init_lora_weights", "no DoRA that starts with mica"),
    ({"init_lora_weights": "olora", "use_dora": True}, "init_lora_weights", "A DoRA that starts with olora"),
    ({"method": "ADALORA", "target_r": 12}, "target_r", "no rank to take away"),
    ({"method": "ADALORA", "init_r": 1}, "init_r", "a whole number from 2 to 512"),
    ({"method": "ADALORA", "orth_reg_weight": -1}, "orth_reg_weight", "a number from 0 to 10"),
    ({"trainable_tokens": [""]}, "trainable_tokens", "at most 256 tokens"),
    ({"init_lora_weights": False}, "init_lora_weights", "allowed is true, gaussian, orthogonal, pissa"),
    ({"init_lora_weights": "orthogonal", "r": 7}, "r", "an even rank, and r is 7"),
    ({"use_dora": "perhaps"}, "use_dora", "true or false"),
    ({"adapter": "folder:../x"}, "adapter", "is not the name of an adapter"),
]


@pytest.mark.parametrize(("fields", "field", "sentence"), REFUSED)
def test_a_wrong_field_is_named_with_what_is_allowed(
    fields: dict[str, Any], field: str, sentence: str
) -> None:
    with pytest.raises(InvalidRecipe) as caught:
        Recipe.parse({**BASE, **fields})
    assert caught.value.field == field
    assert sentence in caught.value.message


def test_a_recipe_is_an_object() -> None:
    with pytest.raises(InvalidRecipe, match="not a list"):
        Recipe.parse(["base_model"])  # type: ignore[arg-type]


def test_only_the_base_has_no_default_and_every_field_is_explained() -> None:
    recipe = Recipe.parse(BASE)
    assert recipe.precision is Precision.BF16
    assert set(FIELD_HELP) == set(recipe.to_json()) | strange_fields("LORA")
    assert all(sentence.endswith(".") for sentence in FIELD_HELP.values())


def test_numbers_and_names_are_read_as_a_page_sends_them() -> None:
    recipe = Recipe.parse({**BASE, "r": 16.0, "lora_alpha": "32", "target_modules": "q_proj, v_proj"})
    assert (recipe.r, recipe.lora_alpha, recipe.target_modules) == (16, 32.0, ["q_proj", "v_proj"])


def test_a_recipe_survives_json() -> None:
    recipe = Recipe.parse({**BASE, "columns": {"prompt": "frage"}, "target_modules": "all-linear"})
    assert Recipe.parse(json.loads(json.dumps(recipe.to_json()))) == recipe


@pytest.mark.parametrize("method", METHODS)
def test_a_method_has_its_own_fields_and_defaults_and_survives_json(method: str) -> None:
    recipe = Recipe.parse({**BASE, "method": method})
    facts = METHODS[method]
    assert {name: getattr(recipe, name) for name in facts.defaults} == facts.defaults
    assert facts.usual_rates[0] <= recipe.learning_rate <= facts.usual_rates[1]
    assert not strange_fields(method) & set(recipe.to_json())
    assert Recipe.parse(json.loads(json.dumps(recipe.to_json()))) == recipe


def test_what_a_field_says_stands_before_the_methods_default() -> None:
    recipe = Recipe.parse({**BASE, "method": "VERA", "r": 32, "learning_rate": 1e-3})
    assert (recipe.r, recipe.learning_rate, recipe.d_initial) == (32, 1e-3, 0.1)


def test_the_defaults_of_lora_are_those_of_the_recipe() -> None:
    assert all(Recipe.model_fields[name].default == value for name, value in defaults_of("LORA").items())


@pytest.mark.parametrize(
    ("fields", "rows", "steps"),
    [
        ({"num_train_epochs": 3, "per_device_train_batch_size": 4}, 10, 9),
        ({"num_train_epochs": 0.5, "per_device_train_batch_size": 1}, 10, 5),
        ({"num_train_epochs": 1, "gradient_accumulation_steps": 4, "per_device_train_batch_size": 2}, 10, 2),
        ({"max_steps": 7}, 10, 7),
    ],
)
def test_steps_are_counted_as_the_trainer_counts_them(fields: dict[str, Any], rows: int, steps: int) -> None:
    assert total_steps(Recipe.parse({**BASE, **fields}), rows) == steps


@pytest.mark.parametrize(
    ("fraction", "rows", "held_back"), [(0, 100, 0), (0.1, 100, 10), (0.01, 5, 1), (0.5, 1, 0)]
)
def test_validation_keeps_at_least_one_row_and_never_all(fraction: float, rows: int, held_back: int) -> None:
    assert validation_size(Recipe.parse({**BASE, "validation_fraction": fraction}), rows) == held_back
