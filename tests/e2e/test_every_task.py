"""Each task from the page to a metric: rows in, columns, recipe, check, a real run, its adapter tried out.

The bases are tiny and the runs a few steps long, so no figure is asked to be good; the tests on real data ask
that. The rows are the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from adapter_ui.catalog.storage.library import STARTER
from tests.browser import DESKTOP, choose, fill_in
from tests.e2e.app_process import AppProcess
from tests.e2e.test_main_job import ask, paste, visit
from tests.hub import catalogue
from tests.hub.server import LoopbackHub
from tests.hub.tiny_models import BERT_ID, LLAMA_ID
from tests.training.tiny_t5 import T5_ID, build_t5

# What is trained there on tiny bases, tests/e2e/test_good_figures.py trains on real ones.
pytestmark = [pytest.mark.thorough, pytest.mark.timeout(600)]

REAL = Path(__file__).parents[1] / "training" / "real"
SECONDS = 1000
STEPS = 4
INSIDE = """view => [...view.querySelectorAll(".run > *")].every(
  part => part.getBoundingClientRect().right <= view.getBoundingClientRect().right + 1)"""


@pytest.fixture(scope="module")
def app(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppProcess]:
    with LoopbackHub() as hub:
        catalogue.add_users(hub)
        catalogue.add_real_repos(hub, tiny_models)
        hub.add_repo(T5_ID, build_t5(tmp_path_factory.mktemp("t5")))
        with AppProcess(tmp_path_factory.mktemp("app"), hub.endpoint) as app:
            yield app


def upload(page: Page, file: Path) -> None:
    page.locator("#data-file input[type=file]").set_input_files(file)


def run_to_its_end(page: Page, base: str, name: str) -> None:
    """From the rows that were read to the run's last event."""
    page.locator("#data-next").click()
    fill_in(page.locator("#recipe-base input, #recipe-base textarea").first, base)
    fill_in(page.locator("#recipe-name input, #recipe-name textarea").first, name)
    page.locator("#recipe-more").get_by_role("button").first.click()
    for field, value in (("max-steps", STEPS), ("max-length", 128), ("validation-fraction", 0.2)):
        fill_in(page.locator(f"#recipe-{field} input"), str(value))
    page.locator("#recipe-next").click()
    expect(page.locator("#check-report")).to_contain_text("Ready to start", timeout=120 * SECONDS)
    page.locator("#start-run").click()
    view = page.locator("#run-view")
    expect(view).to_contain_text(name, timeout=120 * SECONDS)  # a start counts once more, in a process
    expect(view).to_contain_text(f"Trained for {STEPS} steps.", timeout=240 * SECONDS)


def expect_metric(page: Page, metric: str) -> None:
    """A row with a figure before the training and one after it."""
    row = page.locator("#run-view .metrics tr").filter(has=page.get_by_text(metric, exact=True))
    expect(row.locator("td.number")).to_have_count(2)
    assert all(re.search(r"\d", figure) for figure in row.locator("td.number").all_inner_texts())
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.locator("#run-view").evaluate(INSIDE)
    page.set_viewport_size(DESKTOP)


def try_on(page: Page, text: str, pair: str = "") -> None:
    page.locator("#run-try").click()
    fill_in(page.locator("#predict-text textarea"), text)
    if pair:
        fill_in(page.locator("#predict-pair textarea"), pair)
    page.locator("#predict-run").click()
    expect(page.locator("#predict-result .prediction")).to_be_visible(timeout=120 * SECONDS)


def expect_answer_in_chat(page: Page, question: str) -> None:
    page.locator("#run-try").click()
    ask(page, question)
    expect(page.locator("#stats-1")).to_contain_text("tok/s", timeout=120 * SECONDS)


def test_sentences_are_classified_from_columns_chosen_by_hand(app: AppProcess, page: Page) -> None:
    visit(page, app, "?tab=finetune")
    lines = (REAL / "sentences.csv").read_text(encoding="utf-8").splitlines()[1:81]
    paste(page, "#data-text textarea", "\n".join(("remark,verdict", *lines)))
    expect(page.locator("#data-preview")).to_contain_text("80 rows")
    page.get_by_role("radio", name="Text and label").check()
    for at, column in enumerate(("remark", "verdict")):
        choose(page.locator(f"#column-{at}"), column)
    run_to_its_end(page, BERT_ID, "Sentences")
    expect_metric(page, "accuracy")
    try_on(page, "I loved every minute of it.")
    expect(page.locator("#predict-result .label-row")).to_have_count(2)


def test_words_are_tagged(app: AppProcess, page: Page) -> None:
    visit(page, app, "?tab=finetune")
    upload(page, REAL / "entities.jsonl")
    expect(page.locator("#data-preview")).to_contain_text("400 rows")
    run_to_its_end(page, BERT_ID, "Entities")
    expect_metric(page, "entity F1")
    try_on(page, "Ada Lovelace met Charles Babbage in London.")


def test_questions_are_answered_in_their_text(app: AppProcess, page: Page) -> None:
    visit(page, app, "?tab=finetune")
    upload(page, REAL / "questions.json")
    expect(page.locator("#data-preview")).to_contain_text("rows")
    run_to_its_end(page, BERT_ID, "Questions")
    expect_metric(page, "token F1")
    try_on(page, "Where does it flow?", "The Seine flows through Paris to the sea.")
    expect(page.locator("#predict-result mark")).to_have_count(1)


def test_text_becomes_text(app: AppProcess, page: Page) -> None:
    visit(page, app, "?tab=finetune")
    upload(page, STARTER / "orders" / "data.jsonl")
    expect(page.locator("#data-preview")).to_contain_text("160 rows")
    page.get_by_role("radio", name="Text to text").check()
    run_to_its_end(page, T5_ID, "Orders")
    expect_metric(page, "ROUGE-L")
    expect_answer_in_chat(page, "Just 6 medium pizzas, thanks.")


def test_a_style_is_learned_and_its_samples_can_be_gone_through(app: AppProcess, page: Page) -> None:
    visit(page, app, "?tab=finetune")
    upload(page, STARTER / "pirate" / "data.jsonl")
    expect(page.locator("#data-preview")).to_contain_text("84 rows")
    run_to_its_end(page, LLAMA_ID, "Pirates")
    expect_metric(page, "perplexity")
    samples = page.locator("#run-view .samples")
    expect(samples.locator(".sample:visible h4", has_text=f"After, step {STEPS}")).to_have_count(2)
    samples.get_by_text("Before", exact=True).first.click()
    expect(samples.locator(".sample:visible h4", has_text="After")).to_have_count(0)
    expect_answer_in_chat(page, "Who are you?")
