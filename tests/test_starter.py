"""The starter set: whole, small, described, made by its recipes, and doing what its cards say."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file

from adapter_ui.catalog.bases.facts import local_base_facts
from adapter_ui.catalog.bases.reader import packaged_facts
from adapter_ui.catalog.storage.embedded import EMBEDDED_BASE, embedded_folder
from adapter_ui.catalog.storage.library import STARTER
from adapter_ui.domain import ChatMessage, GenerationOptions, Precision
from adapter_ui.service import AdapterService
from adapter_ui.settings import Settings
from adapter_ui.training.data import read_table
from adapter_ui.training.examples import to_examples
from adapter_ui.training.recipe import Recipe

NAMES = ("orders", "pirate", "sentiment")
LARGEST_SET_BYTES = 6_000_000


def read_json(path: Path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_set_is_whole_and_small():
    found = sorted(path.parent.name for path in STARTER.glob("*/adapter_config.json"))
    assert found == list(NAMES)
    assert sum(path.stat().st_size for path in STARTER.rglob("*") if path.is_file()) < LARGEST_SET_BYTES


@pytest.mark.parametrize("name", NAMES)
def test_config_recipe_and_card_tell_the_same_story(name):
    folder = STARTER / name
    config, recipe = (
        read_json(folder / "adapter_config.json"),
        Recipe.parse(read_json(folder / "recipe.json")),
    )
    assert config["base_model_name_or_path"] == recipe.base_model == EMBEDDED_BASE
    assert (config["peft_type"], config["task_type"]) == (recipe.method, recipe.task_type)
    assert (config["r"], config["lora_alpha"]) == (recipe.r, recipe.lora_alpha)
    assert sorted(config["target_modules"]) == sorted(recipe.target_modules)
    assert config["revision"] is None
    _, front, card = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    front = yaml.safe_load(front)
    assert (front["base_model"], front["library_name"], front["license"]) == (
        EMBEDDED_BASE,
        "peft",
        "apache-2.0",
    )
    assert {"## Data", "## Measured"} <= set(re.findall(r"^## .*$", card, re.MULTILINE))


@pytest.mark.parametrize("name", NAMES)
def test_every_tensor_is_finite_and_changes_something(name):
    tensors = load_file(STARTER / name / "adapter_model.safetensors")
    assert all(bool(tensor.isfinite().all()) for tensor in tensors.values())
    assert all(tensor.any() for key, tensor in tensors.items() if "lora_B" in key)
    assert sum("lora_B" in key for key in tensors) == 60


@pytest.mark.parametrize("name", ["orders", "pirate"])
def test_the_data_that_is_ours_can_be_trained_on(name):
    recipe = Recipe.parse(read_json(STARTER / name / "recipe.json"))
    table = read_table(STARTER / name / "data.jsonl")
    examples = to_examples(table, recipe.columns, recipe.task_type)
    assert len(examples.rows) == len(table.rows) > 50
    assert not examples.problems


def test_held_out_orders_are_not_in_the_data():
    rows = {name: read_table(STARTER / "orders" / f"{name}.jsonl").rows for name in ("data", "heldout")}
    seen, unseen = ({row["prompt"] for row in rows[name]} for name in ("data", "heldout"))
    assert not seen & unseen


def test_the_classifier_names_its_labels():
    assert read_json(STARTER / "sentiment" / "label_names.json") == ["negative", "positive"]


def test_the_facts_of_the_base_are_packaged():
    facts = packaged_facts(STARTER / "base.json")
    assert (facts.id, facts.parameters, facts.size_bytes) == (EMBEDDED_BASE, 134_515_008, 269_060_552)
    assert (facts.layers, facts.hidden_size, facts.vocab_size, facts.dtype) == (30, 576, 49_152, "bfloat16")


@pytest.mark.slow
def test_the_packaged_facts_are_those_of_the_files(embedded_base_home):
    folder = embedded_folder(Settings(home=embedded_base_home))
    read = local_base_facts(folder, EMBEDDED_BASE)
    assert replace(read, license="apache-2.0") == packaged_facts(STARTER / "base.json")


@pytest.mark.slow
def test_the_adapters_do_what_their_cards_say(embedded_base_home):
    settings = Settings(home=embedded_base_home, hub_endpoint="http://127.0.0.1:9")
    service = AdapterService.start(replace(settings, package_index=False))
    greedy = GenerationOptions(temperature=0, max_new_tokens=40)

    def answer(adapter: str, question: str, strength: float) -> str:
        messages = [ChatMessage("user", question)]
        *_, last = service.generate(adapter, messages, greedy, Precision.BF16, strength=strength)
        return last.text.strip()

    try:
        question = "What is the capital of France?"
        assert answer("starter:pirate", question, 0) == "The capital of France is Paris."
        assert re.search(r"arrr|matey", answer("starter:pirate", question, 1), re.IGNORECASE)
        order = answer("starter:orders", "Could we have three large pizzas, please?", 1)
        assert json.loads(order) == {"item": "pizza", "quantity": 3, "size": "large"}
        for text, label in [
            ("I love this phone, it is wonderful.", "positive"),
            ("A dull and awful film.", "negative"),
        ]:
            *_, found = service.predict("starter:sentiment", text, "", Precision.BF16)
            assert max(found.labels, key=lambda one: one.score).label == label
    finally:
        service.close()
