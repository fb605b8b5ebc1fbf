"""The page in a real browser, over the fake service: what a person clicks, types, reloads and sees."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser import choose
from tests.ui.served import served

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(0.12) as url:
        yield url


def open_page(page: Page, url: str) -> None:
    page.goto(url)
    expect(page.locator("#results tr[data-ref]").first).to_be_attached()


def test_searching_as_you_type_narrows_the_rows_and_survives_a_reload(page: Page, address: str) -> None:
    open_page(page, address)
    page.locator("#search textarea").press_sequentially("sentiment", delay=20)
    expect(page.locator("#results tr[data-ref]")).to_have_count(1)
    page.locator("tr[data-ref='acme/roberta-sentiment']").click()
    expect(page.locator("#detail-head h2")).to_have_text("roberta-sentiment")
    page.get_by_role("tab", name="Generate").click()
    expect(page.locator("#predict-text")).to_be_visible()
    expect(page).to_have_url(f"{address}/?q=sentiment&adapter=acme%2Froberta-sentiment&tab=generate")
    page.reload()
    expect(page.locator("#predict-text")).to_be_visible()
    page.get_by_role("tab", name="Browse").click()
    expect(page.locator("#results tr[data-ref]")).to_have_count(1)
    expect(page.locator("tr[aria-selected='true']")).to_have_attribute("data-ref", "acme/roberta-sentiment")


def test_the_keyboard_alone_finds_and_selects(page: Page, address: str) -> None:
    open_page(page, address)
    page.keyboard.press("/")
    expect(page.locator("#search textarea")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.locator("tr[aria-selected='true']")).to_have_attribute("data-ref", "starter:formal")
    expect(page.locator("#detail-head h2")).to_have_text("formal")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.locator("#detail-head h2")).to_have_text("pirate")


@pytest.mark.parametrize("slowness", [1, 4])
def test_an_answer_to_an_older_choice_never_replaces_a_newer_one(
    page: Page, address: str, slowness: int
) -> None:
    open_page(page, address)
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slowness})
    for wait in (150, 300, 400, 500):  # an answer takes about 500 ms, a choice by arrow is sent after 250 ms
        row = page.locator("tr[data-ref='starter:formal']")
        row.focus()
        row.press("Enter")
        page.wait_for_timeout(wait)
        page.keyboard.press("ArrowUp")
        expect(page.locator("#detail-head h2")).to_have_text("pirate")
        expect(page.locator("tr[aria-selected='true']")).to_have_attribute("data-ref", "starter:pirate")


def test_a_hostile_adapter_stays_text(page: Page, address: str) -> None:
    open_page(page, f"{address}/?adapter=evil/hostile-card")
    expect(page.locator("#detail-head h2")).to_have_text("hostile-card")
    page.locator("#detail-tabs").get_by_role("tab", name="Card").click()
    expect(page.locator("#detail-card .card")).to_be_visible()
    assert page.evaluate("window.hacked") is None
    assert page.locator("#detail img, #results img").count() == 0


def test_loading_can_be_cancelled_and_reports_what_it_did(page: Page, address: str) -> None:
    open_page(page, f"{address}/?adapter=team-1/support-tone-1")
    page.locator("#load-button").click()
    expect(page.locator("#load-status .step")).to_be_visible()
    page.locator("#load-cancel").click()
    expect(page.locator("#load-status")).to_contain_text("Stopped")
    page.locator("#precisions input[value=nf4]").check()
    expect(page.locator("#load-button")).to_have_text("Load in nf4")
    page.locator("#load-button").click()
    expect(page.locator("#load-status")).to_contain_text("120 of 120")
    expect(page.locator("#bar")).to_contain_text("nf4")


def test_an_error_is_one_sentence_and_the_button_comes_back(page: Page, address: str) -> None:
    open_page(page, f"{address}/?adapter=someone/unknown")
    expect(page.locator("#load-button")).to_be_visible()
    open_page(page, f"{address}/?adapter=nobody/unreachable")
    expect(page.locator("#detail-head")).to_contain_text("The Hub cannot be reached; check the connection")
    expect(page.locator("#detail-retry")).to_be_visible()


def test_an_answer_streams_stops_and_survives_a_reload(page: Page, address: str) -> None:
    open_page(page, f"{address}/?adapter=starter:pirate&tab=generate")
    question = page.locator("#question textarea")
    question.fill("What is the capital of France?")
    question.press("Enter")
    expect(page.locator("#stats-1")).to_contain_text("tok/s")
    expect(page.locator("#chat-1")).to_contain_text("mind the Seine!")
    expect(page.locator("#send")).to_be_visible()
    question.fill("And of Italy?")
    question.press("Enter")
    expect(page.locator("#stop")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#send")).to_be_visible()
    page.reload()
    expect(page.locator("#chat-1")).to_contain_text("And of Italy?")


def test_from_example_rows_to_a_tuned_adapter(page: Page, address: str) -> None:
    open_page(page, f"{address}/?tab=finetune")
    page.locator("#data-example").click()
    expect(page.locator("#data-preview")).to_contain_text("30 rows")
    page.locator("#data-next").click()
    page.locator("#recipe-next").click()
    expect(page.locator("#check-report")).to_contain_text("Ready to start.")
    page.locator("#start-run").click()
    expect(page.locator("#run-view .plot-mean")).to_be_visible()
    page.reload()
    expect(page.locator("#runs [data-run]").first).to_be_visible()
    page.locator("#runs [data-run]").first.click()
    expect(page.locator("#run-try")).to_be_visible()
    page.locator("#run-try").click()
    expect(page.locator("#bar")).to_contain_text("run:run0001")
    expect(page.locator("#question")).to_be_visible()


def test_the_chosen_theme_is_kept(page: Page, address: str) -> None:
    open_page(page, address)
    expect(page.locator("body")).not_to_have_class("dark")
    page.get_by_role("button", name="Switch between light and dark").click()
    expect(page.locator("body")).to_have_class("dark")
    page.reload()
    expect(page.locator("body")).to_have_class("dark")


@pytest.mark.parametrize("tab", ["browse", "generate", "finetune", "library"])
def test_a_narrow_screen_never_scrolls_sideways(page: Page, address: str, tab: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_page(page, f"{address}/?adapter=starter:pirate&tab={tab}")
    expect(page.locator("#bar")).to_contain_text("starter:pirate")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_deleting_and_pasting_search_as_typing_does(page: Page, address: str) -> None:
    open_page(page, f"{address}/?q=sentiment")
    expect(page.locator("#results tr[data-ref]")).to_have_count(1)
    page.locator("#search textarea").press("ControlOrMeta+a")
    page.locator("#search textarea").press("Delete")
    expect(page.locator("#results tr[data-ref]")).to_have_count(30)
    page.locator("#search textarea").fill("entities")
    expect(page.locator("#results tr[data-ref]")).to_have_count(1)


def test_a_filter_narrows_the_rows_and_is_in_the_address(page: Page, address: str) -> None:
    open_page(page, address)
    choose(page.locator("#filter-task"), "TOKEN_CLS")
    expect(page.locator("#results tr[data-ref]")).to_have_count(1)
    expect(page).to_have_url(f"{address}/?task=TOKEN_CLS")


def test_pasted_rows_are_shown_at_once(page: Page, address: str) -> None:
    open_page(page, f"{address}/?tab=finetune")
    page.locator("#data-text textarea").evaluate(
        "field => { field.focus();"
        " document.execCommand('insertText', false, 'text,label\\nfine,good\\nbad,poor');"
        " field.dispatchEvent(new ClipboardEvent('paste', {bubbles: true})); }"
    )
    expect(page.locator("#data-preview")).to_contain_text("2 rows")
    expect(page.get_by_label("Text and label")).to_be_checked()


def paste(page: Page, rows: str) -> None:
    page.locator("#data-text textarea").evaluate(
        "(field, rows) => { field.focus(); field.select(); document.execCommand('insertText', false, rows);"
        " field.dispatchEvent(new ClipboardEvent('paste', {bubbles: true})); }",
        rows,
    )


def test_pasted_rows_take_the_place_of_a_file_and_what_cannot_be_read_shows_no_older_rows(
    page: Page, address: str
) -> None:
    open_page(page, f"{address}/?tab=finetune")
    rows = {"name": "rows.csv", "mimeType": "text/csv", "buffer": b"text,label\na,b\nc,d\ne,f\n"}
    page.locator("#data-file input[type=file]").set_input_files(rows)
    expect(page.locator("#data-preview")).to_contain_text("3 rows")
    paste(page, "text,label\nfine,good\nbad,poor")
    expect(page.locator("#data-preview")).to_contain_text("2 rows")
    expect(page.locator("#data-file")).not_to_contain_text("rows.csv")
    paste(page, "[1, 2")
    expect(page.locator("#data-preview .notice")).to_be_visible()
    expect(page.locator("#data-preview")).not_to_contain_text("fine")
    expect(page.get_by_label("Text and label")).to_be_hidden()


def test_copying_works_without_a_clipboard_as_on_plain_http(page: Page, address: str) -> None:
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    open_page(page, f"{address}/?adapter=starter:pirate")
    button = page.locator("#detail-head [data-copy]:not([data-copy=link])").first
    copied = button.get_attribute("data-text")
    button.click()
    expect(button).to_have_class("copy copied")
    page.locator("#search textarea").press("ControlOrMeta+v")
    expect(page.locator("#search textarea")).to_have_value(copied)
