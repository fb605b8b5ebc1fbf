"""A run taken away from the page in a real browser, over the fake service: one click saves one whole file."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from adapter_ui.domain import RunState, RunStatus
from adapter_ui.training.scripts.script import LAUNCH
from adapter_ui.ui.tuning.take_away import take_away_shown
from tests.ui.served import served


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(0.0) as url:
        yield url


def test_a_run_that_went_on_from_an_adapter_has_a_script_too() -> None:
    run = RunStatus("r1", RunState.DONE, step=3, adapter="run:r1", recipe={"adapter": "starter:pirate"})
    assert [one.visible for one in take_away_shown(run)] == [True, True, False, True]


@pytest.mark.slow
def test_one_click_saves_the_adapter_and_another_the_script(page: Page, address: str) -> None:
    page.goto(f"{address}/?tab=finetune")
    page.locator("#data-example").click()
    expect(page.locator("#data-preview")).to_contain_text("30 rows")
    page.locator("#data-next").click()
    page.locator("#recipe-next").click()
    expect(page.locator("#check-report")).to_contain_text("Ready to start.")
    expect(page.locator("#download-adapter")).to_be_hidden()
    page.locator("#start-run").click()
    expect(page.locator("#script-command code").last).to_have_text(LAUNCH)
    page.locator("#script-command button").click()
    expect(page.locator("#script-command .copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == LAUNCH
    for format in ("script", "adapter", "adapter"):
        button = page.locator(f"#download-{format}")
        expect(button).to_be_visible()
        with page.expect_download() as caught:
            button.click()
        assert caught.value.suggested_filename == f"run0001-{format}.zip"
        with zipfile.ZipFile(caught.value.path()) as file:
            assert file.testzip() is None
