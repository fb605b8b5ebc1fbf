"""The Library over the fake service, in a real browser: what is deleted is gone, after a second click."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.ui.fake_data import SMOL
from tests.ui.served import served

pytestmark = pytest.mark.slow


@pytest.fixture
def address() -> Iterator[str]:
    with served(0.0) as url:
        yield url


def test_a_download_is_deleted_by_two_clicks(page: Page, address: str) -> None:
    page.goto(f"{address}/?tab=library")
    downloads = page.locator("#library-downloads")
    expect(downloads.locator(".hint")).to_have_text("2 downloads, 275 MB; 5.3 GB are free on this disk.")
    row = downloads.locator(".library-row", has_text="acme/pirate")
    row.get_by_role("button", name="Delete").click()
    expect(row.get_by_text("Really delete?")).to_be_visible()
    row.get_by_text("Really delete?").click()
    expect(downloads.locator(".library-row")).to_have_count(1)
    expect(downloads.locator(".library-row")).to_contain_text(SMOL)
    expect(downloads.locator(".hint")).to_contain_text("1 download, 269 MB")
    expect(page.locator("#library-merged")).to_contain_text("No merged models")


def test_a_question_that_was_not_answered_is_taken_back_but_not_from_another_button(
    page: Page, address: str
) -> None:
    page.goto(f"{address}/?tab=library")
    buttons = page.locator("#library-downloads").get_by_role("button", name="delete")
    expect(buttons).to_have_count(2)
    for at in (0, 1):
        buttons.nth(at).click()
        expect(buttons.nth(at)).to_have_text("Really delete?")
    buttons.nth(0).evaluate("button => { button.textContent = 'Delete another'; }")  # as a redrawn list does
    expect(buttons.nth(1)).to_have_text("Delete")
    expect(buttons.nth(0)).to_have_text("Delete another")


def test_what_is_unloaded_here_is_no_longer_in_memory_in_browse(page: Page, address: str) -> None:
    page.goto(f"{address}/?adapter=acme/pirate")
    fits = page.locator("#precisions")
    expect(fits).to_contain_text("GB", timeout=60_000)
    expect(fits).not_to_contain_text("in memory")
    page.locator("#load-button").click()
    expect(fits).to_contain_text("in memory")
    page.get_by_role("tab", name="Library").click()
    page.locator("#library-loaded").get_by_role("button", name="Unload").click()
    expect(page.locator("#library-loaded")).to_contain_text("Nothing in memory")
    page.get_by_role("tab", name="Browse").click()
    expect(fits).to_be_visible()
    expect(fits).not_to_contain_text("in memory")
