"""A fine-tune being prepared survives a reload: rows, columns and recipe; what does not fit is left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest
from playwright.sync_api import Page, expect

from adapter_ui.ui.tuning.data import RowsDraft, Shown, read_rows
from adapter_ui.ui.tuning.drafts import ROWS, recall_rows, recalled
from adapter_ui.ui.tuning.method import method_choice, method_details, method_sizes
from adapter_ui.ui.tuning.wording import wording_form
from tests.browser import choose, fill_in
from tests.ui.fake_service import FakeService
from tests.ui.served import served

TEXT = "remark,verdict\nfine,good\nawful,bad\n"


def kept(*values: object) -> dict[str, object]:
    return dict(zip(ROWS, values, strict=False))


@pytest.mark.parametrize("found", [None, [], "x", {}, kept(7, "Text and label"), kept("x" * 200_001)])
def test_what_is_no_draft_is_none(found: object) -> None:
    assert recall_rows(found) == RowsDraft()


def test_rows_come_back_with_what_was_chosen_of_them() -> None:
    _, form, _, *slots, _ = read(TEXT, kept(TEXT, "Text and label", "remark", "verdict", "", 3))
    assert form.value == "Text and label"
    assert [slot.value for slot in slots[:2]] == ["remark", "verdict"]
    for other in (kept(TEXT, "Text and label", "remark", "gone"), kept("other", "Text and label", "remark")):
        _, form, *_ = read(TEXT, other)
        assert form.value == "Prompt and answer"


def read(text: str, found: object) -> list[Any]:
    return read_rows(FakeService(), text, None, "Prompt and answer", Shown(), recall_rows(found))


def test_fields_come_back_as_their_method_shows_them_and_only_what_fits() -> None:
    with gr.Blocks():
        fields = {"method": method_choice(), **method_sizes(), **method_details(), **wording_form().fields}

    def back(**recipe: Any) -> dict[str, dict[str, Any]]:
        _, _, *updates = recalled(fields, {}, recipe)
        return dict(zip(fields, updates, strict=True))

    found = back(method="LOHA", r=3, completion_only_loss=False, prompt_template="{prompt}{completion}")
    assert (found["method"]["value"], found["r"]["value"], found["alpha"]["visible"]) == ("LOHA", 3, True)
    assert found["lora_alpha"]["visible"] is False
    assert found["completion_only_loss"]["value"] is False
    assert found["prompt_template"]["value"] == "{prompt}{completion}"
    for name, value in (("method", "MAGIC"), ("r", "8"), ("r", True), ("use_dora", 1), ("target_modules", 5)):
        assert "value" not in back(**{name: value})[name]
    assert "value" not in back(prompt_template="x" * 5000)["prompt_template"]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(pause=0.01) as url:
        yield url


def open_page(page: Page, address: str) -> None:
    page.goto(f"{address}/?tab=finetune")
    expect(page.locator("#results tr[data-ref]").first).to_be_attached()


@pytest.mark.slow
def test_a_reload_brings_rows_columns_and_recipe_back(page: Page, address: str) -> None:
    open_page(page, address)
    expect(page.locator("#data-text")).to_be_visible()
    fill_in(page.locator("#data-text textarea"), TEXT)
    page.locator("#data-text textarea").blur()
    expect(page.locator("#data-preview")).to_contain_text("2 rows")
    page.get_by_role("radio", name="Text to text").check()
    expect(page.locator("#column-3")).to_be_hidden()  # the columns are those of this form
    for at, column in enumerate(("verdict", "remark")):
        choose(page.locator(f"#column-{at}"), column)
    page.locator("#data-next").click()
    choose(page.locator("#recipe-method"), "LoHa")
    fill_in(page.locator("#recipe-r input"), "3")
    fill_in(page.locator("#recipe-name textarea, #recipe-name input").first, "Twice")
    fill_in(page.locator("#recipe-learning-rate textarea, #recipe-learning-rate input").first, "0.004")
    page.wait_for_timeout(300)
    for _ in range(2):
        open_page(page, address)
        expect(page.locator("#data-text textarea")).to_have_value(TEXT)
        expect(page.locator("#data-preview")).to_contain_text("2 rows")
        expect(page.get_by_role("radio", name="Text to text")).to_be_checked()
        expect(page.locator("#column-0 input")).to_have_value("verdict")
        expect(page.locator("#column-1 input")).to_have_value("remark")
        expect(page.locator("#data-tokens .token-text")).to_contain_text("good")
        page.locator("#data-next").click()
        expect(page.locator("#recipe-method input")).to_have_value("LoHa")
        expect(page.locator("#recipe-r input")).to_have_value("3")
        expect(page.locator("#recipe-alpha")).to_be_visible()
        expect(page.locator("#recipe-lora-alpha")).to_be_hidden()
        expect(page.locator("#recipe-name textarea, #recipe-name input").first).to_have_value("Twice")
        rate = page.locator("#recipe-learning-rate textarea, #recipe-learning-rate input").first
        expect(rate).to_have_value("0.004")


@pytest.mark.slow
def test_rows_too_large_to_keep_are_gone_after_a_reload_and_the_recipe_is_not(
    page: Page, address: str
) -> None:
    open_page(page, address)
    expect(page.locator("#data-text")).to_be_visible()
    page.locator("#data-text textarea").fill("text\n" + f"{'word ' * 18_000}\n" * 3)
    page.locator("#data-text textarea").blur()
    expect(page.locator("#data-preview")).to_contain_text("3 rows")
    page.locator("#data-next").click()
    fill_in(page.locator("#recipe-name textarea, #recipe-name input").first, "Large")
    page.wait_for_timeout(300)
    open_page(page, address)
    page.locator("#data-next").click()
    expect(page.locator("#recipe-name textarea, #recipe-name input").first).to_have_value("Large")
    page.get_by_role("tab", name="1 Data").click()
    expect(page.locator("#data-text textarea")).to_have_value("")
