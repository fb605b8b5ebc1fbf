"""The recipe's form: it has every field of every method, and shows those of the chosen one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from playwright.sync_api import Page, expect

from adapter_ui.domain import Preflight
from adapter_ui.domain.modules import LinearModules
from adapter_ui.errors import InvalidRecipe
from adapter_ui.training.defaults import Default, RowFacts
from adapter_ui.training.methods import METHODS, OWN_FIELDS
from adapter_ui.training.recipe import Recipe
from adapter_ui.ui.tuning.method import method_details, method_fields, method_sizes
from adapter_ui.ui.tuning.recipe import recipe_of
from adapter_ui.ui.tuning.targets import draw, worded
from tests.browser import choose, fill_in
from tests.ui.fake_service import FakeService
from tests.ui.served import served


@pytest.mark.parametrize("method", METHODS)
def test_what_the_form_shows_of_a_method_is_its_recipe(method: str) -> None:
    with gr.Blocks():
        names = [*method_sizes(), *method_details()]
    assert set(names) == OWN_FIELDS
    _, *updates = method_fields(names, method)
    shown = {name for name, update in zip(names, updates, strict=True) if update["visible"]}
    assert shown == METHODS[method].defaults.keys()
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
    choose(page.locator("#recipe-method"), "Prompt tuning")
    expect(page.locator("#recipe-num-virtual-tokens input")).to_have_value("20")
    rate = page.locator("#recipe-learning-rate")
    expect(rate.locator("input")).to_have_attribute("placeholder", "0.03")
    expect(rate.locator("input")).to_have_value("")
    expect(rate).to_contain_text("0.03 by default: only the virtual tokens learn")
    expect(page.locator("#recipe-num-train-epochs")).to_contain_text("8 by default: 30 rows are few")
    expect(page.locator("#recipe-r")).to_be_hidden()
    expect(page.locator("#recipe-method")).to_contain_text("Learned tokens in front of the text")
    fill_in(page.locator("#recipe-num-virtual-tokens input"), "12")
    page.locator("#recipe-next").click()
    expect(page.locator("#check-report")).to_contain_text("Ready to start.")
    expect(page.locator("#check-report")).to_contain_text("About 4 min (2 steps measured: 1.2 s each).")


class SlowAtFirst(FakeService):
    """The defaults of a LoRA are told late: a page that has moved on by then must not show them."""

    def finetune_defaults(self, recipe: Mapping[str, Any], rows: RowFacts) -> dict[str, Default]:
        if recipe.get("method") == "LORA":
            time.sleep(2)
        return super().finetune_defaults(recipe, rows)


@pytest.mark.slow
def test_defaults_that_are_told_late_do_not_replace_those_of_the_method_chosen_since(page: Page) -> None:
    with served(pause=0.01, service=SlowAtFirst) as url:
        page.goto(f"{url}/?tab=finetune")
        page.locator("#data-example").click()
        expect(page.locator("#data-preview")).to_contain_text("30 rows")
        page.locator("#data-next").click()
        choose(page.locator("#recipe-method"), "Prompt tuning")
        rate = page.locator("#recipe-learning-rate")
        expect(rate).to_contain_text("0.03 by default: only the virtual tokens learn")
        page.wait_for_timeout(5_000)  # longer than the late answers take
        expect(rate).to_contain_text("0.03 by default: only the virtual tokens learn")
        choose(page.locator("#recipe-method"), "LoRA")
        expect(rate).to_contain_text("0.001 by default")


class SlowToRefuse(FakeService):
    """A rank of 9 is refused, late."""

    def check_finetune(self, recipe: Mapping[str, Any], data: str | Path) -> Preflight:
        if recipe.get("r") == 9:
            time.sleep(3)
            raise InvalidRecipe("r is 9, which is odd.", field="r")
        return super().check_finetune(recipe, data)


@pytest.mark.slow
def test_a_refusal_stands_where_the_check_is_read_and_keeps_the_next_check_from_nothing(page: Page) -> None:
    with served(pause=0.01, service=SlowToRefuse) as url:
        page.goto(f"{url}/?tab=finetune")
        page.locator("#data-example").click()
        expect(page.locator("#data-preview")).to_contain_text("30 rows")
        page.locator("#data-next").click()
        fill_in(page.locator("#recipe-r input"), "9")
        page.locator("#recipe-next").click()
        expect(page.locator("#check-report")).to_contain_text("r is 9, which is odd.")
        expect(page.locator("#start-run")).to_be_disabled()
        page.get_by_role("tab", name="2 Recipe").click()
        page.locator("#recipe-next").click()  # refused once more, and meanwhile put right
        page.get_by_role("tab", name="2 Recipe").click()
        page.locator("#recipe-r input").fill("8")
        page.locator("#recipe-next").click()
        expect(page.locator("#check-report")).to_contain_text("Ready to start.")
        expect(page.locator("#start-run")).to_be_enabled()


def drawn(**fields: Any) -> tuple[list[str], list[str], bool, str]:
    """What is offered and ticked, whether it is shown, and the line on what is trained."""
    modules, _, line = draw(FakeService(), lambda _: {"base_model": "a/b", **fields}, RowFacts(labels=3))
    return [name for _, name in modules.choices], modules.value, modules.visible, str(line)


def test_the_bases_modules_are_offered_and_the_chosen_ones_counted() -> None:
    offered, ticked, visible, line = drawn(target_modules="q_proj, v_proj")
    assert visible
    assert offered[0] == "down_proj"
    assert ticked == ["q_proj", "v_proj"]
    # r 8 on 30 layers: 8 x (576 + 576) and 8 x (576 + 192)
    assert "<b>460,800</b> parameters, 0.34 % of the base" in line
    assert len(drawn(target_modules="all-linear")[1]) == 7


@pytest.mark.parametrize(
    "fields", [{"method": "PROMPT_TUNING"}, {"adapter": "run:x"}, {"r": 0}, {"method": "LN_TUNING"}]
)
def test_modules_are_offered_only_to_what_sits_on_them(fields: dict[str, Any]) -> None:
    modules, _, line = draw(FakeService(), lambda _: {"base_model": "a/b", **fields}, RowFacts())
    assert not modules.visible
    # 20 tokens of 576 numbers
    counted = "<b>11,520</b> parameters" if fields.get("method") == "PROMPT_TUNING" else "The check counts"
    assert counted in str(line)


def test_peft_s_choice_and_a_new_head_are_counted_too() -> None:
    assert "<b>460,800</b>" in drawn()[3]
    assert "<b>462,528</b>" in drawn(task_type="SEQ_CLS")[3]  # three classes, of 576 numbers each


def test_a_label_says_how_many_modules_there_are_and_how_large() -> None:
    assert worded(LinearModules("q_proj", ((576, 192),) * 30)) == "q_proj · 30 × 576→192"
    assert worded(LinearModules("out", ((576, 192), (64, 64)))) == "out · 2 × of several sizes"


@pytest.mark.slow
def test_modules_are_ticked_and_counted_at_once(page: Page, address: str) -> None:
    page.goto(f"{address}/?tab=finetune")
    page.get_by_role("tab", name="2 Recipe").click()
    page.locator("#recipe-more > button").click()
    modules = page.locator("#recipe-modules")
    modules.get_by_text("q_proj").click()
    expect(page.locator("#recipe-target-modules textarea, #recipe-target-modules input")).to_have_value(
        "q_proj"
    )
    expect(page.locator("#recipe-trained")).to_contain_text("276,480")
    fill_in(page.locator("#recipe-r input"), "16")
    expect(page.locator("#recipe-trained")).to_contain_text("552,960")
    page.locator("#recipe-all-linear").click()
    expect(modules.locator("input:checked")).to_have_count(7)
    page.locator("#recipe-usual").click()
    expect(modules.locator("input:checked")).to_have_count(0)
    expect(page.locator("#recipe-trained")).to_contain_text("921,600")
