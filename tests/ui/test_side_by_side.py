"""Side by side on the page: what is drawn, what a stranger's text may not do, and what a person does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import gradio as gr
import pytest
from playwright.sync_api import Page, expect

from adapter_ui.catalog.comparison.side_by_side import side_by_side
from adapter_ui.domain import (
    AdapterProfile,
    AdapterRef,
    ComparedAdapter,
    Finding,
    Level,
    Precision,
    SideBySide,
)
from adapter_ui.ui.api import Api
from adapter_ui.ui.comparison.panel import LONGEST_REF, MOST_ASKED, Asked, compare
from adapter_ui.ui.comparison.text import as_markdown, config_text, layers_text
from adapter_ui.ui.comparison.view import comparison_view
from tests.ui.fake_data import HOSTILE, ROWS, profile_of
from tests.ui.fake_service import FakeService
from tests.ui.served import served
from tests.ui.test_markup import Elements

PIRATE, FORMAL, ENTITIES = "starter:pirate", "starter:formal", "acme/roberta-entities"


def compared(*profiles: AdapterProfile) -> SideBySide:
    return side_by_side([ComparedAdapter(one.ref, one) for one in profiles], Precision.BF16)


def hostile() -> SideBySide:
    one = profile_of(next(row for row in ROWS if row.title == HOSTILE))
    modules = (replace(one.modules[0], name=HOSTILE, kind=HOSTILE, parts=(HOSTILE,)),)
    config = {**one.config, HOSTILE: [HOSTILE], "target_modules": [HOSTILE, "q_proj"]}
    said = (Finding(Level.WARNING, "odd", HOSTILE),)
    evil = replace(
        one, config=config, modules=modules, findings=said, method=HOSTILE, dtype=HOSTILE, license=HOSTILE
    )
    gone = ComparedAdapter(AdapterRef.parse("evil/gone"), error=HOSTILE)
    plain = profile_of(ROWS[0])
    both = [ComparedAdapter(one.ref, one) for one in (evil, plain)]
    return side_by_side([*both, gone], Precision.BF16)


def test_hostile_text_makes_no_element_and_no_handler() -> None:
    elements = Elements(comparison_view(hostile()))
    assert not {"img", "script", "iframe", "form", "object"} & elements.tags
    assert not [attribute for attribute, _ in elements.attributes if attribute.startswith("on")]


def test_markdown_keeps_a_strangers_marks_as_text() -> None:
    marked = "[x](javascript:1) | ![y](https://evil.example/z) `a` <img src=x>\n# *b* \\"
    evil = replace(profile_of(ROWS[0]), dtype=marked)
    table = as_markdown(compared(evil, profile_of(ROWS[1])), 10)
    (line,) = (line for line in table.splitlines() if "javascript" in line)
    assert r"\[x\](javascript:1) \| \!\[y\](https://evil.example/z) \`a\` \<img src=x\> \# \*b\* \\" in line
    assert {line.replace(r"\|", "").count("|") for line in table.splitlines()} == {4}


@pytest.mark.parametrize(
    ("layers", "text"),
    [
        ((), ""),
        ((7,), "layer 7"),
        (tuple(range(32)), "layers 0 to 31"),
        ((0, 1, 2, 8, 10, 11), "layers 0 to 2, 8, 10 to 11"),
        (tuple(range(0, 40, 2)), "layers 0, 2, 4, 6, 8, 10 and 14 more ranges"),
    ],
)
def test_layers_read_as_ranges(layers: tuple[int, ...], text: str) -> None:
    assert layers_text(layers) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "null"), (True, "true"), (16.5, "16.5"), ("none", "none"), (["q", "v"], "q, v"), ([], "[]")],
)
def test_values_of_a_config_read_as_json_has_them(value: object, text: str) -> None:
    assert config_text(value) == text
    assert len(config_text([HOSTILE] * 1000)) <= 300


def test_null_is_told_from_not_set_and_what_not_all_have_is_bold() -> None:
    one, other = profile_of(ROWS[0]), profile_of(ROWS[1])
    lacking = {name: value for name, value in other.config.items() if name != "bias"}
    shown = comparison_view(
        compared(
            replace(one, config={**one.config, "bias": None, "target_modules": ["q_proj", "k_proj"]}),
            replace(other, config=lacking),
        )
    )
    (bias,) = (line for line in shown.split("</tr>") if "<code>bias</code>" in line)
    assert bias.index(">null<") < bias.index(">not set<")
    assert "<td><b>k_proj</b>, q_proj</td><td>q_proj, <b>v_proj</b></td>" in shown


def test_more_modules_than_a_page_holds_are_counted() -> None:
    one = profile_of(ROWS[0])
    many = tuple(replace(one.modules[0], name=f"odd{'x' * at}.q", layer=None) for at in range(250))
    shown = comparison_view(compared(replace(one, modules=many), profile_of(ROWS[1])))
    assert "and 52 more" in shown
    assert len(shown) < 400_000


def test_first_the_way_back_and_then_the_comparison() -> None:
    asked = Asked().again([PIRATE, "nobody/unreachable"])
    waiting, shown = compare(FakeService(), asked)
    assert 'data-action="side-close"' in waiting
    assert "The Hub cannot be reached; check the connection" in shown
    assert "nobody/unreachable could not be read." in shown
    assert list(compare(FakeService(), Asked())) == [""]


def test_one_adapter_is_no_comparison() -> None:
    steps = compare(FakeService(), Asked().again([PIRATE]))
    next(steps)
    with pytest.raises(gr.Error, match="2 to 4"):
        next(steps)


@pytest.mark.parametrize("sent", [None, "starter:pirate", {"a": 1}, [["x"] * 9] * 9, ["y" * 9999] * 9999])
def test_what_the_page_sends_is_bounded_before_it_is_kept(sent: object) -> None:
    asked = Asked(number=3).again(sent)
    assert asked.number == 4
    assert len(asked.refs) <= MOST_ASKED
    assert all(len(ref) <= LONGEST_REF for ref in asked.refs)


def test_the_endpoint_gives_values_by_name() -> None:
    found = Api(FakeService()).side_by_side([PIRATE, ENTITIES, "nobody/unreachable"])
    assert [one["error"] is None for one in found["adapters"]] == [True, True, False]
    assert found["one_base"]["possible"] is False
    rank = next(row for row in found["figures"] if row["name"] == "rank")
    assert rank["values"].keys() == {PIRATE, ENTITIES}
    assert {row["agreement"] for row in found["config"]} <= {"differs", "partly", "same"}
    changes = [group["changes"][PIRATE] for group in found["modules"] if PIRATE in group["changes"]]
    modules = profile_of(ROWS[0]).modules
    assert sum(change["parameters"] for change in changes) == sum(one.parameters for one in modules)


@pytest.mark.parametrize(
    "adapters", [None, "starter:pirate", [1, 2], [PIRATE], [PIRATE, PIRATE], [PIRATE, "//"]]
)
def test_the_endpoint_refuses_in_sentences_that_name_the_argument(adapters: object) -> None:
    with pytest.raises(gr.Error, match="adapters"):
        Api(FakeService()).side_by_side(adapters)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(0.02) as url:
        yield url


def open_page(page: Page, url: str) -> None:
    page.goto(url)
    expect(page.locator("#results tr[data-ref]").first).to_be_attached()


def press_c(page: Page, ref: str) -> None:
    row = page.locator(f"#results tr[data-ref='{ref}']")
    row.focus()
    row.press("c")


def expect_chosen(page: Page, *refs: str) -> None:
    expect(page.locator(".side-chip > span")).to_have_text(list(refs))


@pytest.mark.slow
def test_from_the_rows_to_the_comparison_and_back(page: Page, address: str) -> None:
    open_page(page, f"{address}/?adapter={ENTITIES}")
    press_c(page, PIRATE)
    expect(page.locator(".side-show")).to_be_disabled()
    page.locator("#detail [data-action='side-by-side']").click()
    expect_chosen(page, PIRATE, ENTITIES)
    page.locator(".side-show").click()
    expect(page.locator(".side-table thead th")).to_have_count(2)
    expect(page.locator(".side-back")).to_be_focused()
    expect(page.locator("#results")).to_be_hidden()
    expect(page.locator("#detail")).to_be_hidden()
    alike = page.locator(".side-table tr.side-same").first
    expect(alike).to_be_visible()
    page.get_by_label("Only differences").check()
    expect(alike).to_be_hidden()
    expect(page.locator(".side-table tr.side-differs").first).to_be_visible()
    page.get_by_role("button", name="Copy as Markdown").click()
    assert page.evaluate("navigator.clipboard.readText()").startswith(f"|  | {PIRATE} | {ENTITIES} |")
    page.keyboard.press("Escape")
    expect(page.locator("#results")).to_be_visible()
    expect(page.locator(".side-show")).to_be_focused()
    expect_chosen(page, PIRATE, ENTITIES)


@pytest.mark.slow
def test_a_shared_address_and_a_reload_show_the_same(page: Page, address: str) -> None:
    open_page(page, address)
    for ref in (PIRATE, FORMAL, ENTITIES):
        press_c(page, ref)
    page.locator(".side-show").click()
    expect(page.locator(".side-table thead th")).to_have_count(3)
    shared = page.url
    page.reload()
    expect(page.locator(".side-table thead th")).to_have_count(3)
    page.locator(".side-table [data-action='side-remove']").nth(1).click()
    expect(page.locator(".side-table thead th")).to_have_count(2)
    page.locator(".side-back").click()
    page.reload()
    expect(page.locator("#results tr[data-ref]").first).to_be_visible()
    expect_chosen(page, PIRATE, ENTITIES)
    page.goto(shared)
    expect(page.locator(".side-table thead th")).to_have_count(3)
    page.locator(".side-table [data-action='side-select']").nth(1).click()
    expect(page.locator("#bar")).to_contain_text(FORMAL)
    expect(page.locator("#results")).to_be_visible()


@pytest.mark.slow
def test_a_fifth_adapter_is_told_and_not_taken(page: Page, address: str) -> None:
    open_page(page, address)
    rows = page.locator("#results tr[data-ref]").evaluate_all("rows => rows.map((row) => row.dataset.ref)")
    for ref in rows[:5]:
        press_c(page, ref)
    expect(page.locator(".side-said")).to_have_text("Four adapters at most; remove one to add another.")
    expect_chosen(page, *rows[:4])
    press_c(page, rows[0])
    page.get_by_label(f"Remove {rows[1]} from the comparison").click()
    expect_chosen(page, *rows[2:4])
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#compare-tray")).to_be_hidden()
    expect(page).to_have_url(f"{address}/")


@pytest.mark.slow
def test_an_address_of_nonsense_stays_text_and_an_adapter_that_fails_keeps_its_column(
    page: Page, address: str
) -> None:
    nonsense = "%3Cimg%20src%3Dx%20onerror%3Dwindow.hacked%3D1%3E"
    open_page(page, f"{address}/?compare={nonsense},{PIRATE},nobody/unreachable")
    expect_chosen(page, PIRATE, "nobody/unreachable")
    page.locator(".side-show").click()
    expect(page.locator(".side-table th .notice")).to_contain_text("The Hub cannot be reached")
    assert page.evaluate("window.hacked") is None


@pytest.mark.slow
def test_a_slash_leaves_the_comparison_for_the_search(page: Page, address: str) -> None:
    open_page(page, f"{address}/?compare={PIRATE},{FORMAL}&view=side-by-side")
    expect(page.locator(".side-table")).to_be_visible()
    page.keyboard.press("/")
    expect(page.locator("#search textarea, #search input").first).to_be_focused()
    expect(page).to_have_url(f"{address}/?compare=starter%3Apirate%2Cstarter%3Aformal")


@pytest.mark.slow
def test_a_narrow_screen_scrolls_the_table_and_not_the_page(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/?compare={PIRATE},{FORMAL},{ENTITIES}&view=side-by-side")
    expect(page.locator(".side-table")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    scrolled = page.locator(".side-scroll").evaluate(
        "box => { box.scrollLeft = 200; return box.scrollLeft; }"
    )
    assert scrolled == 200
    first, box = (
        page.locator(place).bounding_box()
        for place in (".side-table tbody th[scope=row] >> nth=0", ".side-scroll")
    )
    assert abs(first["x"] - box["x"]) < 3
