"""Tokens and lengths on the page: what is learned stands out, a stranger's text stays text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from playwright.sync_api import Page, expect

from adapter_ui.domain import LengthHistogram, Token, TokenPreview, TokenRow
from adapter_ui.ui.tabs.finetune import job_of
from adapter_ui.ui.tuning.data import SLOTS, Shown
from adapter_ui.ui.tuning.data_api import DataApi
from adapter_ui.ui.tuning.lengths import length_plot
from adapter_ui.ui.tuning.tokens import shown_tokens, token_preview
from tests.browser import fill_in
from tests.ui.fake_data import HOSTILE, SMOL
from tests.ui.fake_service import FakeService
from tests.ui.served import served

ROWS = "prompt,completion\nhello,arrr\nbye,farewell matey\n"


def shown(**recipe: Any) -> str:
    return str(shown_tokens(FakeService(), lambda values: ({"base_model": SMOL, **recipe}, values[0]), ROWS))


def test_learned_tokens_are_marked_and_white_space_is_drawn() -> None:
    row = TokenRow((Token("a\n", learned=False), Token(" b", learned=True, label="PER")), length=900)
    drawn = token_preview(TokenPreview((row,), limit=512))
    assert '<span class="token">a↵\n</span>' in drawn
    assert '<span class="token token-learned"> b<sub>PER</sub></span>' in drawn
    assert "900 tokens, cut at 512, the first 2 shown, 1 learned" in drawn


def test_a_strangers_tokens_stay_text() -> None:
    row = TokenRow((Token(HOSTILE, learned=True, label=HOSTILE),), length=1, label=HOSTILE)
    drawn = token_preview(TokenPreview((row,), limit=8)) + token_preview(TokenPreview(missing=HOSTILE))
    assert "<img" not in drawn
    assert "<script" not in drawn


def test_what_keeps_the_tokens_from_being_shown_is_said_in_their_place() -> None:
    assert "is not on this machine" in token_preview(TokenPreview(missing="a/b is not on this machine yet."))
    assert "lora_alpha" in shown(lora_alpha=-1)
    assert "token-learned" in shown()
    assert shown_tokens(FakeService(), lambda _: ({}, "")) == ""


@pytest.mark.parametrize(
    ("lengths", "said", "unsaid"),
    [
        (
            LengthHistogram(2, (3, 0, 1), limit=512, longest=6),
            "all fit into the limit of 512",
            "length-limit",
        ),
        (LengthHistogram(5, (3, 0, 1), limit=10, longest=80), "11 to 80 tokens: 1 row", "all fit"),
    ],
)
def test_the_limit_is_marked_where_rows_reach_it(lengths: LengthHistogram, said: str, unsaid: str) -> None:
    drawn = length_plot(lengths)
    assert said in drawn
    assert unsaid not in drawn
    assert drawn.count("<rect") == len(lengths.counts)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(pause=0.01) as url:
        yield url


@pytest.mark.slow
@pytest.mark.parametrize("width", [1440, 390])
def test_tokens_follow_the_rows_the_columns_and_the_base(page: Page, address: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{address}/?tab=finetune")
    expect(page.locator("#results tr[data-ref]").first).to_be_attached()
    expect(page.locator("#data-tokens")).to_be_hidden()
    page.locator("#data-example").click()
    expect(page.locator("#data-tokens .token-learned").nth(1)).to_be_visible()
    page.locator("#data-next").click()
    fill_in(page.locator("#recipe-base textarea"), "no hub id")
    page.locator("#recipe-base textarea").blur()
    page.get_by_role("tab", name="1 Data").click()
    expect(page.locator("#data-tokens")).to_contain_text("give a model's id on the Hub")
    expect(page.locator("#data-tokens .notice")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.slow
def test_a_dataset_of_the_hub_becomes_rows(page: Page, address: str) -> None:
    page.goto(f"{address}/?tab=finetune")
    expect(page.locator("#results tr[data-ref]").first).to_be_attached()
    page.get_by_text("or a dataset on the Hub").click()
    fill_in(page.locator("#hub-dataset textarea"), "org name")
    page.locator("#hub-fetch").click()
    expect(page.locator(".toast-body")).to_contain_text("is not a dataset on the Hub")
    fill_in(page.locator("#hub-dataset textarea"), "org/talk")
    page.locator("#hub-fetch").click()
    expect(page.locator("#data-preview")).to_contain_text("Where from?")
    expect(page.locator("#data-file")).to_contain_text("org--talk")
    expect(page.locator("#hub-status .notice")).to_be_visible()
    expect(page.locator("#data-tokens .token-learned").first).to_be_visible()


def test_the_api_gives_the_rows_of_a_dataset_as_a_file() -> None:
    assert "A dataset." in Path(DataApi(FakeService()).fetch_dataset("org/talk")).read_text()
    for arguments, sentence in (
        ({"dataset": "a b"}, "is not a dataset on the Hub"),
        ({"dataset": "org/talk", "split": 3}, "split must be a string"),
        ({"dataset": "org/talk", "revision": "../x"}, "is not a revision"),
    ):
        with pytest.raises(gr.Error) as caught:
            DataApi(FakeService()).fetch_dataset(**arguments)
        assert sentence in caught.value.message


@pytest.mark.slow
def test_the_tokens_beside_the_template_follow_it_and_what_is_learned(page: Page, address: str) -> None:
    page.goto(f"{address}/?tab=finetune")
    expect(page.locator("#results tr[data-ref]").first).to_be_attached()
    page.locator("#data-example").click()
    expect(page.locator("#data-tokens .token-learned").nth(1)).to_be_visible()
    page.locator("#data-next").click()
    page.locator("#recipe-wording > button").click()
    tokens = page.locator("#recipe-tokens")
    expect(tokens.locator(".token-text .token").first).not_to_have_class("token token-learned")
    page.locator("#recipe-completion-only-loss input").uncheck()
    expect(tokens.locator(".token-text .token").first).to_have_class("token token-learned")
    fill_in(page.locator("#recipe-prompt-template textarea"), "Sailor asks {prompt} {answer}")
    expect(tokens).to_contain_text("has a place {answer}, and a row has {system} and {prompt}")
    fill_in(page.locator("#recipe-prompt-template textarea"), "Sailor asks {prompt} {completion}")
    expect(tokens.locator(".token-text .token").first).to_contain_text("Sailor")
    page.get_by_role("tab", name="1 Data").click()
    page.get_by_role("radio", name="Plain text").check()
    page.get_by_role("tab", name="2 Recipe").click()
    expect(page.locator("#recipe-wording")).to_be_hidden()


def test_what_the_page_hides_is_not_in_the_recipe() -> None:
    names = ["base_model", "prompt_template", "completion_only_loss"]
    for form, columns, has in (("Prompt and answer", ("a", "b"), True), ("Plain text", ("a",), False)):
        chosen = (*columns, *[""] * (SLOTS - len(columns)))
        recipe, _ = job_of(names, ("x", None, form, Shown(), *chosen, SMOL, "{prompt}{completion}", False))
        assert ("prompt_template" in recipe and "completion_only_loss" in recipe) is has
