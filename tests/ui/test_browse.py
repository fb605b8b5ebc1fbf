"""What the Browse tab's events do with a service, without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple

import gradio as gr
import pytest

from adapter_ui.domain import SearchPage, SearchQuery
from adapter_ui.errors import HubUnreachable
from adapter_ui.ui.browsing.base_field import suggestion_list
from adapter_ui.ui.browsing.filters import Filters
from adapter_ui.ui.browsing.results import Results, Search
from adapter_ui.ui.tabs import browse
from tests.ui.fake_data import HOSTILE, ROWS
from tests.ui.fake_service import FakeService

BAR, NOTICE, STATUS, TABLE, FOOT = range(5)
EVERYTHING = astuple(Filters())
UNCHANGED = [gr.skip()] * 5


class Event:
    def __init__(self, **data: object) -> None:
        self.__dict__.update(data)


def chosen(**filters: object) -> tuple:
    return astuple(Filters(**filters))


def refs(results: Results) -> list[str]:
    return [str(row.ref) for row in results.shown]


def drawn(reading: Iterator[list]) -> list[list]:
    """What a reading shows; it begins and ends with items that change nothing."""
    items = list(reading)
    assert items[-1] == UNCHANGED
    return [item for item in items if item != UNCHANGED]


def test_a_search_shows_rows_at_once_and_fills_them_after() -> None:
    service, results = FakeService(), Results()
    found = browse.search(service, results, *EVERYTHING)
    assert found[TABLE].count("data-ref=") == 30
    assert "awaited" in found[TABLE]
    assert "details of 0 of 30 read" in found[STATUS]
    assert (found[NOTICE], found[FOOT]) == ("", "")
    *_, last = drawn(browse.read_on(service, results))
    assert "awaited" not in last[TABLE]
    assert "30 adapters · more can be loaded" in last[STATUS]
    assert "Load more" in last[FOOT]


def test_the_same_search_is_not_made_twice_but_can_be_tried_again() -> None:
    service, results = FakeService(), Results()
    browse.search(service, results, *EVERYTHING)
    assert browse.search(service, results, *EVERYTHING) == UNCHANGED
    assert browse.search_again(service, results, *EVERYTHING) != UNCHANGED


def test_filling_stops_when_another_search_begins() -> None:
    service, results = FakeService(pause=0.02), Results()
    browse.search(service, results, *EVERYTHING)
    filling = browse.read_on(service, results)
    assert next(filling) == UNCHANGED
    next(filling)
    browse.search(service, results, *chosen(text="pirate"))
    assert drawn(filling) == []
    assert refs(results) == ["starter:pirate"]


def test_the_iterator_is_closed_when_it_is_not_needed_any_more() -> None:
    service, results = FakeService(pause=0.02), Results()
    browse.search(service, results, *EVERYTHING)
    filling = browse.read_on(service, results)
    next(filling)
    assert "awaited" in next(filling)[TABLE]
    results.begin(Search(Filters(text="other")))
    assert drawn(filling) == []
    assert service.closed_streams == 1


def test_more_rows_go_under_the_ones_before() -> None:
    service, results = FakeService(), Results()
    browse.search(service, results, *EVERYTHING)
    assert drawn(browse.read_on(service, results))
    browse.search_more(service, results)
    *_, last = drawn(browse.read_on(service, results))
    assert refs(results) == [str(row.ref) for row in ROWS]
    assert last[FOOT] == ""
    assert browse.search_more(service, results) == UNCHANGED


def test_a_search_by_what_files_tell_shows_only_what_fits_and_reads_on() -> None:
    service, results = FakeService(), Results()
    values = chosen(method="LORA", min_rank="16", safetensors=True)
    first = browse.search(service, results, *values)
    assert "Nothing fits so far" in first[TABLE]
    assert "0 adapters so far · still looking, 30 being read" in first[STATUS]
    seen = 0
    for _ in browse.read_on(service, results):
        assert len(results.shown) >= seen
        seen = len(results.shown)
    assert seen > 0
    assert all(row.method == "LORA" and row.rank >= 16 for row in results.shown)


def test_stopping_keeps_what_was_found_and_going_on_finds_the_rest() -> None:
    service, results = FakeService(pause=0.02), Results()
    values = chosen(min_rank="64")
    browse.search(service, results, *values)
    filling = browse.read_on(service, results)
    next(filling), next(filling)
    stopped = browse.stop(results)
    assert "Go on" in stopped[STATUS]
    (again,) = drawn(filling)  # an older one may come after the stop
    assert again[STATUS] == stopped[STATUS]
    browse.resume(results)
    *_, last = drawn(browse.read_on(service, results))
    assert "data-ref=" in last[TABLE]


def test_an_unreachable_hub_is_a_notice_with_a_retry_and_the_local_rows() -> None:
    found = browse.search(FakeService(unreachable=True), Results(), *EVERYTHING)
    assert found[TABLE].count("data-ref=") == 2
    assert "Retry" in found[NOTICE]
    assert "cannot be reached" in found[NOTICE]


def test_no_match_says_what_to_take_away() -> None:
    service = FakeService()
    found = browse.search(service, Results(), *chosen(text="zzz"))
    assert "Use fewer words" in found[TABLE]
    found = browse.search(service, Results(), *chosen(text="zzz", base_model="a/b", access="gated"))
    assert 'data-value="base_model"' in found[TABLE]
    assert 'data-value="access"' in found[TABLE]


class FailingService(FakeService):
    def fill(self, query: SearchQuery, page: SearchPage) -> Iterator[SearchPage]:
        yield page
        raise HubUnreachable("The Hub cannot be reached; check the connection and try again.")


def test_a_reading_that_fails_is_told_and_can_be_gone_on_with() -> None:
    service, results = FailingService(), Results()
    browse.search(service, results, *EVERYTHING)
    with pytest.raises(gr.Error, match="cannot be reached"):
        list(browse.read_on(service, results))
    assert "Go on" in browse.shown(results)[STATUS]
    results.resume()
    assert results.claim()


def test_a_bad_figure_is_an_error_for_the_user_and_keeps_the_rows() -> None:
    service, results = FakeService(), Results()
    browse.search(service, results, *EVERYTHING)
    with pytest.raises(gr.Error, match="no rank"):
        browse.search(service, results, *chosen(min_rank="many"))
    assert len(results.shown) == 30


@pytest.mark.parametrize(
    "wrong", [{"base_model": "no base"}, {"author": "a/b"}, {"min_rank": "9", "max_rank": "8"}]
)
def test_a_search_that_cannot_be_ends_no_reading_and_is_refused_each_time(wrong: dict[str, str]) -> None:
    service, results = FakeService(pause=0.02), Results()
    browse.search(service, results, *EVERYTHING)
    reading = browse.read_on(service, results)
    next(reading)
    for _ in range(2):
        with pytest.raises(gr.Error):
            browse.search(service, results, *chosen(**wrong))
    *_, last = drawn(reading)
    assert "awaited" not in last[TABLE]
    assert len(results.shown) == 30


def test_a_header_or_a_chip_changes_only_its_fields() -> None:
    values = chosen(min_rank="8", method="LORA")
    by_size = browse.act(Event(name="sort", value="size"), *values)
    assert [value for value in by_size if value != gr.skip()] == ["size"]
    cleared = browse.act(Event(name="clear", value="method"), *values)
    assert [value for value in cleared if value != gr.skip()] == [""]
    with pytest.raises(gr.Error):
        browse.act(Event(name="sort", value="<b>"), *values)


def test_the_sorted_column_says_so() -> None:
    found = browse.search(FakeService(), Results(), *chosen(sort="downloads"))
    assert found[TABLE].count('aria-sort="descending"') == 1
    assert found[TABLE].count('aria-sort="none"') == 4


def test_suggestions_say_how_many_adapters_there_are_and_stay_text() -> None:
    service = FakeService()
    assert "17 adapters" in suggestion_list("smol", service.suggest_bases("smol"))
    hostile = [type(one)(HOSTILE, 1) for one in service.suggest_bases("")[:1]]
    assert "<img" not in suggestion_list(HOSTILE, hostile)
