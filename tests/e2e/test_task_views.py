"""Every task that does not chat, on the page with a real model: its form and its answer, on any screen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client
from playwright.sync_api import Page, expect

from tests.browser import fill_in
from tests.e2e.app_process import AppProcess
from tests.e2e.test_main_job import visit
from tests.hub import catalogue
from tests.hub.server import LoopbackHub
from tests.hub.task_adapters import ENCODER_ID, READER_ID, TAGGER_ID, add_task_adapters

pytestmark = pytest.mark.slow

MINUTE = 60_000
PHONE = {"width": 390, "height": 844}
ONE, OTHER = "The harbour was quiet at night.", "No ship moved in the dark port."
CONTEXT = "The Seine flows through Paris to the sea."


@pytest.fixture(scope="module")
def app(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppProcess]:
    with LoopbackHub() as hub:
        catalogue.add_real_repos(hub, tiny_models)
        add_task_adapters(hub, tiny_models, tmp_path_factory.mktemp("adapters"))
        with AppProcess(tmp_path_factory.mktemp("app"), hub.endpoint) as app:
            yield app


def run(page: Page, app: AppProcess, adapter: str, text: str, pair: str = "") -> None:
    visit(page, app, f"?adapter={adapter}&tab=generate")
    expect(page.locator("#predict-result")).to_contain_text("No answer yet")
    fill_in(page.locator("#predict-text textarea"), text)
    if pair:
        fill_in(page.locator("#predict-pair textarea"), pair)
    page.locator("#predict-run").click()
    expect(page.locator("#predict-result .prediction")).to_be_visible(timeout=2 * MINUTE)
    expect(page.locator("#predict-run")).to_be_visible()


def asked(app: AppProcess, adapter: str, text: str, pair: str = "") -> dict:
    client = Client(app.url, verbose=False)
    return client.submit(adapter=adapter, text=text, text_pair=pair, api_name="/predict").result(60)


def expect_no_overflow(page: Page) -> None:
    """Nothing is wider than the screen, and nothing in the result is wider than the result."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(
        "[...document.querySelectorAll('#predict-result *')].every((one) => "
        "one.getBoundingClientRect().right <= document.querySelector('#predict-result')"
        ".getBoundingClientRect().right + 1)"
    )


@pytest.mark.parametrize("size", [None, PHONE], ids=["desktop", "phone"])
def test_an_embedding_is_shown_and_copied_and_two_say_how_alike_they_are(app, page: Page, size) -> None:
    if size:
        page.set_viewport_size(size)
    run(page, app, ENCODER_ID, ONE)
    result = page.locator("#predict-result")
    expect(page.get_by_label("Second text (to compare)")).to_be_visible()
    expect(result.locator(".vector")).to_have_count(1)
    expect(result.locator(".label-row")).to_have_count(0)
    expect(result.locator(".stats")).to_contain_text("64dimensions")
    alone = asked(app, ENCODER_ID, ONE)["embedding"]
    result.get_by_role("button", name="Copy the embedding of Text").click()
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert copied == pytest.approx(alone, rel=1e-4)

    fill_in(page.locator("#predict-pair textarea"), OTHER)
    page.locator("#predict-run").click()
    expect(result.locator(".vector")).to_have_count(2, timeout=MINUTE)
    expect(result.locator(".vector p").nth(1)).to_contain_text("Second text")
    found = asked(app, ENCODER_ID, ONE, OTHER)["similarity"]
    expect(result.locator(".label-row .figure")).to_have_text(f"{found:.3f}")
    expect_no_overflow(page)


def test_the_same_text_twice_is_fully_alike(app, page: Page) -> None:
    run(page, app, ENCODER_ID, ONE, ONE)
    expect(page.locator("#predict-result .label-row .figure")).to_have_text("1.000")


@pytest.mark.parametrize("size", [None, PHONE], ids=["desktop", "phone"])
def test_words_are_marked_with_label_and_score(app, page: Page, size) -> None:
    if size:
        page.set_viewport_size(size)
    text = "Ada Lovelace met Charles Babbage in London."
    run(page, app, TAGGER_ID, text)
    expect(page.locator("#predict-pair")).to_be_hidden()
    found = asked(app, TAGGER_ID, text)["entities"]
    assert found
    marks = page.locator("#predict-result mark")
    expect(marks).to_have_count(len(found))
    assert marks.all_inner_texts() == [f"{one['text']}{one['label']} {one['score']:.3f}" for one in found]
    expect_no_overflow(page)


def test_an_answer_is_marked_in_its_context_without_the_blanks_around_it(app, page: Page) -> None:
    run(page, app, READER_ID, "Where does it flow?", CONTEXT)
    found = asked(app, READER_ID, "Where does it flow?", CONTEXT)
    mark = page.locator("#predict-result mark")
    expect(mark).to_have_text(f"{found['answer'].strip()}answer {found['score']:.3f}")
    expect_no_overflow(page)


def test_a_question_without_a_context_says_what_is_missing(app, page: Page) -> None:
    visit(page, app, f"?adapter={READER_ID}&tab=generate")
    fill_in(page.locator("#predict-text textarea"), "Where does it flow?")
    page.locator("#predict-run").click()
    expect(page.locator(".toast-body")).to_contain_text("needs a context", timeout=MINUTE)
    expect(page.locator("#predict-run")).to_be_visible()


def test_labels_stand_beside_bars_and_the_first_is_the_likeliest(app, page: Page) -> None:
    run(page, app, catalogue.CLASSIFIER_ID, "A text on boats")
    found = asked(app, catalogue.CLASSIFIER_ID, "A text on boats")["labels"]
    rows = page.locator("#predict-result .label-row")
    expect(rows).to_have_count(3)
    assert rows.locator("> span:first-child").all_inner_texts() == [one["label"] for one in found]
    assert rows.locator(".figure").all_inner_texts() == [f"{one['score']:.3f}" for one in found]
    expect_no_overflow(page)
