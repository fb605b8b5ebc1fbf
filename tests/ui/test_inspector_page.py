"""The inspector in a real browser, over the fake service: what unfolds, is chosen, copied, and stays put."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.ui.served import served

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(0.05) as url:
        yield url


def inspect(page: Page, address: str, ref: str) -> None:
    page.goto(f"{address}/?adapter={ref}")
    expect(page.locator("#detail-body")).to_be_visible()
    expect(page.locator("#results tr[data-ref]").first).to_be_attached()


def open_tab(page: Page, name: str) -> None:
    page.locator("#detail-tabs").get_by_role("tab", name=name, exact=True).click()


def test_a_longer_context_changes_what_fits_and_what_was_opened_stays_open(page: Page, address: str) -> None:
    inspect(page, address, "starter:pirate")
    page.locator("#precisions .terms summary").first.click()
    page.locator("#fit-matrix summary").first.click()
    page.locator(".fit-training").check()
    page.locator("#fit-room select[name=context]").select_option("131072")
    page.locator("#fit-room select[name=arms]").select_option("8")
    first = page.locator("#precisions .precision-line").first
    expect(first).to_contain_text("131,072 tokens")
    expect(first).to_contain_text("8 answers")
    expect(first).to_contain_text("too big")
    expect(page.locator("#fit-matrix .for-training")).to_be_visible()
    page.locator("#results tr[data-ref='starter:formal']").click()
    expect(page.locator("#detail-head h2")).to_have_text("formal")
    expect(first).to_contain_text("131,072 tokens")
    expect(page.locator("#precisions details[open]")).to_have_count(1)


def test_opening_a_figure_does_not_choose_its_precision(page: Page, address: str) -> None:
    inspect(page, address, "starter:pirate")
    page.locator("#precisions details[data-fold=nf4] summary").click()
    expect(page.locator("#precisions input[value=bf16]")).to_be_checked()
    expect(page.locator("#load-button")).to_have_text("Load in bf16")


def test_the_colour_of_the_heatmap_is_a_choice(page: Page, address: str) -> None:
    inspect(page, address, "gallery/seven-kinds")
    cell = page.locator("#detail-modules .heatmap tbody tr").last.locator("td[style]").first
    colour = "cell => getComputedStyle(cell).backgroundColor"
    by_rank = cell.evaluate(colour)
    page.locator("#detail-modules").get_by_text("parameters", exact=True).click()
    expect(page.locator("#detail-modules .legend-parameters")).to_be_visible()
    assert cell.evaluate(colour) != by_rank


def test_another_revision_is_one_click_away_and_in_the_address(page: Page, address: str) -> None:
    inspect(page, address, "gallery/folders")
    open_tab(page, "Files")
    page.locator("[data-choose-revision]").click()
    page.get_by_role("button", name="v1.0").click()
    expect(page.locator("#detail-head h2")).to_have_text("folders @v1.0")
    expect(page).to_have_url(f"{address}/?adapter=gallery%2Ffolders%40v1.0")
    page.get_by_role("button", name="checkpoint-200").click()
    expect(page.locator("#detail-head h2")).to_have_text("folders @v1.0:checkpoint-200")


def test_the_raw_config_is_copied(page: Page, address: str) -> None:
    inspect(page, address, "starter:pirate")
    open_tab(page, "Config")
    page.get_by_text("Raw JSON").click()
    page.locator("#detail-config .raw .copy").click()
    expect(page.locator("#detail-config .raw .copy")).to_have_class("copy copied")
    assert '"lora_alpha": 16' in page.evaluate("navigator.clipboard.readText()")


def test_the_code_for_vllm_is_shown_or_refused(page: Page, address: str) -> None:
    inspect(page, address, "gallery/large")
    open_tab(page, "Code")
    page.get_by_label("vLLM server").check()
    expect(page.locator("#detail-code")).to_contain_text("--max-lora-rank 16")
    page.locator("#results tr[data-ref='acme/roberta-sentiment']").click()
    expect(page.locator("#code-note")).to_contain_text("vLLM serves LoRA for text generation")
    expect(page.locator("#detail-code")).to_be_hidden()


def test_a_blocked_adapter_can_be_neither_loaded_nor_tried(page: Page, address: str) -> None:
    inspect(page, address, "meta-fans/llama-3.1-8b-instruct-lora")
    expect(page.locator("#load-button")).to_be_disabled()
    expect(page.locator("#try-button")).to_be_disabled()
    expect(page.locator("#precision-reason")).to_contain_text("accept it on the Hub")


@pytest.mark.parametrize("tab", ["X-ray", "Config", "Files", "Card", "Code"])
def test_a_phone_shows_every_part_without_scrolling_sideways(page: Page, address: str, tab: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    inspect(page, address, "gallery/large")
    page.locator("#fit-matrix summary").first.click()
    open_tab(page, tab)
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
