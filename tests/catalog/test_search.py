"""Searching the Hub and this machine: requests, filters, pages, and what happens when the Hub fails."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest
from huggingface_hub import HfApi

from adapter_ui.domain import SearchQuery
from adapter_ui.errors import InvalidInput
from tests.catalog.folders import adapter_files, write_adapter
from tests.hub.catalogue import add_light_catalogue

BASE = "tiny-org/light-llama"


def refs(page) -> list[str]:
    return [str(row.ref) for row in page.adapters]


def all_pages(catalog, query: SearchQuery) -> list[list[str]]:
    pages = []
    while True:
        page = catalog.search(query)
        pages.append(refs(page))
        if page.next is None:
            return pages
        query = replace(query, cursor=page.next)


def card(**fields: str) -> str:
    return "---\n" + "".join(f"{name}: {value}\n" for name, value in fields.items()) + "---\n# Card\n"


@pytest.fixture
def many(server):
    add_light_catalogue(server, count=40)
    return server


def test_a_page_is_one_request_and_says_what_the_list_says(many, catalog):
    page = catalog.search(SearchQuery(sort="downloads", limit=10))
    assert len(many.requests) == 1
    assert len(page.adapters) == 10
    row = page.adapters[0]
    repository = many.repo(str(row.ref))
    assert (row.base_model, row.task_type, row.method) == (BASE, "CAUSAL_LM", "LORA")
    assert (row.downloads, row.likes, row.commit) == (repository.downloads, repository.likes, repository.sha)
    assert datetime.fromisoformat(row.updated).year == 2025
    assert row.size_bytes is None
    assert page.notice is None


def test_following_the_cursor_gives_every_adapter_once(many, catalog):
    pages = all_pages(catalog, SearchQuery(sort="downloads", limit=7))
    found = [ref for page in pages for ref in page]
    assert len(found) == len(set(found))
    assert all(len(page) <= 7 for page in pages)
    assert len(many.requests) == len(pages)
    truth = HfApi(endpoint=many.endpoint, token=False).list_models(filter="peft")
    assert set(found) == {info.id for info in truth}


@pytest.mark.parametrize(
    ("sort", "value"),
    [
        ("downloads", lambda repository: repository.downloads),
        ("likes", lambda repository: repository.likes),
        ("trending", lambda repository: repository.trending_score),
        ("updated", lambda repository: repository.modified_at),
        ("created", lambda repository: repository.created_at),
    ],
)
def test_every_sort_is_the_hubs(many, catalog, sort, value):
    found = [value(many.repo(ref)) for ref in refs(catalog.search(SearchQuery(sort=sort, limit=20)))]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) > 1


def test_text_and_base_are_filtered_by_the_hub(many, catalog):
    page = catalog.search(SearchQuery(text="poetry", base_model=BASE, limit=50))
    assert page.adapters
    assert all("poetry" in str(row.ref) and row.base_model == BASE for row in page.adapters)
    (request,) = many.requests
    assert parse_qs(request.query)["filter"] == ["peft", f"base_model:adapter:{BASE}"]


def test_a_base_that_is_a_path_at_home_is_left_out(many, catalog):
    (row,) = catalog.search(SearchQuery(text="trained-at-home")).adapters
    assert row.base_model is None


def test_a_rare_method_is_found_by_its_tag_and_the_notice_says_so(many, catalog):
    page = catalog.search(SearchQuery(method="IA3", limit=50))
    assert page.adapters
    assert {row.method for row in page.adapters} == {"IA3"}
    assert "ia3" in page.notice
    assert len(many.requests) == 1


def test_lora_keeps_rows_whose_method_is_not_known_yet(server, catalog):
    server.add_repo("a/untagged", adapter_files(card=card(library_name="peft")))
    server.add_repo("a/ia3", adapter_files(card=card(library_name="peft", tags="[ia3]")))
    server.add_repo("a/lora", adapter_files(card=card(library_name="peft", tags="[lora]")))
    page = catalog.search(SearchQuery(method="LORA"))
    assert set(refs(page)) == {"a/untagged", "a/lora"}
    assert page.notice


def test_a_task_is_asked_by_the_hubs_own_name_and_checked_by_pefts(server, catalog):
    classify = card(library_name="peft", pipeline_tag="text-classification")
    server.add_repo("a/right", adapter_files({"task_type": "SEQ_CLS"}, card=classify))
    server.add_repo("a/wrong", adapter_files({"task_type": "CAUSAL_LM"}, card=classify))
    server.add_repo("a/other", adapter_files({"task_type": "CAUSAL_LM"}, card=card(library_name="peft")))
    page = catalog.search(SearchQuery(task_type="SEQ_CLS"))
    assert refs(page) == ["a/right"]
    assert "text-classification" in page.notice


def test_pages_that_a_filter_empties_are_skipped_but_not_for_ever(server, catalog):
    for number in range(45):
        server.add_repo(
            f"a/other-{number:02}", adapter_files({"task_type": "SEQ_CLS"}), downloads=100 - number
        )
    server.add_repo("a/wanted", adapter_files(), downloads=1)
    query = SearchQuery(task_type="CAUSAL_LM", sort="downloads", limit=5)
    first = catalog.search(query)
    assert refs(first) == []
    assert first.next
    assert len(server.requests) == 4
    assert refs(catalog.search(replace(query, cursor=first.next))) == []
    pages = all_pages(catalog, query)
    assert [ref for page in pages for ref in page] == ["a/wanted"]


def test_this_machines_adapters_stand_before_the_hubs(many, catalog, settings, starter):
    write_adapter(starter / "pirate")
    write_adapter(settings.folder / "mine")
    page = catalog.search(SearchQuery(limit=5))
    assert refs(page)[:2] == ["starter:pirate", "folder:mine"]
    assert len(page.adapters) == 5
    following = catalog.search(SearchQuery(limit=5, cursor=page.next))
    assert not set(refs(page)) & set(refs(following))
    assert all(":" not in ref for ref in refs(following))


def test_a_long_library_has_pages_too(server, catalog, settings):
    server.add_repo("a/lora", adapter_files(card=card(library_name="peft")))
    for number in range(5):
        write_adapter(settings.folder / f"mine-{number}")
    pages = all_pages(catalog, SearchQuery(limit=2))
    assert [len(page) for page in pages] == [2, 2, 2]
    assert pages[2][1] == "a/lora"
    pages = all_pages(catalog, SearchQuery(limit=5))
    assert [len(page) for page in pages] == [5, 1]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (SearchQuery(source="starter"), ["starter:pirate"]),
        (SearchQuery(source="folder"), ["folder:classes"]),
        (SearchQuery(source="run"), []),
        (SearchQuery(source="hub"), []),
        (SearchQuery(text="PIRATE talk"), ["starter:pirate"]),
        (SearchQuery(text="pirate french"), []),
        (SearchQuery(base_model="tiny-org/base", source="starter"), ["starter:pirate"]),
        (SearchQuery(base_model="other/base", source="starter"), []),
        (SearchQuery(task_type="SEQ_CLS", source="folder"), ["folder:classes"]),
        (SearchQuery(task_type="SEQ_CLS", source="starter"), []),
        (SearchQuery(method="IA3", source="folder"), []),
    ],
)
def test_filters_hold_for_this_machine_as_well(server, catalog, settings, starter, query, found):
    write_adapter(starter / "pirate", card="# Pirate talk")
    write_adapter(settings.folder / "classes", config={"task_type": "SEQ_CLS"})
    page = catalog.search(query)
    assert refs(page) == found
    assert page.next is None
    if query.source not in ("", "hub"):
        assert len(server.requests) == 0


def test_a_silent_hub_leaves_this_machine_and_a_notice(server, catalog, starter):
    write_adapter(starter / "pirate")
    server.stop()
    page = catalog.search(SearchQuery())
    assert refs(page) == ["starter:pirate"]
    assert page.next is None
    assert "cannot be reached" in page.notice
    assert "on this machine" in page.notice
    page = catalog.search(SearchQuery(source="hub"))
    assert refs(page) == []
    assert "cannot be reached" in page.notice


def test_a_limited_hub_says_how_long(server, catalog):
    server.faults.inject("/api/models", status=429, reset_seconds=42)
    assert "42 seconds" in catalog.search(SearchQuery()).notice


@pytest.mark.parametrize(
    "row",
    [
        7,
        None,
        {},
        {"id": 7},
        {"id": "../../etc"},
        {"id": "a/b", "tags": "x", "config": [], "downloads": "many", "likes": -1, "sha": 5, "gated": None},
        {"id": "a/b", "tags": [1, None], "config": {"peft": {"base_model_name_or_path": 5, "task_type": []}}},
        {"id": "a/b", "config": {"peft": {"base_model_name_or_path": "/home/x", "task_type": "T" * 10_000}}},
    ],
)
def test_a_row_of_the_wrong_kind_breaks_no_page(server, catalog, row):
    server.faults.inject("/api/models", body=json.dumps([row, {"id": "good/row"}]))
    page = catalog.search(SearchQuery())
    assert refs(page)[-1] == "good/row"
    assert len(refs(page)) <= 2
    assert all(found.base_model is None and len(found.task_type or "") <= 200 for found in page.adapters)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        (SearchQuery(sort="best"), "sort"),
        (SearchQuery(source="moon"), "source"),
        (SearchQuery(task_type="COOKING"), "task"),
        (SearchQuery(method="MAGIC"), "method"),
        (SearchQuery(sort=["downloads"]), "sort"),  # type: ignore[arg-type]
        (SearchQuery(base_model="../x"), "base_model"),
        (SearchQuery(base_model="a/b&filter=x"), "base_model"),
        (SearchQuery(limit=0), "limit"),
        (SearchQuery(limit=1001), "limit"),
        (SearchQuery(cursor="x"), "cursor"),
        (SearchQuery(cursor="local:-1"), "cursor"),
        (SearchQuery(cursor="local:"), "cursor"),
        (SearchQuery(cursor="hub:" + "x" * 5000), "cursor"),
        (SearchQuery(cursor="hub:a\nb"), "cursor"),
    ],
)
def test_an_argument_that_cannot_be_is_named(server, catalog, query, field):
    with pytest.raises(InvalidInput) as raised:
        catalog.search(query)
    assert raised.value.field == field
    assert len(server.requests) == 0


def test_a_cursor_of_another_hub_is_a_notice_and_no_crash(many, catalog):
    page = catalog.search(SearchQuery(cursor="hub:no-such-cursor"))
    assert page.adapters == ()
    assert page.notice


def test_text_goes_to_the_hub_as_text(many, catalog):
    catalog.search(SearchQuery(text="a&filter=b?c=%00"))
    (request,) = many.requests
    assert parse_qs(request.query)["search"] == ["a&filter=b?c=%00"]


def test_recent_rows_keep_their_time(server, catalog):
    created = datetime(2025, 3, 1, tzinfo=UTC)
    server.add_repo(
        "a/b",
        adapter_files(card=card(library_name="peft")),
        created=created,
        last_modified=created + timedelta(days=2),
    )
    (row,) = catalog.search(SearchQuery()).adapters
    assert datetime.fromisoformat(row.updated) == created + timedelta(days=2)
