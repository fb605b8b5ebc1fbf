"""What was given last is what is shown: rows, columns and tokens that are read late replace nothing newer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from adapter_ui.domain import Table, TokenPreview
from adapter_ui.errors import InvalidInput
from tests.browser import choose
from tests.ui.fake_service import FakeService
from tests.ui.served import served

pytestmark = pytest.mark.slow
LATE = 4.0


class SlowFiles(FakeService):
    """A file is read late, and refused where it says so; the tokens of a spare column are told late."""

    def read_table(self, source: str | Path) -> Table:
        if isinstance(source, Path):
            time.sleep(LATE)
            if "unreadable" in source.read_text():
                raise InvalidInput("This file cannot be read.")
        return super().read_table(source)

    def preview_tokens(self, recipe: Mapping[str, Any], data: str | Path) -> TokenPreview:
        found = super().preview_tokens(recipe, data)
        if recipe["columns"].get("prompt") == "spare":
            time.sleep(LATE)
        return found


def open_page(page: Page, url: str) -> None:
    page.goto(f"{url}/?tab=finetune")
    expect(page.locator("#results tr[data-ref]").first).to_be_attached()


@pytest.mark.parametrize("rows", ["text,label\na,b\nc,d\n", "unreadable"])
def test_the_example_replaces_a_file_that_is_still_being_read(page: Page, rows: str) -> None:
    with served(0.01, SlowFiles) as url:
        open_page(page, url)
        file = {"name": "rows.csv", "mimeType": "text/csv", "buffer": rows.encode()}
        page.locator("#data-file input[type=file]").set_input_files(file)
        uploaded = page.locator("#data-file a[href*='rows.csv']")
        expect(uploaded).to_be_visible()
        page.locator("#data-example").click()
        expect(page.locator("#data-preview")).to_contain_text("30 rows")
        page.wait_for_timeout(1500 * LATE)
        expect(page.locator("#data-preview")).to_contain_text("30 rows")
        expect(page.get_by_role("radio", name="Prompt and answer")).to_be_checked()
        expect(page.locator("#column-0 input")).to_have_value("prompt")
        expect(uploaded).to_have_count(0)


def test_tokens_that_are_told_late_do_not_replace_those_of_the_rows_given_since(page: Page) -> None:
    with served(0.01, SlowFiles) as url:
        open_page(page, url)
        page.locator("#data-text textarea").fill("prompt,completion,spare\nolder,rows,x\n")
        page.locator("#data-text textarea").blur()
        tokens = page.locator("#data-tokens .token-text")
        expect(tokens).to_contain_text("older")
        choose(page.locator("#column-0"), "spare")
        page.locator("#data-text textarea").fill("prompt,completion,spare\nnewer,rows,x\n")
        page.locator("#data-text textarea").blur()
        page.wait_for_timeout(1500 * LATE)
        expect(tokens).to_contain_text("newer", timeout=5_000)
