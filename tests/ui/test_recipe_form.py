"""The recipe's form: it has every field of every method, and shows those of the chosen one."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr
import pytest
from playwright.sync_api import Page, expect

from adapter_ui.training.methods import METHODS, OWN_FIELDS
from adapter_ui.training.recipe import Recipe
from adapter_ui.ui.tuning.method import method_details, method_fields, method_sizes
from adapter_ui.ui.tuning.recipe import recipe_of
from tests.browser import fill_in
from tests.ui.served import served


@pytest.mark.parametrize("method", METHODS)
def test_what_the_form_shows_of_a_method_is_its_recipe(method: str) -> None:
    with gr.Blocks():
        names = [*method_sizes(), *method_details(), "learning_rate"]
    assert set(names) == OWN_FIELDS | {"learning_rate"}
    _, *updates = method_fields(names, method)
    shown = {name for name, update in zip(names, updates, strict=True) if update["visible"]}
    assert shown == METHODS[method].defaults.keys() | {"learning_rate"}
    values = [update.get("value", "left from another method") for update in updates]
    recipe = recipe_of(["base_model", "method", *names], ["a/b", method, *values], "CAUSAL_LM", {})
    assert Recipe.parse(recipe) == Recipe.parse({"base_model": "a/b", "method": method})


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(pause=0.01) as url:
        yield url


@pytest.mark.slow
def test_a_chosen_method_shows_its_fields_with_its_defaults_and_is_checked(page: Page, address: str) -> None:
    page.goto(f"{address}/?tab=finetune")
    expect(page.locator("#results tr[data-ref]").first).to_be_attached()
    page.locator("#data-example").click()
    expect(page.locator("#data-preview")).to_contain_text("30 rows")
    page.locator("#data-next").click()
    expect(page.locator("#recipe-r")).to_be_visible()
    page.locator("#recipe-method input").click()
    page.get_by_role("option", name="Prompt tuning").click()
    expect(page.locator("#recipe-num-virtual-tokens input")).to_have_value("20")
    expect(page.locator("#recipe-learning-rate input")).to_have_value("0.03")
    expect(page.locator("#recipe-r")).to_be_hidden()
    expect(page.locator("#recipe-method")).to_contain_text("Learned tokens in front of the text")
    fill_in(page.locator("#recipe-num-virtual-tokens input"), "12")
    page.locator("#recipe-next").click()
    expect(page.locator("#check-report")).to_contain_text("Ready to start.")
