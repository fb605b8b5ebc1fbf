"""A mix in the served app, on the page and over HTTP: from two adapters of the Hub to an answer and back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import Page, expect

from tests.browser import choose, fill_in
from tests.e2e.app_process import AppProcess
from tests.hub import catalogue
from tests.hub.server import LoopbackHub

pytestmark = pytest.mark.slow

NARROW, WIDE = catalogue.LORA_ID, catalogue.WIDE_LORA_ID
MINUTE = 60_000


@pytest.fixture(scope="module")
def app(tiny_models, tmp_path_factory) -> Iterator[AppProcess]:
    with LoopbackHub() as hub:
        catalogue.add_real_repos(hub, tiny_models)
        with AppProcess(tmp_path_factory.mktemp("app"), hub.endpoint) as app:
            yield app


def test_a_script_mixes_and_asks_the_mix(app):
    client = Client(app.url, verbose=False)
    parts = [{"adapter": NARROW, "weight": 1}, {"adapter": WIDE, "weight": 1.5}]
    *progress, made = client.submit(parts=parts, name="by-script", combination="svd", api_name="/mix")
    assert {"inspect", "download", "start"} <= {event["stage"] for event in progress}
    assert (made["adapter"], made["rank"]) == ("mix:by-script", 8)
    found = client.predict(source="mix", api_name="/search")["adapters"]
    assert [(one["ref"], one["size_bytes"]) for one in found] == [("mix:by-script", made["size_bytes"])]
    greedy = {"prompt": "Hello", "precision": "fp32", "temperature": 0, "max_new_tokens": 8}
    answers = {
        adapter: client.submit(adapter=adapter, **greedy, api_name="/generate").result()
        for adapter in ("mix:by-script", NARROW)
    }
    assert answers["mix:by-script"] != answers[NARROW]
    with pytest.raises(AppError, match="called by-script already"):
        client.submit(parts=parts, name="by-script", api_name="/mix").result()
    assert client.predict(name="by-script", api_name="/delete_mix") == {"deleted": "by-script"}
    assert client.predict(source="mix", api_name="/search")["adapters"] == []


def test_a_person_mixes_what_is_compared_and_finds_it_in_the_library(app, page: Page):
    page.goto(f"{app.url}?compare={NARROW},{WIDE}&view=side-by-side")
    panel = page.locator("#mix-panel")
    panel.get_by_role("button", name="Mix into a new adapter").click()
    expect(page.locator("#mix-weight-1")).to_contain_text(WIDE)
    expect(page.locator("#mix-weight-2")).to_be_hidden()
    expect(page.locator("#mix-density")).to_be_hidden()
    choose(page.locator("#mix-combination"), "dare_ties")
    expect(page.locator("#mix-density")).to_be_visible()
    choose(page.locator("#mix-combination"), "cat")
    expect(page.locator("#mix-density")).to_be_hidden()
    fill_in(page.locator("#mix-name input, #mix-name textarea"), "two-in-one")
    page.locator("#mix-start").click()
    expect(page.locator("#mix-result")).to_contain_text(
        "mix:two-in-one is ready: rank 12", timeout=2 * MINUTE
    )
    page.get_by_role("button", name="Select it").click()
    expect(page.locator("#results")).to_be_visible()
    expect(page.locator("#detail-head")).to_contain_text("two-in-one")
    expect(page.locator("#bar")).to_contain_text("mix:two-in-one")
    page.get_by_role("tab", name="Library").click()
    row = page.locator("#library-mixes .library-row")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("mix:two-in-one on tiny-org/tiny-llama")
    row.get_by_role("button", name="Delete").click()
    row.get_by_role("button", name="Really delete?").click()
    expect(page.locator("#library-mixes")).to_contain_text("No mixes")


def mixed(client: Client, name: str) -> str:
    parts = [{"adapter": NARROW, "weight": 1}, {"adapter": WIDE, "weight": 1.5}]
    return client.submit(parts=parts, name=name, combination="svd", api_name="/mix").result(60)["adapter"]


def test_a_mix_answers_as_an_arm_beside_its_base_and_its_parts(app):
    """Each arm says what it says alone, and strength 0 of the mix is the base to the last bit."""
    client = Client(app.url, verbose=False)
    mix = mixed(client, "as-an-arm")
    greedy = {"prompt": "Hello", "precision": "fp32", "temperature": 0, "max_new_tokens": 12}
    arms = [{"adapter": ""}, {"adapter": NARROW}, {"adapter": mix}, {"adapter": mix, "strength": 0}]
    *_, last = client.submit(arms=arms, **greedy, api_name="/compare")
    assert all(one["done"] and not one["error"] and not one["takes_turns"] for one in last)
    base, part, whole, silent = (one["text"] for one in last)
    assert silent == base
    assert len({base, part, whole}) == 3
    for adapter, text in ((NARROW, part), (mix, whole)):
        assert client.submit(adapter=adapter, **greedy, api_name="/generate").result(60) == text
    alone = {"adapter": "", "base_model": "tiny-org/tiny-llama"}
    assert client.submit(**alone, **greedy, api_name="/generate").result(60) == base


def test_a_person_asks_base_adapter_and_mix_side_by_side(app, page: Page):
    mix = mixed(Client(app.url, verbose=False), "beside")
    page.goto(f"{app.url}?adapter={NARROW}&tab=generate")
    expect(page.locator("#arm-bar")).to_contain_text("2 arms", timeout=MINUTE)
    page.get_by_role("button", name="+ Add an arm").click()
    page.locator("#arm-menu").get_by_role("button", name=mix).click()
    expect(page.locator("#arm-bar")).to_contain_text("3 arms")
    expect(page.locator("#arm-head-3")).to_contain_text("beside")
    page.locator("#sampling").get_by_role("button").first.click()
    fill_in(page.locator("#temperature input[type=number]"), "0")
    fill_in(page.locator("#max-new-tokens input[type=number]"), "12")
    fill_in(page.locator("#question textarea"), "Hello")
    page.locator("#send").click()
    for column in (1, 2, 3):
        expect(page.locator(f"#stats-{column}")).to_contain_text("tok/s", timeout=2 * MINUTE)
    expect(page.locator("#send")).to_be_visible(timeout=MINUTE)
    said = [page.locator(f"#chat-{column} .bot.message").last.inner_text() for column in (1, 2, 3)]
    assert len(set(said)) == 3
    expect(page.locator("#stats-1 .takes-turns, #stats-3 .takes-turns")).to_have_count(0)
    expect(page.locator("#stats-3 .departs")).to_be_visible()
    assert f"{mix}~1" in page.evaluate("new URL(location.href).searchParams.get('arms')")

    page.reload()
    expect(page.locator("#arm-head-3")).to_contain_text("beside", timeout=MINUTE)
    expect(page.locator("#chat-3 .bot.message").last).to_have_text(said[2])
