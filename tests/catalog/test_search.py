"""Searching the Hub, the index and this machine: filters and sorts held to the files, pages, failures."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import parse_qs

import pytest

from adapter_ui.catalog.catalog import Catalog
from adapter_ui.catalog.search import filling
from adapter_ui.domain import AdapterSummary, SearchPage, SearchQuery
from adapter_ui.errors import InvalidInput
from tests.catalog.folders import adapter_files, lora_tensors, write_adapter
from tests.catalog.varied import BASE, FINETUNE, QUANTIZED, Truth, add_adapter, add_varied_adapters, truths
from tests.hub import LoopbackHub
from tests.hub.catalogue import add_light_catalogue

MOST_PAGES = 40
SORTS = {
    "trending": lambda truth: truth.repository.trending_score,
    "downloads": lambda truth: truth.repository.downloads,
    "likes": lambda truth: truth.repository.likes,
    "updated": lambda truth: truth.repository.modified_at,
    "created": lambda truth: truth.repository.created_at,
    "size": lambda truth: truth.size or -1,
    "rank": lambda truth: truth.rank or -1,
}
FILTERS = {
    "everything": (SearchQuery(), lambda one: True),
    "text": (SearchQuery(text="Adapter SQL"), lambda one: "sql" in one.name and "adapter" in one.name),
    "base": (SearchQuery(base_model=BASE), lambda one: one.base == BASE),
    "variants": (
        SearchQuery(base_model=BASE, variants=True),
        lambda one: one.base in (BASE, FINETUNE, QUANTIZED),
    ),
    "author": (SearchQuery(author="tasks"), lambda one: one.repository.owner == "tasks"),
    "common task": (SearchQuery(task_type="CAUSAL_LM"), lambda one: one.task == "CAUSAL_LM"),
    "rare task": (SearchQuery(task_type="SEQ_CLS"), lambda one: one.task == "SEQ_CLS"),
    "common method": (SearchQuery(method="LORA"), lambda one: one.method == "LORA"),
    "rare method": (SearchQuery(method="IA3"), lambda one: one.method == "IA3"),
    "rank": (SearchQuery(min_rank=8, max_rank=24), lambda one: 8 <= (one.rank or 0) <= 24),
    "high rank": (SearchQuery(min_rank=32), lambda one: (one.rank or 0) >= 32),
    "size": (SearchQuery(min_size=2_000, max_size=9_000), lambda one: 2_000 <= (one.size or 0) <= 9_000),
    "license": (SearchQuery(license="MIT"), lambda one: one.license == "mit"),
    "gated": (SearchQuery(access="gated"), lambda one: one.gated),
    "open": (SearchQuery(access="open"), lambda one: not one.gated),
    "safetensors": (SearchQuery(safetensors=True), lambda one: one.safetensors),
    "several": (
        SearchQuery(
            text="adapter",
            base_model=BASE,
            task_type="CAUSAL_LM",
            method="LORA",
            min_rank=4,
            max_size=30_000,
            license="mit",
            access="open",
            safetensors=True,
        ),
        lambda one: (
            "adapter" in one.name
            and (one.base, one.task, one.method, one.license) == (BASE, "CAUSAL_LM", "LORA", "mit")
            and one.rank >= 4
            and one.size <= 30_000
        ),
    ),
}


def refs(page: SearchPage) -> list[str]:
    return [str(row.ref) for row in page.adapters]


def filled(catalog: Catalog, query: SearchQuery) -> SearchPage:
    first = catalog.search(query)
    *_, last = (first, *catalog.fill(query, first))
    return last


def all_pages(catalog: Catalog, query: SearchQuery) -> list[SearchPage]:
    pages = [filled(catalog, query)]
    while pages[-1].next is not None:
        assert len(pages) < MOST_PAGES
        pages.append(filled(catalog, replace(query, cursor=pages[-1].next)))
    return pages


def all_rows(catalog: Catalog, query: SearchQuery) -> list[AdapterSummary]:
    return [row for page in all_pages(catalog, query) for row in page.adapters]


@pytest.fixture(scope="module")
def varied():
    """One Hub for all that only read it."""
    with LoopbackHub() as hub:
        add_varied_adapters(hub)
        yield hub


@pytest.fixture(scope="module")
def truth(varied) -> dict[str, Truth]:
    names = [one for one in varied.ids() if "adapter_config.json" in varied.repo(one).head.files]
    return truths(varied, names)


@pytest.fixture
def varied_catalog(varied, settings):
    varied.faults.clear()
    varied.requests.clear()
    catalog = Catalog(replace(settings, hub_endpoint=varied.endpoint))
    yield catalog
    catalog.close()


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_gives_what_the_files_say(varied_catalog, truth, name):
    query, wanted = FILTERS[name]
    expected = {ref for ref, one in truth.items() if wanted(one)}
    assert len(expected) > 0
    for limit in (100, 7):
        rows = all_rows(varied_catalog, replace(query, sort="downloads", limit=limit))
        assert sorted(str(row.ref) for row in rows) == sorted(expected)
        assert all(row.complete for row in rows)


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_holds_with_a_sort_that_only_files_tell(varied_catalog, truth, name):
    query, wanted = FILTERS[name]
    rows = all_rows(varied_catalog, replace(query, sort="size", limit=40))
    assert sorted(str(row.ref) for row in rows) == sorted(ref for ref, one in truth.items() if wanted(one))


@pytest.mark.parametrize("sort", SORTS)
def test_every_sort_orders_by_the_files_and_counts(varied_catalog, truth, sort):
    rows = all_rows(varied_catalog, SearchQuery(sort=sort, limit=50))
    values = [SORTS[sort](truth[str(row.ref)]) for row in rows]
    assert values == sorted(values, reverse=True)
    assert len(values) == len(truth)
    assert len(set(values)) > 3


def test_details_are_those_of_the_files(varied_catalog, truth):
    for row in all_rows(varied_catalog, SearchQuery(limit=100)):
        one = truth[str(row.ref)]
        found = (row.rank, row.parameters, row.size_bytes, row.safetensors, row.license, row.base_model)
        assert found == (one.rank, one.parameters, one.size, one.safetensors, one.license, one.base), row.ref
        assert row.base_size_bytes == 512 * 64 * 4
        assert one.gated or (row.method, row.task_type) == (one.method, one.task)


def test_the_base_comes_before_its_variants(varied_catalog):
    rows = all_rows(varied_catalog, SearchQuery(base_model=BASE, variants=True, sort="downloads", limit=9))
    bases = [row.base_model for row in rows]
    assert bases == sorted(bases, key=[BASE, QUANTIZED, FINETUNE].index)


def test_variants_are_looked_up_once(varied, varied_catalog):
    query = SearchQuery(base_model=BASE, variants=True, limit=5)
    varied_catalog.search(query)
    assert len(varied.requests) == 3
    varied_catalog.search(query)
    assert len(varied.requests) == 4


def test_a_search_is_one_request_and_says_what_the_list_says(varied, varied_catalog, truth):
    page = varied_catalog.search(SearchQuery(sort="downloads", limit=10))
    assert len(varied.requests) == 1
    assert len(page.adapters) == 10
    for row in page.adapters:
        repository = truth[str(row.ref)].repository
        assert (row.downloads, row.likes, row.commit) == (
            repository.downloads,
            repository.likes,
            repository.sha,
        )
        assert (row.trending, row.gated) == (repository.trending_score, bool(repository.gated))
        assert not row.complete
        assert row.size_bytes is None
    assert page.notice is None


def test_what_the_hub_can_filter_is_asked_of_the_hub(varied, varied_catalog):
    query = SearchQuery(
        text=" a&filter=b ", base_model=BASE, author="ada", license="mit", access="open", safetensors=True
    )
    varied_catalog.search(query)
    (request,) = varied.requests
    asked = parse_qs(request.query)
    assert asked["filter"] == ["peft", f"base_model:adapter:{BASE}", "license:mit", "safetensors"]
    assert (asked["search"], asked["author"], asked["gated"]) == (["a&filter=b"], ["ada"], ["false"])


def test_only_rows_known_to_fit_are_shown_at_first(varied, varied_catalog):
    query = SearchQuery(method="LORA", sort="downloads", limit=5)
    assert varied_catalog.search(query).adapters == ()
    growing = list(varied_catalog.fill(query, varied_catalog.search(query)))
    assert [len(page.adapters) for page in growing] == sorted(len(page.adapters) for page in growing)
    varied.requests.clear()
    again = varied_catalog.search(query)
    assert (again.adapters, again.next) == (growing[-1].adapters, growing[-1].next)
    assert len(varied.requests) == 1


def test_a_second_view_makes_one_request_and_so_does_a_restart(varied, varied_catalog, settings):
    query = SearchQuery(sort="downloads", limit=40)
    first = filled(varied_catalog, query)
    varied.requests.clear()
    assert filled(varied_catalog, query) == first
    assert len(varied.requests) == 1
    varied_catalog.close()
    again = Catalog(replace(settings, hub_endpoint=varied.endpoint))
    assert filled(again, query) == first
    assert len(varied.requests) == 2
    again.close()


def test_a_new_commit_is_read_anew(server, catalog):
    add_adapter(server, "a/b", {}, number=1)
    assert filled(catalog, SearchQuery()).adapters[0].rank == 2
    config = json.loads(adapter_files()["adapter_config.json"])
    server.repo("a/b").commit({"adapter_config.json": json.dumps(config | {"peft_type": "LOHA", "r": 5})})
    (row,) = catalog.search(SearchQuery()).adapters
    assert (row.method, row.complete) == (None, False)
    assert filled(catalog, SearchQuery()).adapters[0].method == "LOHA"


def test_pages_stay_whole_while_adapters_come_and_go(server, catalog):
    for number in range(30):
        add_adapter(server, f"a/n{number:02}", {"r": 2}, number=number)
    query = SearchQuery(method="LORA", sort="downloads", limit=7)
    page = filled(catalog, query)
    seen = refs(page)
    add_adapter(server, "b/new-on-top", {}, number=90)
    server.remove_repo(seen[-1])
    server.remove_repo(seen[0])
    while page.next:
        page = filled(catalog, replace(query, cursor=page.next))
        seen += refs(page)
    assert seen == [f"a/n{number:02}" for number in reversed(range(30))]


def test_enough_is_enough_and_more_is_a_page_away(server, catalog, monkeypatch):
    monkeypatch.setattr(filling, "LIST_ROWS", 4)
    monkeypatch.setattr(filling, "MOST_EXAMINED", 8)
    for number in range(20):
        add_adapter(server, f"a/other-{number:02}", {"r": 2}, number=20 - number)
    add_adapter(server, "a/wanted", {"r": 8}, number=0)
    query = SearchQuery(method="IA3", sort="downloads", limit=5)
    assert filled(catalog, query).next
    pages = all_pages(catalog, SearchQuery(min_size=10**9, sort="downloads", limit=5))
    assert [len(page.adapters) for page in pages] == [0, 0, 0]
    assert pages[0].notice == "8 adapters of the Hub were looked at; load more to look further."
    assert pages[-1].notice is None


def test_a_sort_by_size_says_among_how_many_and_reads_further(server, catalog, monkeypatch):
    monkeypatch.setattr("adapter_ui.catalog.search.by_index.MOST_EXAMINED", 100)
    for number in range(130):
        add_adapter(server, f"a/n{number:03}", {"r": 1}, number=number, pickle=True)
    query = SearchQuery(sort="size", limit=30)
    assert catalog.search(query).adapters == ()
    assert len(server.requests) == 0
    page = filled(catalog, query)
    assert len(page.adapters) == 30
    read = "Sorted by size among the {} adapters whose files were read so far{}."
    assert page.notice == read.format(100, "; load more to read further")
    further = filled(catalog, replace(query, cursor=page.next))
    assert further.notice == read.format(130, "")
    rows = [*page.adapters, *further.adapters]
    assert len({row.ref for row in rows}) == len(rows) == 60


def test_closing_stops_the_work(server, catalog):
    add_light_catalogue(server, count=60)
    server.faults.latency = 0.05
    query = SearchQuery(sort="downloads", limit=60)
    filling_page = catalog.fill(query, catalog.search(query))
    next(filling_page)
    filling_page.close()
    asked = {record.path.split("/resolve/")[0] for record in server.requests if "/resolve/" in record.path}
    assert len(asked) < 50


def test_what_arrived_before_closing_is_kept(server, catalog):
    add_light_catalogue(server, count=20)
    query = SearchQuery(text="-adapter-", sort="downloads", limit=20)
    filling_page = catalog.fill(query, catalog.search(query))
    next(page for page in filling_page if any(row.complete for row in page.adapters))
    filling_page.close()
    assert any(row.complete for row in catalog.search(query).adapters)


# ---- this machine


def test_this_machines_adapters_stand_before_the_hubs(server, catalog, settings, starter):
    add_light_catalogue(server, count=20)
    write_adapter(starter / "pirate")
    write_adapter(settings.folder / "mine")
    pages = all_pages(catalog, SearchQuery(limit=5, sort="downloads"))
    assert refs(pages[0])[:2] == ["starter:pirate", "folder:mine"]
    found = [ref for page in pages for ref in refs(page)]
    assert len(found) == len(set(found))
    assert all(len(page.adapters) <= 5 for page in pages)


def test_a_long_library_has_pages_too(server, catalog, settings):
    add_adapter(server, "a/lora", {}, number=1)
    for number in range(5):
        write_adapter(settings.folder / f"mine-{number}")
    for sort in ("downloads", "size"):
        pages = all_pages(catalog, SearchQuery(limit=2, sort=sort))
        assert [len(page.adapters) for page in pages][:3] == [2, 2, 2]
        assert refs(pages[2])[1] == "a/lora"
    pages = all_pages(catalog, SearchQuery(limit=5))
    assert [len(page.adapters) for page in pages] == [5, 1]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (SearchQuery(source="starter"), ["starter:pirate"]),
        (SearchQuery(source="folder"), ["folder:classes", "folder:wide"]),
        (SearchQuery(source="run"), []),
        (SearchQuery(text="PIRATE talk", source="starter"), ["starter:pirate"]),
        (SearchQuery(text="pirate french", source="starter"), []),
        (SearchQuery(base_model="tiny-org/BASE", source="starter"), ["starter:pirate"]),
        (SearchQuery(base_model="other/base", source="starter"), []),
        (SearchQuery(base_model="tiny-org/base", variants=True, source="starter"), ["starter:pirate"]),
        (SearchQuery(task_type="SEQ_CLS", source="folder"), ["folder:classes"]),
        (SearchQuery(method="IA3", source="folder"), []),
        (SearchQuery(min_rank=9, source="folder"), ["folder:wide"]),
        (SearchQuery(max_size=4_000, source="folder"), ["folder:classes"]),
        (SearchQuery(license="apache-2.0", source="starter"), ["starter:pirate"]),
        (SearchQuery(license="mit", source="starter"), []),
        (SearchQuery(access="gated", source="starter"), []),
        (SearchQuery(access="open", safetensors=True, source="starter"), ["starter:pirate"]),
        (SearchQuery(author="ada", source="starter"), []),
        (SearchQuery(sort="rank", source="folder"), ["folder:wide", "folder:classes"]),
    ],
)
def test_filters_hold_for_this_machine_as_well(varied, varied_catalog, settings, starter, query, found):
    write_adapter(starter / "pirate", card="---\nlicense: apache-2.0\n---\n# Pirate talk")
    write_adapter(settings.folder / "classes", config={"task_type": "SEQ_CLS"})
    write_adapter(settings.folder / "wide", config={"r": 16}, tensors=lora_tensors(16))
    page = varied_catalog.search(query)
    assert (sorted(refs(page)) if query.sort == "trending" else refs(page)) == found
    assert page.next is None
    assert len(varied.requests) == 0


# ---- a Hub that fails


def test_a_silent_hub_leaves_what_was_seen_before(varied, varied_catalog, truth, starter, settings):
    write_adapter(starter / "pirate")
    filled(varied_catalog, SearchQuery(sort="downloads", limit=100))
    varied.faults.inject("/*", status=503)
    page = filled(varied_catalog, SearchQuery(sort="likes", method="LORA", source="hub", limit=50))
    expected = [one for one in truth.values() if one.method == "LORA"]
    values = [SORTS["likes"](truth[ref]) for ref in refs(page)]
    assert sorted(values, reverse=True) == values
    assert sorted(refs(page)) == sorted(one.repository.id for one in expected)
    assert f"from the {len(truth)} adapters seen before, last a moment ago" in page.notice
    both = varied_catalog.search(SearchQuery(limit=5))
    assert refs(both)[0] == "starter:pirate"
    rows = all_rows(varied_catalog, SearchQuery(sort="updated", limit=9))
    assert len({row.ref for row in rows}) == len(rows) == len(truth) + 1


def test_a_hub_that_falls_silent_between_pages_goes_on_from_what_was_seen(varied, varied_catalog):
    query = SearchQuery(sort="downloads", limit=10)
    whole = [str(row.ref) for row in all_rows(varied_catalog, query)]
    page = varied_catalog.search(query)
    varied.faults.inject("/*", status=503)
    found = refs(page)
    while page.next:
        page = varied_catalog.search(replace(query, cursor=page.next))
        found += refs(page)
    assert sorted(found) == sorted(whole)


def test_a_silent_hub_and_an_empty_index_leave_this_machine(server, catalog, starter):
    write_adapter(starter / "pirate")
    server.stop()
    page = filled(catalog, SearchQuery())
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


def test_a_refusal_while_details_are_read_keeps_the_rows(server, catalog):
    add_light_catalogue(server, count=30)
    query = SearchQuery(text="-adapter-", sort="downloads", limit=30)
    first = catalog.search(query)
    server.faults.inject("/*/resolve/*", status=429, reset_seconds=42)
    server.requests.clear()
    *_, last = catalog.fill(query, first)
    assert refs(last) == refs(first)
    assert not any(row.complete for row in last.adapters)
    assert "42 seconds" in last.notice
    assert server.requests.count("/*/resolve/*") <= 30


def test_what_the_hub_refuses_one_search_costs_no_other_its_details(varied, varied_catalog):
    query = SearchQuery(sort="downloads", source="hub", limit=10)
    first = varied_catalog.search(query)
    varied.faults.inject("/api/models", status=400, times=1)
    assert varied_catalog.search(SearchQuery(text="another", source="hub")).notice
    *_, last = varied_catalog.fill(query, first)
    assert all(row.complete for row in last.adapters)
    assert not last.notice


def test_a_page_that_came_before_the_hub_fell_silent_says_why_it_is_not_read_on(varied, varied_catalog):
    query = SearchQuery(sort="downloads", source="hub", limit=10)
    first = varied_catalog.search(query)
    varied.faults.inject("/*", status=503)
    assert varied_catalog.search(SearchQuery(text="another", source="hub")).notice
    *_, last = varied_catalog.fill(query, first)
    assert refs(last) == refs(first)
    assert "What was known by then is shown" in last.notice


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
        {
            "id": "a/b",
            "downloads": 10**40,
            "trendingScore": float("nan"),
            "lastModified": "\ud800",
            "sha": "\x00",
        },
        {"id": "a/b", "tags": ["license:\ud800", "x" * 10_000], "createdAt": "\n"},
    ],
)
def test_a_row_of_the_wrong_kind_breaks_no_page(varied, varied_catalog, row):
    varied.faults.inject("/api/models", body=json.dumps([row, {"id": "good/row"}]))
    page = filled(varied_catalog, SearchQuery())
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
        (SearchQuery(author="a/b"), "author"),
        (SearchQuery(license="mit,other"), "license"),
        (SearchQuery(access="locked"), "access"),
        (SearchQuery(min_rank=-1), "min_rank"),
        (SearchQuery(max_rank=2.5), "max_rank"),  # type: ignore[arg-type]
        (SearchQuery(min_size=10, max_size=9), "min_size"),
        (SearchQuery(max_size=10**30), "max_size"),
        (SearchQuery(limit=0), "limit"),
        (SearchQuery(limit=1001), "limit"),
        (SearchQuery(cursor="x"), "cursor"),
        (SearchQuery(cursor="é"), "cursor"),
        (SearchQuery(cursor="bnVsbA=="), "cursor"),
        (SearchQuery(cursor="WzAsIDAsICIiLCAiLi4iLCBmYWxzZSwgbnVsbF0="), "cursor"),
        (SearchQuery(cursor="Wy0xLCAwLCAiIiwgIiIsIGZhbHNlLCBudWxsXQ=="), "cursor"),
        (SearchQuery(cursor="A" * 5000), "cursor"),
    ],
)
def test_an_argument_that_cannot_be_is_named(varied, varied_catalog, query, field):
    with pytest.raises(InvalidInput) as raised:
        varied_catalog.search(query)
    assert raised.value.field == field
    assert len(varied.requests) == 0


@pytest.mark.parametrize("text", ["\ud800x", "c\x00d", '"', "%", "' OR 1=1 --", "NEAR(", "*", "x" * 5000])
def test_no_text_breaks_a_search(server, catalog, text):
    add_adapter(server, "a/b", {}, number=1)
    filled(catalog, SearchQuery())
    for query in (SearchQuery(text=text), SearchQuery(text=text, sort="rank")):
        assert refs(filled(catalog, query)) == []
    server.stop()
    assert refs(catalog.search(SearchQuery(text=text))) == []


# ---- suggestions


def test_bases_with_adapters_here_are_suggested_first(varied, varied_catalog):
    assert varied_catalog.suggest_bases("") == ()
    filled(varied_catalog, SearchQuery(limit=100))
    first = varied_catalog.suggest_bases("LLAMA")
    assert [one.id for one in first] == [BASE, FINETUNE, QUANTIZED]
    assert first[0].adapters > first[1].adapters > 0
    assert first[0].downloads == varied.repo(BASE).downloads
    varied.requests.clear()
    assert varied_catalog.suggest_bases("LLAMA") == first
    assert len(varied.requests) == 0


def test_a_base_without_adapters_here_comes_from_the_hub(varied, varied_catalog):
    assert [one.id for one in varied_catalog.suggest_bases("chat-org")] == [FINETUNE]


def test_a_silent_hub_leaves_the_suggestions_known_here(varied, varied_catalog):
    filled(varied_catalog, SearchQuery(limit=100))
    varied.faults.inject("/*", status=503)
    assert BASE in [one.id for one in varied_catalog.suggest_bases("light")]
    assert varied_catalog.suggest_bases("\ud800%") == ()
