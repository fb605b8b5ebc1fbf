"""A run taken away from the page in a real browser, over the fake service: one click saves one whole file."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.ui.served import served

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(0.0) as url:
        yield url


def test_one_click_saves_the_adapter_and_another_the_script(page: Page, address: str) -> None:
    page.goto(f"{address}/?tab=finetune")
    page.locator("#data-example").click()
    expect(page.locator("#data-preview")).to_contain_text("30 rows")
    page.locator("#data-next").click()
    page.locator("#recipe-next").click()
    expect(page.locator("#check-report")).to_contain_text("Ready to start.")
    expect(page.locator("#download-adapter")).to_be_hidden()
    page.locator("#start-run").click()
    for format in ("script", "adapter", "adapter"):
        button = page.locator(f"#download-{format}")
        expect(button).to_be_visible(timeout=60_000)
        with page.expect_download() as caught:
            button.click()
        assert caught.value.suggested_filename == f"run0001-{format}.zip"
        with zipfile.ZipFile(caught.value.path()) as file:
            assert file.testzip() is None
