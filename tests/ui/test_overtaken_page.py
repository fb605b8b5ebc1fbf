"""In a real browser: what is still being read never takes the place of what was chosen since."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from adapter_ui.domain import AdapterProfile, Prediction, Progress
from tests.browser import fill_in
from tests.ui.fake_service import FakeService
from tests.ui.served import served

pytestmark = pytest.mark.slow

SLOW, OTHER, NAME = "starter:formal", "acme/roberta-sentiment", "roberta-sentiment"


class SlowHub(FakeService):
    """One adapter, and whatever stands beside another base, is read only once the test says so."""

    answers, predictions = threading.Event(), threading.Event()

    def predict(self, *asked: Any, **options: Any) -> Iterator[Progress | Prediction]:
        yield Progress("load", "Loading the base")
        assert self.predictions.wait(120)
        yield from super().predict(*asked, **options)

    def inspect(self, adapter: str, base_model: str = "") -> AdapterProfile:
        if base_model or adapter == SLOW:
            assert self.answers.wait(120)
        return super().inspect(adapter, base_model)


@pytest.fixture
def address() -> Iterator[str]:
    SlowHub.answers.clear()
    SlowHub.predictions.clear()
    with served(0.01, SlowHub) as url:
        yield url
        SlowHub.answers.set()
        SlowHub.predictions.set()


def opened(page: Page, url: str) -> None:
    page.goto(f"{url}/?adapter=starter:pirate")
    expect(page.locator("#detail-body")).to_be_visible()
    expect(page.locator("#results tr[data-ref]").first).to_be_attached()


def late_answers_come(page: Page) -> None:
    SlowHub.answers.set()
    page.wait_for_timeout(3_000)


def test_a_base_that_is_read_late_does_not_bring_back_the_adapter_before(page: Page, address: str) -> None:
    opened(page, address)
    page.locator("#load-advanced > button").click()
    fill_in(page.locator("#load-base").locator("input, textarea"), "Qwen/Qwen3-0.6B")
    page.locator(f"tr[data-ref='{OTHER}']").click()
    expect(page.locator("#bar")).to_contain_text(NAME)
    late_answers_come(page)
    expect(page.locator("#detail-head h2")).to_have_text(NAME)
    expect(page.locator("#bar")).to_contain_text(NAME)


def test_a_slow_adapter_holds_nobody_up_and_cannot_be_loaded_before_it_is_read(
    page: Page, address: str
) -> None:
    opened(page, address)
    page.locator(f"tr[data-ref='{SLOW}']").click()
    expect(page.locator("#detail-head h2")).to_have_text("formal")
    expect(page.locator("#load-button")).to_be_disabled()
    expect(page.locator("#try-button")).to_be_disabled()
    page.locator(f"tr[data-ref='{OTHER}']").click()
    expect(page.locator("#load-button")).to_be_enabled()
    expect(page.locator("#detail-head h2")).to_have_text(NAME)
    late_answers_come(page)
    expect(page.locator("#detail-head h2")).to_have_text(NAME)


def test_a_precision_that_is_chosen_while_an_adapter_is_read_stays_chosen(page: Page, address: str) -> None:
    opened(page, address)
    page.locator(f"tr[data-ref='{SLOW}']").click()
    expect(page.locator("#load-button")).to_be_disabled()
    page.locator("#precisions input[value=nf4]").press("Space")  # the mouse waits, the keyboard does not
    expect(page.locator("#load-button")).to_have_text("Load in nf4")
    late_answers_come(page)
    expect(page.locator("#load-button")).to_be_enabled()
    expect(page.locator("#load-button")).to_have_text("Load in nf4")
    expect(page.locator("#precisions input[value=nf4]")).to_be_checked()


def test_a_prediction_of_one_adapter_never_appears_under_another(page: Page, address: str) -> None:
    page.goto(f"{address}/?adapter={OTHER}")
    expect(page.locator("#bar")).to_contain_text(NAME)
    expect(page.locator("#results tr[data-ref]").first).to_be_attached()
    page.get_by_role("tab", name="Generate").click()
    page.locator("#predict-run").click()
    expect(page.locator("#predict-result .step")).to_be_visible()
    page.get_by_role("tab", name="Browse").click()
    page.locator("tr[data-ref='acme/roberta-entities']").click()
    expect(page.locator("#bar")).to_contain_text("roberta-entities")
    SlowHub.predictions.set()
    page.get_by_role("tab", name="Generate").click()
    expect(page.locator("#predict-run")).to_be_visible()
    page.wait_for_timeout(3_000)
    expect(page.locator("#predict-result")).to_contain_text("No answer yet")
