"""A base or a model class that is chosen on the page stays with the adapter: in every tab, over a reload, and
for this visitor alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import Page, expect

from tests.browser import fill_in
from tests.e2e.app_process import AppProcess
from tests.e2e.test_main_job import open_tab, visit
from tests.hub import catalogue
from tests.hub.server import LoopbackHub
from tests.hub.task_adapters import UNTOLD_ID, add_task_adapters
from tests.hub.tiny_models import build_llama

pytestmark = pytest.mark.slow

CLASS = "AutoModelForSequenceClassification"
OTHER_BASE = "tiny-org/other-llama"
AT_HOME_ID = "linus/at-home"
GREEDY = {"prompt": "Hello", "precision": "fp32", "temperature": 0, "max_new_tokens": 8}
MINUTE = 60_000


@pytest.fixture(scope="module")
def app(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppProcess]:
    with LoopbackHub() as hub:
        catalogue.add_users(hub)
        catalogue.add_real_repos(hub, tiny_models)
        catalogue.add_awkward_repos(hub)
        add_task_adapters(hub, tiny_models, tmp_path_factory.mktemp("adapters"))
        hub.add_repo(OTHER_BASE, build_llama(tmp_path_factory.mktemp("bases") / "other", seed=1))
        hub.add_repo(AT_HOME_ID, catalogue.trained_at_home(tiny_models / "lora"))
        with AppProcess(tmp_path_factory.mktemp("app"), hub.endpoint) as app:
            yield app


def test_a_script_names_the_class_with_each_request(app: AppProcess) -> None:
    client = Client(app.url, verbose=False)

    def labels(**named: str) -> list[dict[str, object]]:
        return client.submit(text="Fine", precision="fp32", api_name="/predict", **named).result(60)["labels"]

    assert labels(adapter=UNTOLD_ID, model_class=CLASS) == labels(adapter=catalogue.CLASSIFIER_ID)
    greedy = {"prompt": "Hello", "precision": "fp32", "temperature": 0, "max_new_tokens": 4}
    with pytest.raises(AppError, match="BertLMHeadModel is no class for a base of type llama"):
        asked = {"adapter": catalogue.LORA_ID, "model_class": "BertLMHeadModel", **greedy}
        client.submit(api_name="/generate", **asked).result(60)
    arms = [
        {"adapter": catalogue.LORA_ID},
        {"adapter": catalogue.LORA_ID, "model_class": "BertLMHeadModel"},
    ]
    own, other = client.submit(arms=arms, api_name="/compare", **greedy).result(60)
    assert own["done"]
    assert "no class for a base of type llama" in other["error"]
    with pytest.raises(AppError, match="is no model class"):
        client.submit(arms=[{"model_class": "os.system"}], api_name="/compare", **greedy).result(60)


def choose_class(page: Page, name: str) -> None:
    page.locator("#load-advanced").get_by_role("button").first.click()
    fill_in(page.locator("#load-class input"), name)
    page.locator("#load-class input").press("Enter")
    expect(page.locator("#bar")).to_contain_text(f"{UNTOLD_ID} as {name}")


def run_prediction(page: Page) -> None:
    fill_in(page.locator("#predict-text textarea"), "A text on boats")
    page.locator("#predict-run").click()
    expect(page.locator("#predict-result .label-row")).to_have_count(3, timeout=2 * MINUTE)


def test_a_chosen_class_holds_in_every_tab_and_over_a_reload(app: AppProcess, page: Page) -> None:
    visit(page, app, f"?adapter={UNTOLD_ID}")
    expect(page.locator("#detail-body")).to_be_visible()
    choose_class(page, CLASS)
    page.get_by_role("tab", name="Code").click()
    expect(page.locator("#detail-code")).to_contain_text(f"base = {CLASS}.from_pretrained(")
    page.locator("#load-button").click()
    expect(page.locator("#load-status")).to_contain_text(f"{CLASS}.", timeout=2 * MINUTE)
    page.locator("#try-button").click()
    run_prediction(page)
    assert f"class={CLASS}" in page.url

    page.reload()
    expect(page.locator("#bar")).to_contain_text(f"{UNTOLD_ID} as {CLASS}")
    run_prediction(page)
    open_tab(page, "Browse")
    page.locator("#load-advanced").get_by_role("button").first.click()
    expect(page.locator("#load-class input")).to_have_value(CLASS)


def test_the_class_of_one_adapter_is_not_that_of_the_next(app: AppProcess, page: Page) -> None:
    visit(page, app, f"?adapter={UNTOLD_ID}&class={CLASS}")
    expect(page.locator("#bar")).to_contain_text(f" as {CLASS}")
    page.locator(f'#results tr[data-ref="{catalogue.LORA_ID}"]').click()
    expect(page.locator("#bar")).to_contain_text(catalogue.LORA_ID)
    expect(page.locator("#bar")).not_to_contain_text(" as ")
    page.wait_for_function("!location.search.includes('class=')")
    page.locator(f'#results tr[data-ref="{UNTOLD_ID}"]').click()
    expect(page.locator("#bar")).to_contain_text(f"{UNTOLD_ID} as {CLASS}")


def test_what_can_be_no_class_is_told_and_changes_nothing(app: AppProcess, page: Page) -> None:
    visit(page, app, f"?adapter={UNTOLD_ID}&class=os.system")
    expect(page.locator("#detail-body")).to_be_visible()
    expect(page.locator("#bar")).not_to_contain_text(" as ")
    page.locator("#load-advanced").get_by_role("button").first.click()
    head = page.locator("#detail-head").inner_text()
    fill_in(page.locator("#load-class input"), "os.system")
    page.locator("#load-class input").press("Enter")
    expect(page.locator(".toast-body")).to_contain_text("is no model class")
    expect(page.locator("#bar")).not_to_contain_text(" as ")
    page.wait_for_timeout(1_000)  # what would have been drawn for it
    assert page.locator("#detail-head").inner_text() == head
    expect(page.locator("#detail-retry")).to_be_hidden()
    fill_in(page.locator("#load-class input"), CLASS)
    page.locator("#load-class input").press("Enter")
    expect(page.locator("#bar")).to_contain_text(f"{UNTOLD_ID} as {CLASS}")
    expect(page.locator("#detail-head")).to_contain_text(UNTOLD_ID.partition("/")[2])
    expect(page.locator("#load-button")).to_be_enabled()


def name_base(page: Page, name: str) -> None:
    page.locator("#load-advanced").get_by_role("button").first.click()
    fill_in(page.locator("#load-base textarea, #load-base input"), name)
    page.locator("#load-base textarea, #load-base input").press("Enter")


def test_a_chosen_base_holds_in_every_tab_over_a_reload_and_for_nobody_else(
    app: AppProcess, page: Page
) -> None:
    client = Client(app.url, verbose=False)
    asked = {"adapter": catalogue.LORA_ID, "api_name": "/generate", **GREEDY}
    own = client.submit(**asked).result(60)
    other = client.submit(base_model=OTHER_BASE, **asked).result(60)
    assert own != other

    visit(page, app, f"?adapter={catalogue.LORA_ID}")
    expect(page.locator("#detail-body")).to_be_visible()
    page.locator("#precisions").get_by_text("fp32", exact=True).first.click()
    name_base(page, OTHER_BASE)
    expect(page.locator("#bar")).to_contain_text(f"{catalogue.LORA_ID} on {OTHER_BASE}")
    page.get_by_role("tab", name="Code").click()
    expect(page.locator("#detail-code")).to_contain_text(OTHER_BASE)
    page.locator("#load-button").click()
    expect(page.locator("#load-status")).to_contain_text(OTHER_BASE, timeout=2 * MINUTE)
    assert client.submit(**asked).result(60) == own

    page.reload()
    expect(page.locator("#bar")).to_contain_text(f"{catalogue.LORA_ID} on {OTHER_BASE}")
    open_tab(page, "Generate")
    expect(page.locator("#generate")).to_contain_text(OTHER_BASE.partition("/")[2])


def test_an_adapter_whose_base_is_a_path_can_be_loaded_once_one_is_named(app: AppProcess, page: Page) -> None:
    visit(page, app, f"?adapter={AT_HOME_ID}")
    expect(page.locator("#load-button")).to_be_disabled()
    expect(page.locator("#precision-reason")).to_contain_text("name the base when you load it")
    name_base(page, "tiny-org/tiny-llama")
    expect(page.locator("#load-button")).to_be_enabled()
    expect(page.locator("#try-button")).to_be_enabled()
    expect(page.locator("#precision-reason")).not_to_contain_text("Cannot be loaded")
    expect(page.locator("#detail-head")).to_contain_text("on tiny-org/tiny-llama")
    expect(page.locator("#detail-head")).to_contain_text("chosen in place of")
    expect(page.locator("#precisions")).to_contain_text("fits")


def test_a_base_that_it_does_not_fit_is_told_before_any_download(app: AppProcess, page: Page) -> None:
    visit(page, app, f"?adapter={catalogue.LOCAL_BASE_ID}")
    expect(page.locator("#load-button")).to_be_disabled()
    name_base(page, "tiny-org/tiny-llama")
    expect(page.locator("#detail-head")).to_contain_text("made for another base than tiny-org/tiny-llama")
    expect(page.locator("#load-button")).to_be_disabled()
