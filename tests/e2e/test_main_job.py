"""From nothing to a tuned adapter in a real browser, on the real 135M model, with no Hub in reach."""

import os
import re
import signal

import psutil
import pytest
from playwright.sync_api import Page, expect

from tests.browser import fill_in
from tests.e2e.app_process import AppProcess

pytestmark = pytest.mark.slow

NO_HUB = "http://127.0.0.1:9"
SECONDS = 1000
SUMS = (f"What is {n} plus {n}?,Arrr! {2 * n} it be matey!" for n in range(30))
ROWS = "\n".join(("prompt,completion", *SUMS))
HEAVY = {"torch", "transformers", "peft", "bitsandbytes", "accelerate"}


@pytest.fixture(scope="module")
def app(embedded_base_home):
    with AppProcess(embedded_base_home, NO_HUB) as app:
        yield app


def worker_pid(app: AppProcess) -> int:
    children = psutil.Process(app.process.pid).children()
    return next(child.pid for child in children if "adapter_ui.models.worker" in " ".join(child.cmdline()))


def visit(page: Page, app: AppProcess, address: str = "") -> None:
    """Open the page and wait until it listens: the bar's memory figure comes from the server."""
    page.goto(app.url + address)
    expect(page.locator("#bar")).to_contain_text("GB of", timeout=30 * SECONDS)


def open_tab(page: Page, name: str) -> None:
    page.locator("#tabs").get_by_role("tab", name=name, exact=True).first.click()


def paste(page: Page, field: str, text: str) -> None:
    """As a person pastes: through the clipboard, which tells the page less than typing does."""
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    page.locator(field).click()
    page.keyboard.press("Control+V")


def select(page: Page, ref: str) -> None:
    page.locator(f'#results tr[data-ref="{ref}"]').click()
    expect(page.locator("#detail-body")).to_be_visible()


def load_in(page: Page, precision: str) -> None:
    page.locator("#precisions").get_by_text(precision, exact=True).click()
    page.locator("#load-button", has_text=precision).click()
    expect(page.locator("#load-status")).to_contain_text("120 of 120", timeout=120 * SECONDS)


def at_most(page: Page, tokens: int) -> None:
    page.locator("#sampling").get_by_role("button").first.click()
    fill_in(page.locator("#max-new-tokens input[type=number]"), str(tokens))


def ask(page: Page, question: str) -> None:
    fill_in(page.locator("#question textarea"), question)
    page.locator("#send").click()


def answered(page: Page) -> str:
    """The adapter's last answer, once its figures say that it is whole; its base has answered beside it."""
    expect(page.locator("#stats-1")).to_contain_text("tok/s", timeout=240 * SECONDS)
    expect(page.locator("#send")).to_be_visible(timeout=240 * SECONDS)
    return page.locator("#chat-1 .bot.message").last.inner_text()


def test_browse_inspect_load_in_nf4_and_generate(app, page):
    visit(page, app)
    expect(page.locator("#search-notice")).to_contain_text("The Hub cannot be reached")
    expect(page.locator("#results tr[data-ref]")).to_have_count(3)
    select(page, "starter:pirate")
    expect(page.locator("#detail")).to_contain_text("HuggingFaceTB/SmolLM2-135M-Instruct")
    expect(page.locator("#detail-scale")).to_contain_text("0.34 % in parameters: 460.8k of 134.5M")
    load_in(page, "nf4")
    expect(page.locator("#bar")).to_contain_text("nf4")
    page.locator("#try-button").click()
    at_most(page, 48)  # the base would go on for minutes where the processor has no instructions for 4 bits
    ask(page, "What is the capital of France?")
    assert re.search(r"arr|matey|be ", answered(page), re.IGNORECASE)


def test_a_classifier_shows_its_labels(app, page):
    visit(page, app, "?adapter=starter:sentiment&tab=generate")
    fill_in(page.locator("#predict-text textarea"), "What a wonderful, happy day!")
    page.locator("#predict-run").click()
    expect(page.locator("#predict-result")).to_contain_text("positive", timeout=120 * SECONDS)


def test_a_killed_worker_costs_one_sentence_and_the_next_generation_works(app, page):
    visit(page, app, "?adapter=starter:pirate&tab=generate")
    at_most(page, 2000)
    fill_in(page.locator("#temperature input[type=number]"), "0")
    page.locator("#arm-head-2").get_by_role("button", name="Remove Base").click()
    expect(page.locator("#arm-bar")).to_contain_text("One arm")
    fill_in(page.locator("#arm-head-1 input[type=number]"), "0")
    page.locator("#raw input").check()
    ask(page, "one, two, one, two, one, two, one, two, one, two, one, two,")
    expect(page.locator("#chat-1 .bot.message").last).to_contain_text("two", timeout=120 * SECONDS)
    os.kill(worker_pid(app), signal.SIGKILL)
    refusal = page.locator("#stats-1 .notice")
    expect(refusal).to_contain_text("it starts again with your next request")
    expect(page.locator(".toast-body")).to_have_count(0)
    fill_in(page.locator("#max-new-tokens input[type=number]"), "24")
    page.locator("#raw input").uncheck()
    page.locator("#clear").click()
    ask(page, "What is the capital of France?")
    assert answered(page)


def step_shown(page: Page) -> int:
    """The step that the run's view says it is at."""
    view = page.locator("#run-view")
    expect(view).to_contain_text(re.compile(r"step [1-9]\d* of 20"), timeout=180 * SECONDS)
    return int(re.search(r"step (\d+) of 20", view.inner_text()).group(1))


@pytest.mark.timeout(900)  # a whole run on a processor that may be slow and busy
def test_fine_tune_thirty_pasted_rows_survives_reload_and_restart_and_answers(app, page):
    visit(page, app, "?tab=finetune")
    paste(page, "#data-text textarea", ROWS)
    expect(page.locator("#data-preview")).to_contain_text("30 rows")
    page.locator("#data-next").click()
    page.locator("#recipe-more").get_by_role("button").first.click()
    fill_in(page.locator("#recipe-max-steps input"), "20")
    fill_in(page.locator("#recipe-learning-rate input"), "0.003")
    fill_in(page.locator("#recipe-name input, #recipe-name textarea").first, "Sums")
    page.locator("#recipe-next").click()
    expect(page.locator("#check-report")).to_contain_text("Ready to start", timeout=60 * SECONDS)
    expect(page.locator("#check-report")).to_contain_text("20steps")
    page.locator("#start-run").click()
    view = page.locator("#run-view")
    first = step_shown(page)
    page.reload()
    expect(view).to_be_visible()
    assert step_shown(page) >= first
    app.restart()
    visit(page, app, "?tab=finetune")
    page.locator("#runs [data-run]", has_text="Sums").click()
    expect(page.locator("#run-try")).to_be_visible(timeout=240 * SECONDS)
    page.locator("#run-try").click()
    at_most(page, 48)
    ask(page, "What is 4 plus 4?")
    assert re.search(r"arr|matey|it be", answered(page), re.IGNORECASE)

    open_tab(page, "Browse")
    expect(page.locator('#results tr[data-ref^="run:"]')).to_have_count(1)


def test_the_web_process_holds_no_model_library_after_this_tour(app):
    """Last in this file: it ends the app that all the tests above used."""
    held = {name.partition(".")[0] for name in app.stop()}
    assert "gradio" in held
    assert not held & HEAVY
