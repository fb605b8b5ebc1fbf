"""Each task on real rows, from the page to a figure that is good; and what goes on while it trains.

| task | rows | base | margin |
|---|---|---|---|
| SEQ_CLS | sentences that people rated | MiniLM | 15 points of accuracy above the majority |
| TOKEN_CLS | names in posts, as BIO tags (WNUT 2017) | MiniLM | 20 points of entity F1 above the new head |
| QUESTION_ANS | questions on paragraphs (SQuAD) | MiniLM | 25 points of token F1 above the new head |
| CAUSAL_LM | a style set: answers as a pirate gives them | SmolLM2-135M | half of the base's perplexity |
| SEQ_2_SEQ_LM | orders and their JSON | T5 from noise | 45 points of ROUGE-L above the base |

MiniLM and SmolLM2 are pretrained. No Python package was found to hold a pretrained encoder-decoder, and
nothing else can be fetched here: the T5 is a tiny one of random weights, which stay as they are, so that all
it writes right was learned by its adapter; and a program made its rows out of a few patterns. It says that
the way from the page to the figure works for text to text, and nothing on how well a real T5 would do.

The first runs with the slow tests, the others, which take minutes each, with the thorough ones. The recipes
are the page's own but for the length of a row and the share that is held back, without which a figure would
be chance, and for what the tests say.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client
from platformdirs import user_cache_path
from playwright.sync_api import Page, expect

from adapter_ui.catalog.storage.embedded import EMBEDDED_BASE
from adapter_ui.catalog.storage.library import STARTER
from adapter_ui.training.data import read_table
from tests.browser import fill_in
from tests.e2e.app_process import AppProcess
from tests.e2e.test_every_task import REAL, expect_answer_in_chat, try_on, upload
from tests.e2e.test_main_job import visit
from tests.hub import catalogue
from tests.hub.server import LoopbackHub
from tests.training.real_bases import ENCODER_ID, build_encoder_decoder, fetch_encoder
from tests.training.tiny_t5 import T5_ID

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]

SECONDS = 1000
MINUTES = 60 * SECONDS
TRAINED = "Trained for"
ORDERS = STARTER / "orders" / "data.jsonl"


@pytest.fixture(scope="module")
def app(
    tiny_models: Path, embedded_base_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AppProcess]:
    chosen = os.environ.get("ADAPTER_UI_TEST_CACHE")
    cache = Path(chosen) if chosen else user_cache_path("adapter-ui-tests", appauthor=False)
    cache.mkdir(parents=True, exist_ok=True)
    home = tmp_path_factory.mktemp("app")
    (home / "bases").symlink_to(embedded_base_home / "bases")
    with LoopbackHub() as hub:
        catalogue.add_real_repos(hub, tiny_models)
        hub.add_repo(ENCODER_ID, fetch_encoder(cache))
        texts = [str(text) for row in read_table(ORDERS).rows for text in row.values()]
        hub.add_repo(T5_ID, build_encoder_decoder(tmp_path_factory.mktemp("t5"), texts))
        with AppProcess(home, hub.endpoint) as app:
            yield app


def start(page: Page, app: AppProcess, file: Path, form: str, base: str, **fields: str) -> None:
    """From the file to a run that has begun. `fields` are those of the recipe that are typed in."""
    visit(page, app, "?tab=finetune")
    upload(page, file)
    radio = page.get_by_role("radio", name=form, exact=True)
    if form == "Text to text":  # the same columns as a prompt and its answer, which are guessed
        expect(page.locator("#data-preview")).to_contain_text("rows")
        radio.check()
    expect(radio).to_be_checked()
    page.locator("#data-next").click()
    page.locator("#recipe-more").get_by_role("button").first.click()
    recipe = {"max_length": "64", "validation_fraction": "0.25", **fields}
    for field, value in {"base": base, "name": form, **recipe}.items():
        fill_in(page.locator(f"#recipe-{field.replace('_', '-')}").locator("input, textarea").first, value)
    page.locator("#recipe-next").click()
    expect(page.locator("#check-report")).to_contain_text("Ready to start", timeout=5 * MINUTES)
    page.locator("#start-run").click()
    expect(page.locator("#run-view h3")).to_have_text(form, timeout=2 * MINUTES)


def shown(page: Page, metric: str) -> list[float]:
    """The metric's figures on the page: before the training, and after it where there is one. A share is in
    percent.
    """
    row = page.locator("#run-view .metrics tr").filter(has=page.get_by_text(metric, exact=True))
    figures = [figure.replace(",", "") for figure in row.locator("td.number").all_inner_texts()]
    return [float(figure.removesuffix("%")) for figure in figures if figure[:1].isdigit()]


def expect_trained(page: Page) -> None:
    expect(page.locator("#run-view")).to_contain_text(TRAINED, timeout=15 * MINUTES)


def test_sentences_beat_the_majority_and_chats_go_on_meanwhile(app: AppProcess, page: Page) -> None:
    start(page, app, REAL / "sentences.csv", "Text and label", ENCODER_ID)
    view = page.locator("#run-view")
    expect(view.locator(".step-line")).to_contain_text("left", timeout=5 * MINUTES)
    client = Client(app.url, verbose=False)
    asked = {"prompt": "Hello", "max_new_tokens": 8, "precision": "fp32", "temperature": 0}
    *_, answer = client.submit(adapter=catalogue.LORA_ID, **asked, api_name="/generate")
    (run,) = client.predict(api_name="/runs")
    assert answer
    assert run["state"] == "running"
    assert run["eta_seconds"] > 0
    expect_trained(page)
    (majority,) = shown(page, "accuracy of the majority baseline (always the most frequent class)")
    assert 40 <= majority <= 60
    assert shown(page, "accuracy")[1] > majority + 15
    try_on(page, "I loved every minute of it, simply wonderful.")
    expect(page.locator("#predict-result .label-row")).to_have_count(2)
    best = page.locator("#predict-result .label-row").first
    expect(best).to_contain_text("positive")


@pytest.mark.thorough
def test_entities_are_found_that_the_untrained_head_does_not_find(app: AppProcess, page: Page) -> None:
    start(page, app, REAL / "entities.jsonl", "Words and tags", ENCODER_ID)
    expect_trained(page)
    before, after = shown(page, "entity F1")
    assert after > before + 20


@pytest.mark.thorough
def test_questions_are_answered_that_the_untrained_head_does_not_answer(app: AppProcess, page: Page) -> None:
    start(
        page,
        app,
        REAL / "questions.json",
        "Question on a text",
        ENCODER_ID,
        max_length="160",
        learning_rate="0.002",
        r="16",
        target_modules="all-linear",
    )
    expect_trained(page)
    before, after = shown(page, "token F1")
    assert after > before + 25
    try_on(page, "Where does it flow?", "The Seine flows through Paris to the sea.")
    expect(page.locator("#predict-result mark")).to_have_count(1)


@pytest.mark.thorough
def test_a_style_is_learned_and_heard(app: AppProcess, page: Page) -> None:
    start(
        page,
        app,
        STARTER / "pirate" / "data.jsonl",
        "Prompt and answer",
        EMBEDDED_BASE,
        max_length="128",
        num_train_epochs="2",
    )
    expect_trained(page)
    before, after = shown(page, "perplexity")
    assert after < before / 2
    expect_answer_in_chat(page, "Who are you?")


@pytest.mark.thorough
def test_text_becomes_text_that_the_untrained_base_does_not_write(app: AppProcess, page: Page) -> None:
    start(
        page,
        app,
        ORDERS,
        "Text to text",
        T5_ID,
        learning_rate="0.003",
        num_train_epochs="16",
        per_device_train_batch_size="8",
        r="32",
        lora_alpha="64",
        target_modules="all-linear",
    )
    expect_trained(page)
    before, after = shown(page, "ROUGE-L")
    assert after > before + 45
    expect_answer_in_chat(page, "Just 6 medium pizzas, thanks.")
