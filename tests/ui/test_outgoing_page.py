"""What becomes of a run, on the page in a real browser: a kept checkpoint, a merged model, a push."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Page, expect

from tests.browser import fill_in
from tests.ui.fake_outgoing import FakeOutgoing
from tests.ui.fake_service import FakeService
from tests.ui.served import served

pytestmark = pytest.mark.slow
TOKEN = "hf_visitors0secret"


@dataclass
class AllStepsAtOnce(FakeService):
    steps_a_look: int = 48


@pytest.fixture
def address() -> Iterator[str]:
    with served(0.0, AllStepsAtOnce) as url:
        yield url


@dataclass
class SlowMerges(AllStepsAtOnce):
    outgoing: FakeOutgoing = field(default_factory=lambda: FakeOutgoing(pause=2.0))


@pytest.fixture
def training() -> Iterator[str]:
    """The address of a page whose run is not finished before it is stopped."""
    with served(0.0) as url:
        yield url


def started(page: Page, address: str) -> None:
    page.goto(f"{address}/?tab=finetune")
    page.get_by_role("tab", name="1 Data").click()
    page.locator("#data-example").click()
    expect(page.locator("#data-preview")).to_contain_text("30 rows")
    page.locator("#data-next").click()
    page.locator("#recipe-next").click()
    expect(page.locator("#check-report")).to_contain_text("Ready to start.")
    page.locator("#start-run").click()


def finished(page: Page, address: str) -> None:
    started(page, address)
    expect(page.locator("#outgoing")).to_be_visible()
    page.locator("#outgoing > button").click()


def test_a_run_is_merged_and_saved_as_one_file(page: Page, address: str) -> None:
    finished(page, address)
    expect(page.locator("#download-merged")).to_be_hidden()
    page.locator("#merge-run").click()
    expect(page.locator("#merge-result")).to_contain_text("differ by 0.03 of their spread")
    with page.expect_download() as caught:
        page.locator("#download-merged").click()
    with zipfile.ZipFile(caught.value.path()) as file:
        assert file.testzip() is None


def again(page: Page) -> None:
    """Start a second run, which comes into view."""
    page.get_by_role("tab", name="3 Check").click()
    expect(page.locator("#check-report")).to_contain_text("Ready to start.")
    page.locator("#start-run:not([disabled])").click()
    expect(page.locator("#runs [data-run=run0002]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#outgoing")).to_be_visible()


def look_at(page: Page, run_id: str) -> None:
    row = page.locator(f"#runs [data-run={run_id}]")
    row.click()
    expect(row).to_have_attribute("aria-pressed", "true")


def test_what_came_of_one_run_is_not_shown_beside_another(page: Page, address: str) -> None:
    finished(page, address)
    page.locator("#merge-run").click()
    expect(page.locator("#download-merged")).to_be_visible()
    fill_in(page.locator("#push-repo input, #push-repo textarea"), "ada/pirate")
    page.locator("#push-overwrite input").check()
    page.locator("#push-run").click()
    expect(page.locator("#push-result a")).to_be_visible()
    again(page)
    expect(page.locator("#download-merged")).to_be_hidden()
    expect(page.locator("#merge-result")).to_have_text("")
    expect(page.locator("#push-result")).to_have_text("")
    expect(page.locator("#push-overwrite input")).not_to_be_checked()
    expect(page.locator("#merge-run")).to_be_visible()


def test_a_merge_goes_on_while_another_run_is_in_view_and_says_whose_it_is(page: Page) -> None:
    with served(0.0, SlowMerges) as address:
        finished(page, address)
        again(page)
        page.locator("#merge-run").click()
        expect(page.locator("#merge-result")).to_contain_text("run:run0002: Loading the base")
        look_at(page, "run0001")
        expect(page.locator("#merge-result")).to_contain_text("run:run0002: Writing the merged model")
        expect(page.locator("#merge-cancel")).to_be_visible()
        expect(page.locator("#merge-result")).to_contain_text("run:run0002 is merged")
        expect(page.locator("#merge-run")).to_be_visible()
        expect(page.locator("#download-merged")).to_be_hidden()
        look_at(page, "run0002")
        expect(page.locator("#download-merged")).to_be_visible()
        expect(page.locator("#merge-result")).to_contain_text("run:run0002 is merged")


def test_a_token_leaves_the_page_with_the_push(page: Page, address: str) -> None:
    finished(page, address)
    expect(page.locator("#push-private input")).to_be_checked()
    expect(page.locator("#push-overwrite input")).not_to_be_checked()
    fill_in(page.locator("#push-token input"), TOKEN)
    fill_in(page.locator("#push-repo input, #push-repo textarea"), "ada/pirate")
    page.locator("#push-run").click()
    link = page.locator("#push-result a")
    expect(link).to_have_text("ada/pirate")
    expect(page.locator("#push-result")).to_contain_text("in a private repository")
    expect(page.locator("#push-token input")).to_have_value("")
    assert TOKEN not in page.content()


def test_a_push_that_is_refused_says_why_and_keeps_no_token(page: Page, address: str) -> None:
    finished(page, address)
    fill_in(page.locator("#push-token input"), TOKEN)
    page.locator("#push-run").click()
    expect(page.locator(".toast-body")).to_contain_text("must be account/name")
    expect(page.locator("#push-token input")).to_have_value("")


def test_a_run_gets_a_title_and_notes_that_every_list_shows(page: Page, address: str) -> None:
    finished(page, address)
    page.locator("#run-notes > button").click()
    title = page.locator("#run-title input, #run-title textarea")
    expect(title).to_have_value("Pirate talk")
    fill_in(title, "Captain <b>Anne</b>")
    fill_in(page.locator("#run-notes-text textarea"), "Try a higher rank.")
    page.locator("#save-notes").click()
    expect(page.locator("#run-view h3")).to_have_text("Captain <b>Anne</b>")
    expect(page.locator("#run-view .run-notes")).to_have_text("Try a higher rank.")
    expect(page.locator("#runs")).to_contain_text("Captain <b>Anne</b>")
    page.get_by_role("tab", name="Library").click()
    expect(page.locator("#library-runs")).to_contain_text("Try a higher rank.")


def test_a_run_that_broke_off_keeps_its_checkpoint(page: Page, training: str) -> None:
    started(page, training)
    page.locator("#stop-run").click()
    page.locator("#keep-checkpoint").click()
    expect(page.locator("#run-try")).to_be_visible()
    expect(page.locator("#keep-checkpoint")).to_be_hidden()
