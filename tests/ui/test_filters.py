"""The filters as values: what makes a query, what an address may carry, what is taken away."""

from __future__ import annotations

from dataclasses import astuple, fields

import pytest

from adapter_ui.catalog.hub.rows import SORTS as HUB_SORTS
from adapter_ui.domain import SearchQuery
from adapter_ui.errors import InvalidInput
from adapter_ui.ui.browsing.filter_form import method_choices
from adapter_ui.ui.browsing.filters import ADDRESS_NAMES, CHIPS, FIELDS, SORTS, Filters
from adapter_ui.ui.browsing.search_status import filter_bar

FULL = {
    "q": "sql coder",
    "base": "Qwen/Qwen3-0.6B",
    "variants": "1",
    "author": "team-1",
    "task": "CAUSAL_LM",
    "method": "LORA",
    "min_rank": "8",
    "max_rank": "64",
    "min_size": "500 kB",
    "max_size": "1.5 GB",
    "license": "apache-2.0",
    "access": "open",
    "safetensors": "1",
    "source": "hub",
    "sort": "size",
}


def test_an_address_carries_the_whole_query() -> None:
    assert Filters.from_address(FULL).query() == SearchQuery(
        text="sql coder",
        base_model="Qwen/Qwen3-0.6B",
        variants=True,
        author="team-1",
        task_type="CAUSAL_LM",
        method="LORA",
        min_rank=8,
        max_rank=64,
        min_size=500_000,
        max_size=1_500_000_000,
        license="apache-2.0",
        access="open",
        safetensors=True,
        source="hub",
        sort="size",
    )
    assert {ADDRESS_NAMES.get(name, name) for name in FIELDS} == FULL.keys()


def test_every_filter_of_a_query_has_a_field() -> None:
    assert {one.name for one in fields(SearchQuery)} - {"limit", "cursor"} == FIELDS.keys()


@pytest.mark.parametrize("name", sorted(FULL.keys() - {"q"}))
@pytest.mark.parametrize("nonsense", ["<script>", "-1", "1,5", "a b", "é", "..", "x" * 500, " "])
def test_nonsense_in_an_address_is_left_out(name: str, nonsense: str) -> None:
    assert Filters.from_address({name: nonsense}) == Filters()


def test_text_in_an_address_is_bounded() -> None:
    assert len(Filters.from_address({"q": "x" * 5000}).text) == 200


@pytest.mark.parametrize(
    ("field", "typed"),
    [("min_rank", "abc"), ("max_rank", "1.5"), ("min_rank", "-3"), ("min_size", "big"), ("max_size", "1 TB")],
)
def test_what_is_no_figure_is_refused_by_name(field: str, typed: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Filters(**{field: typed}).query()
    assert caught.value.field == field
    assert typed in caught.value.message


@pytest.mark.parametrize(
    ("typed", "size"),
    [("10", 10_000_000), (" 0.5 ", 500_000), ("800 kB", 800_000), ("2gb", 2_000_000_000), ("", None)],
)
def test_a_size_without_a_unit_is_in_megabytes(typed: str, size: int | None) -> None:
    assert Filters(max_size=typed).query().max_size == size


def test_variants_count_only_beside_a_base() -> None:
    assert not Filters(variants=True).query().variants
    assert Filters(variants=True).active == ()
    assert Filters(variants=True, base_model="Qwen/Qwen3-0.6B").active == ("base_model",)


def test_a_chip_takes_all_of_its_fields_away_and_text_and_order_stay() -> None:
    filters = Filters.from_address(FULL)
    assert filters.active == tuple(CHIPS)
    assert filters.without("rank") == Filters.from_address({**FULL, "min_rank": "", "max_rank": ""})
    assert filters.without("") == Filters(text="sql coder", sort="size")
    with pytest.raises(InvalidInput):
        filters.without("sort")


def test_a_second_click_on_a_header_goes_back_to_trending() -> None:
    assert Filters().sorted_by("size").sort == "size"
    assert Filters(sort="size").sorted_by("size") == Filters()
    with pytest.raises(InvalidInput):
        Filters().sorted_by("<script>")


def test_emptied_fields_are_their_defaults() -> None:
    assert Filters.of([None] * len(FIELDS)) == Filters()
    assert Filters.of(astuple(Filters(method="LORA"))) == Filters(method="LORA")


def test_the_orders_are_those_of_the_search() -> None:
    assert set(SORTS) == set(HUB_SORTS)


def test_every_method_can_be_chosen_and_the_common_ones_come_first() -> None:
    names = list(method_choices())
    assert names[:3] == ["LORA", "IA3", "ADALORA"]
    assert len(names) == len(set(names)) > 40


def test_the_bar_counts_what_is_folded_and_escapes_what_was_typed() -> None:
    bar = filter_bar(Filters(method="LORA", author="<b>me</b>", min_size="10", max_size="1 GB"))
    assert '<b class="tally">2</b>' in bar
    assert "by &lt;b&gt;me&lt;/b&gt;" in bar
    assert "size 10 MB to 1 GB" in bar
    assert "tally" not in filter_bar(Filters(method="LORA"))
    assert "Clear" not in filter_bar(Filters(text="words"))
