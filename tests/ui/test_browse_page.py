"""The Browse tab in a real browser, over the fake service: filter, sort, page, choose and share."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from adapter_ui.domain import SearchPage, SearchQuery
from tests.browser import choose, fill_in
from tests.ui.fake_data import ROWS
from tests.ui.fake_service import FakeService
from tests.ui.served import served

pytestmark = pytest.mark.slow
ROW = "#results tr[data-ref]"
WIDTHS = {"narrow": 390, "wide": 1440}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(0.04) as url:
        yield url


def open_page(page: Page, url: str) -> None:
    page.goto(url)
    expect(page.locator(ROW).first).to_be_attached()


def refs(page: Page) -> list[str]:
    return [row.get_attribute("data-ref") or "" for row in page.locator(ROW).all()]


def unfold(page: Page) -> None:
    page.get_by_role("button", name="More filters").click()
    expect(page.locator("#filter-author input")).to_be_visible()


def wait_until_read(page: Page) -> Locator:
    status = page.locator(".search-status")
    expect(status).to_have_attribute("data-reading", "false")
    return status


def test_details_arrive_while_the_rows_stay(page: Page, at_leisure: str) -> None:
    open_page(page, at_leisure)
    expect(page.locator(ROW)).to_have_count(30)
    expect(page.locator(".search-status")).to_contain_text("details of")
    wait_until_read(page)
    expect(page.locator("#results .awaited")).to_have_count(0)
    expect(page.locator("tr[data-ref='acme/roberta-entities'] td.rank")).to_have_text("32")


def test_a_new_search_ends_the_reading_for_the_old_one(page: Page, address: str) -> None:
    open_page(page, address)
    for word in ("coder", "tone", "haiku"):
        page.locator("#search textarea").fill(word)
        expect(page.locator("#results tr[data-ref*='starter']")).to_have_count(0)
    expect(page.locator(ROW)).to_have_count(5)
    wait_until_read(page)
    assert all("haiku" in ref for ref in refs(page))
    expect(page.locator("#results .awaited")).to_have_count(0)


def test_filters_narrow_show_as_chips_and_are_taken_away(page: Page, address: str) -> None:
    open_page(page, address)
    choose(page.locator("#filter-method"), "LoRA")
    unfold(page)
    fill_in(page.locator("#filter-min-rank input"), "16")
    page.locator("#filter-min-rank input").press("Enter")
    fill_in(page.locator("#filter-max-size input"), "10")
    page.locator("#filter-max-size input").press("Enter")
    expect(page).to_have_url(f"{address}/?method=LORA&min_rank=16&max_size=10")
    expect(page.locator(".fold .tally")).to_have_text("2")
    wait_until_read(page)
    ranks = [int(cell.inner_text()) for cell in page.locator("#results td.rank").all()]
    assert ranks and min(ranks) >= 16
    page.locator("#filter-bar").get_by_role("button", name="Take away: rank from 16").click()
    expect(page.locator("#filter-min-rank input")).to_have_value("")
    expect(page).to_have_url(f"{address}/?method=LORA&max_size=10")
    page.get_by_role("button", name="Clear filters").click()
    expect(page).to_have_url(f"{address}/")
    expect(page.locator(ROW)).to_have_count(30)


class SlowWithoutMethod(FakeService):
    """A search by rank alone takes long."""

    def search(self, query: SearchQuery) -> SearchPage:
        if query.min_rank and not query.method:
            time.sleep(3)
        return super().search(query)


def test_a_second_filter_taken_away_while_the_first_searches_counts_too(page: Page) -> None:
    with served(0.01, SlowWithoutMethod) as url:
        open_page(page, f"{url}/?method=LORA&min_rank=16")
        bar = page.locator("#filter-bar")
        bar.get_by_role("button", name="Take away: LoRA").click()
        expect(page).to_have_url(f"{url}/?min_rank=16")
        bar.get_by_role("button", name="Take away: rank from 16").click()
        expect(page).to_have_url(f"{url}/")
        page.wait_for_timeout(4_000)  # by now the search by rank is over
        expect(page.locator("#results tr[data-ref*='starter']").first).to_be_attached(timeout=5_000)
        expect(bar.get_by_role("button", name="Take away: rank from 16")).to_have_count(0, timeout=5_000)


def test_a_search_that_reads_on_can_be_stopped_and_gone_on_with(page: Page, at_leisure: str) -> None:
    open_page(page, f"{at_leisure}/?min_rank=64")
    status = page.locator(".search-status")
    expect(status).to_contain_text("still looking")
    status.get_by_role("button", name="Stop").click()
    expect(status).to_contain_text("stopped")
    status.get_by_role("button", name="Go on").click()
    wait_until_read(page)
    expect(status).not_to_contain_text("stopped")


def test_nothing_found_offers_the_filters_to_take_away(page: Page, address: str) -> None:
    page.goto(f"{address}/?q=entities&access=gated")
    expect(page.locator("#results .empty-title")).to_have_text("No adapter matches")
    page.locator("#results").get_by_role("button", name="Take away: gated only").click()
    expect(page.locator(ROW)).to_have_count(1)


def test_a_base_is_suggested_chosen_by_key_and_its_variants_count(page: Page, address: str) -> None:
    open_page(page, address)
    base = page.locator("#filter-base input")
    base.click()
    base.press_sequentially("qwe", delay=30)
    options = page.locator("#base-suggestions [role=option]")
    expect(options).to_have_count(1)
    base.press("n")
    base.press("ArrowDown")  # and then the list for the whole word is drawn
    expect(page.locator("#base-listbox")).to_have_attribute("data-text", "qwen")
    expect(options.first).to_have_attribute("aria-selected", "true")
    base.press("Enter")
    expect(base).to_have_value("Qwen/Qwen3-0.6B")
    expect(options.first).to_be_hidden()
    expect(page).to_have_url(f"{address}/?base=Qwen%2FQwen3-0.6B")
    before = page.locator(ROW).count()
    page.get_by_label("with its variants").check()
    expect(page.locator("tr[data-ref='fans/quantised-notes']")).to_be_attached()
    assert page.locator(ROW).count() == before + 1


def test_suggestions_for_less_text_that_come_last_do_not_stay(page: Page, address: str) -> None:
    open_page(page, address)
    base = page.locator("#filter-base input")
    with page.expect_request(lambda request: '"text":"l"' in (request.post_data or "")):
        base.fill("l")
    base.fill("llama-3.3-70b")
    options = page.locator("#base-suggestions [role=option]")
    expect(options).to_have_count(1)
    page.wait_for_timeout(2000)  # by now those for “l” have come
    expect(options).to_have_count(1)


def test_a_pasted_base_counts_without_a_suggestion(page: Page, address: str) -> None:
    open_page(page, address)
    page.locator("#filter-base input").fill("FacebookAI/roberta-base")
    page.locator("#filter-base input").press("Enter")
    expect(page).to_have_url(f"{address}/?base=FacebookAI%2Froberta-base")
    expect(page.locator("tr[data-ref^=starter]")).to_have_count(0)
    expect(page.locator("tr[data-ref='acme/roberta-entities']")).to_be_attached()


def test_headers_sort_by_mouse_and_by_key(page: Page, address: str) -> None:
    open_page(page, address)
    header = page.locator("th.downloads")
    header.get_by_role("button").click()
    expect(header).to_have_attribute("aria-sort", "descending")
    expect(page.locator(ROW).first).to_have_attribute("data-ref", "meta-fans/llama-3.1-8b-instruct-lora")
    expect(page).to_have_url(f"{address}/?sort=downloads")
    page.locator("th.likes button").focus()
    page.keyboard.press("Enter")
    expect(page.locator("th.likes")).to_have_attribute("aria-sort", "descending")
    expect(header).to_have_attribute("aria-sort", "none")
    expect(page.locator("#filter-sort input")).to_have_value("Most likes")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{address}/")
    expect(page.locator(ROW).first).to_have_attribute("data-ref", "starter:pirate")


def test_load_more_goes_on_by_the_cursor(page: Page, address: str) -> None:
    open_page(page, address)
    page.get_by_role("button", name="Load more").click()
    expect(page.locator(ROW)).to_have_count(len(ROWS))
    wait_until_read(page)
    assert refs(page) == [str(row.ref) for row in ROWS]
    expect(page.get_by_role("button", name="Load more")).to_have_count(0)


def test_a_shared_address_shows_the_same_rows_and_the_same_selection(
    page: Page, address: str, browser: Browser
) -> None:
    open_page(page, f"{address}/?base=Qwen%2FQwen3-0.6B&variants=1&sort=size&safetensors=1&max_size=9")
    wait_until_read(page)
    page.locator(ROW).nth(2).click()
    expect(page.locator("#detail-head h2")).to_be_visible()
    expect(page.locator("#bar [data-ref]")).to_have_attribute("data-ref", refs(page)[2])
    other = browser.new_page()
    open_page(other, page.url)
    wait_until_read(other)
    assert refs(other) == refs(page)
    expect(other.locator("tr[aria-selected=true]")).to_have_attribute("data-ref", refs(page)[2])
    expect(other.locator("#detail-head h2")).to_have_text(page.locator("#detail-head h2").inner_text())
    expect(other.locator("#filter-max-size input")).to_have_value("9")
    expect(other.locator("#filter-variants input")).to_be_checked()
    other.close()


def test_nonsense_in_an_address_is_left_out(page: Page, address: str) -> None:
    open_page(page, f"{address}/?sort=%3Cb%3E&method=NONE&min_rank=-4&max_size=huge&base=a%20b&access=x")
    expect(page.locator(ROW)).to_have_count(30)
    expect(page.locator(".filter-chip")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_overflows_with_all_filters_on_screen(
    page: Page, address: str, theme: str, width: str
) -> None:
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": WIDTHS[width], "height": 844})
    open_page(
        page,
        f"{address}/?base=Qwen%2FQwen3-0.6B&variants=1&method=LORA&min_rank=8&safetensors=1&author=team-1",
    )
    unfold(page)
    expect(page.locator("body")).to_have_class("dark" if theme == "dark" else "")
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]
    for field in page.locator("#filters .block, #more-filters .block, #filter-bar button").all():
        box = field.bounding_box()
        assert box is None or box["x"] + box["width"] <= WIDTHS[width]
