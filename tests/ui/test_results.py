"""The results on screen: what comes late is refused, and no row has to go away again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapter_ui.domain import SearchPage, SearchQuery
from adapter_ui.ui.browsing.filters import Filters
from adapter_ui.ui.browsing.results import Results, Search, undecided
from adapter_ui.ui.browsing.search_status import search_status
from tests.ui.fake_data import ROWS


def read(row, **known):
    return replace(row, complete=True, **known)


def shown(rows, following: str | None = None) -> Results:
    results = Results()
    results.accept(results.begin(Search()), SearchPage(tuple(rows), following))
    return results


def test_results_of_an_old_search_are_refused() -> None:
    results = Results()
    old = results.begin(Search())
    new = results.begin(Search(Filters(text="new")))
    assert not results.accept(old, SearchPage(ROWS[:2]))
    assert results.accept(new, SearchPage(ROWS[2:4]))
    assert not results.update(old, SearchPage(ROWS[:1]))
    assert not results.finish(old)
    assert results.shown == list(ROWS[2:4])


def test_details_are_read_by_one_reader_only() -> None:
    results = shown(ROWS[:2])
    assert [results.claim(), results.claim()] == [True, False]
    assert results.finish(results.number)
    assert not results.claim()


def test_nothing_is_read_of_a_page_that_is_complete() -> None:
    assert not shown([read(ROWS[0])]).claim()
    assert shown([read(ROWS[0])], following="more").claim()


def test_a_further_page_keeps_the_rows_and_repeats_none() -> None:
    results = shown([read(ROWS[0], rank=8), read(ROWS[1])], following="2")
    number = results.begin(replace(results.search, cursor="2"))
    results.accept(number, SearchPage(ROWS[1:4]))
    assert [row.ref for row in results.shown] == [row.ref for row in ROWS[:4]]
    assert results.shown[0].rank == 8
    results.update(number, SearchPage((read(ROWS[3]),)))
    assert [row.ref for row in results.shown] == [ROWS[0].ref, ROWS[1].ref, ROWS[3].ref]
    assert results.answers(Filters())


@pytest.mark.parametrize(
    "query",
    [
        SearchQuery(method="LORA"), SearchQuery(min_rank=0), SearchQuery(max_rank=8), SearchQuery(min_size=1),
        SearchQuery(max_size=1), SearchQuery(safetensors=True), SearchQuery(license="mit"),
    ],
)  # fmt: skip
def test_rows_that_only_their_files_decide_wait_until_they_are_read(query: SearchQuery) -> None:
    row = replace(ROWS[0], license=None)
    assert undecided(row, query)
    assert not undecided(read(row), query)
    assert not undecided(row, SearchQuery(text="pirate", base_model="x", author="y"))


def test_reading_can_be_stopped_and_gone_on_with() -> None:
    results = shown(ROWS[:2])
    number = results.number
    assert results.claim()
    results.stop()
    assert not results.update(number, SearchPage(()))
    assert "Go on" in search_status(results)
    results.resume()
    assert results.claim()
    results.finish(results.number)
    results.stop()
    assert "Go on" not in search_status(results)


def test_a_failed_search_keeps_the_rows_and_is_not_asked_twice() -> None:
    results = shown(ROWS[:2])
    results.begin(Search(Filters(author="nobody")))
    assert results.shown == list(ROWS[:2])
    assert results.answers(Filters(author="nobody"))


def test_a_finished_run_that_the_rows_do_not_know_is_missed() -> None:
    results = shown(ROWS[:2])
    assert results.lacks_run("run:abc")
    assert not results.lacks_run("starter:other")
