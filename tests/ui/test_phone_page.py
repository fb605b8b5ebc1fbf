"""The page on a phone's screen, in a real browser over the fake service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from adapter_ui.domain import AdapterRef, AdapterSummary, RunState, RunStatus, Source
from adapter_ui.ui.tabs.library import mix_rows
from adapter_ui.ui.tuning.run import run_view, runs_list
from tests.ui.served import served

pytestmark = pytest.mark.slow
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(0.0) as url:
        yield url


def test_every_tab_can_be_reached_without_a_menu(page: Page, address: str) -> None:
    page.set_viewport_size(PHONE)
    page.goto(address)
    for name in ("Browse", "Generate", "Fine-tune", "Library"):
        tab = page.locator("#tabs").get_by_role("tab", name=name, exact=True).first
        expect(tab).to_be_visible()
        assert tab.bounding_box()["x"] + tab.bounding_box()["width"] <= PHONE["width"]
    expect(page.locator("#tabs > .tab-wrapper .overflow-menu")).to_be_hidden()


def test_a_row_that_is_touched_brings_its_panel_into_sight(page: Page, address: str) -> None:
    page.set_viewport_size(PHONE)
    page.goto(address)
    page.locator('#results tr[data-ref="starter:pirate"]').click()
    expect(page.locator("#detail-head")).to_contain_text("pirate")
    expect(page.locator("#load-button")).to_be_in_viewport()
    assert page.locator("#detail-head").bounding_box()["y"] >= 52  # not below the bar


def test_on_a_wide_screen_the_rows_stay_where_they_are(page: Page, address: str) -> None:
    page.goto(address)
    page.locator('#results tr[data-ref="starter:pirate"]').click()
    expect(page.locator("#load-button")).to_be_in_viewport()
    assert page.evaluate("scrollY") == 0


def test_a_long_name_in_the_bar_ends_in_an_ellipsis(page: Page, address: str) -> None:
    page.set_viewport_size(PHONE)
    page.goto(f"{address}/?adapter=meta-fans/llama-3.1-8b-instruct-lora-with-a-long-name")
    cut = page.locator("#bar .bar-selected .cut")
    expect(cut).to_contain_text("with-a-long-name")
    assert cut.evaluate("one => one.scrollWidth > one.clientWidth && getComputedStyle(one).textOverflow") == (
        "ellipsis"
    )
    assert page.locator(".dark-toggle").bounding_box()["x"] < PHONE["width"]


@pytest.mark.parametrize(
    ("tab", "place", "markup"),
    [
        ("finetune", "#runs", runs_list([RunStatus("r1", RunState.DONE, "a" * 120)], "")),
        ("library", "#library-mixes", mix_rows([AdapterSummary(AdapterRef(Source.MIX, "a" * 120))])),
        ("finetune", "#runs", run_view(RunStatus("r1", RunState.DONE, "a" * 120))),
    ],
)
def test_a_long_name_wraps(page: Page, address: str, tab: str, place: str, markup: str) -> None:
    page.set_viewport_size(PHONE)
    page.goto(f"{address}/?tab={tab}")
    expect(page.locator(place)).to_be_visible()
    page.locator(place).evaluate("(element, markup) => { element.innerHTML = markup; }", markup)
    expect(page.locator(place)).to_contain_text("a" * 120)
    past = "element => element.getBoundingClientRect().left + element.scrollWidth"
    inside = page.locator(f"{place} *").evaluate_all(f"elements => elements.map({past})")
    assert max(inside) <= PHONE["width"]
