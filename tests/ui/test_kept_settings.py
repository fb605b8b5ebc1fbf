"""What was set for loading and answering survives a reload: precision, system prompt, sampling."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr
import pytest
from playwright.sync_api import Page, expect

from adapter_ui.ui.app import restore
from adapter_ui.ui.generating.sampling import recalled, sampling_controls
from adapter_ui.ui.state import Chosen
from tests.browser import fill_in
from tests.ui.served import served

KEPT = {"temperature": 0, "top-k": 7, "seed": "11", "stop-at": "END", "raw": True}


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("temperature", 2.1),
        ("temperature", float("nan")),
        ("temperature", "0"),
        ("top-k", True),
        ("seed", 11),
        ("seed", "1" * 11),
        ("raw", "yes"),
        ("stop-at", ["END"]),
    ],
)
def test_what_a_control_cannot_hold_leaves_it_as_it_is(name: str, wrong: object) -> None:
    with gr.Blocks():
        fields = {field.elem_id: field for field in sampling_controls()}
    assert [value for value in recalled(fields, KEPT) if value != gr.skip()] == list(KEPT.values())
    back = dict(zip(fields, recalled(fields, KEPT | {name: wrong}), strict=True))
    assert back[name] == gr.skip()
    assert recalled(fields, "x") == recalled(fields, {}) == [gr.skip()] * len(fields)


def test_only_a_precision_of_this_machine_is_taken_from_an_address() -> None:
    offered = ["bf16", "nf4"]
    assert restore("", {"adapter": "starter:pirate", "precision": "nf4"}, offered)[:3] == (
        "starter:pirate",
        Chosen("starter:pirate"),
        "nf4",
    )
    for other in ({"precision": "fp4"}, {"precision": "<b>"}, {}):
        assert restore("", other, offered)[2] == gr.skip()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(pause=0.01) as url:
        yield url


def open_page(page: Page, url: str) -> None:
    page.goto(url)
    expect(page.locator("#results tr[data-ref]").first).to_be_attached()


def expect_settings(page: Page) -> None:
    expect(page.locator("#system textarea")).to_have_value("Be brief.")
    expect(page.locator("#temperature input[type=number]")).to_have_value("0.2")
    expect(page.locator("#seed input, #seed textarea")).to_have_value("11")
    expect(page.locator("#raw input")).to_be_checked()
    expect(page.locator("#top-k input[type=number]")).to_have_value("50")


@pytest.mark.slow
def test_precision_system_prompt_and_sampling_come_back_after_a_reload(page: Page, address: str) -> None:
    open_page(page, f"{address}/?adapter=starter:pirate")
    expect(page.locator("#detail-body")).to_be_visible()
    page.locator("#precisions input[value=nf4]").check()
    expect(page.locator("#load-button")).to_have_text("Load in nf4")
    expect(page).to_have_url(f"{address}/?adapter=starter%3Apirate&precision=nf4")
    page.get_by_role("tab", name="Generate").click()
    fill_in(page.locator("#system textarea"), "Be brief.")
    page.locator("#sampling > button").click()
    fill_in(page.locator("#temperature input[type=number]"), "0.2")
    fill_in(page.locator("#seed input, #seed textarea"), "11")
    page.locator("#raw input").check()
    page.wait_for_timeout(500)
    for tab in ("generate", "browse"):
        open_page(page, f"{address}/?adapter=starter:pirate&precision=nf4&tab={tab}")
        page.get_by_role("tab", name="Browse").click()
        expect(page.locator("#precisions input[value=nf4]")).to_be_checked()
        expect(page.locator("#load-button")).to_have_text("Load in nf4")
        page.get_by_role("tab", name="Generate").click()
        page.locator("#sampling > button").click()
        expect_settings(page)
