"""The local index: every filter and sort beside plain Python, paging, and whatever happens to its file."""

from __future__ import annotations

import random
import sqlite3
import threading
from dataclasses import replace

import pytest

from adapter_ui.catalog.search.query import by_sort, fits
from adapter_ui.catalog.storage import database
from adapter_ui.catalog.storage.index import Index
from adapter_ui.catalog.storage.index_query import SORT_COLUMNS
from adapter_ui.catalog.storage.index_rows import Details
from adapter_ui.domain import AdapterRef, AdapterSummary, SearchQuery, Source

BASES = ("org/Llama-3", "org/llama-3-chat", "other/bert")
QUERIES = (
    SearchQuery(),
    SearchQuery(text="SQL"),
    SearchQuery(text="sql lora 1"),
    SearchQuery(text="q_"),
    SearchQuery(text="100%"),
    SearchQuery(author="Ada"),
    SearchQuery(task_type="SEQ_CLS"),
    SearchQuery(method="IA3"),
    SearchQuery(min_rank=8),
    SearchQuery(max_rank=16),
    SearchQuery(min_rank=4, max_rank=8),
    SearchQuery(min_size=1000, max_size=50_000),
    SearchQuery(license="MIT"),
    SearchQuery(access="gated"),
    SearchQuery(access="open"),
    SearchQuery(safetensors=True),
    SearchQuery(text="lora", author="grace", method="LORA", max_size=90_000, access="open", license="mit"),
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "home" / "index.sqlite"


@pytest.fixture
def index(path):
    index = Index(path)
    yield index
    index.close()


def row(name: str = "ada/sql-lora", **fields) -> AdapterSummary:
    return AdapterSummary(AdapterRef(Source.HUB, name), **{"commit": "c0ffee", "downloads": 5} | fields)


def made_up(count: int) -> list[Details]:
    chance = random.Random(3)
    rows = []
    for number in range(count):
        author, topic = (
            chance.choice(("ada", "grace", "Linus")),
            chance.choice(("sql", "poetry", "q_a", "100-percent")),
        )
        known = chance.random() < 0.8
        files = {
            "method": chance.choice(("LORA", "IA3")),
            "rank": chance.choice((None, 2, 8, 16, 64)),
            "size_bytes": chance.randrange(100_000),
            "safetensors": chance.random() < 0.8,
            "dtype": "float16",
            "parameters": 7,
            "base_size_bytes": 10**9,
        }
        one = row(
            f"{author}/{topic}-lora-{number}",
            base_model=chance.choice((*BASES, None)),
            task_type=chance.choice(("CAUSAL_LM", "SEQ_CLS", None)),
            downloads=chance.choice((None, *range(10))),
            likes=chance.randrange(5),
            trending=chance.choice((None, 0.0, 1.5, 2.0)),
            updated=chance.choice((None, "2025-01-02", "2025-02-02")),
            created=f"2024-01-{chance.randrange(10, 30)}",
            gated=chance.random() < 0.2,
            license=chance.choice(("mit", "apache-2.0", None)),
            **files if known else {},
        )
        rows.append(Details(one, known, 3600 if known else 0))
    return rows


def pages(index: Index, query: SearchQuery, bases=(), limit: int = 7) -> list[AdapterSummary]:
    found, after = [], None
    while True:
        page = index.page(query, bases, after, limit)
        assert len(page.rows) <= limit
        found += page.rows
        if not page.more:
            return found
        after = page.last


def wanted(one: Details, query: SearchQuery, bases: tuple[str, ...]) -> bool:
    name = one.row.ref.name.lower()
    files_only = (
        query.method or query.min_rank or query.max_rank or query.max_size or query.sort in ("size", "rank")
    )
    return (
        bool(fits(one.row, query, known=True))
        and (one.known or not files_only)
        and all(word in name for word in query.words)
        and query.author.lower() in ("", name.split("/")[0])
        and (not bases or (one.row.base_model or "").lower() in [base.lower() for base in bases])
    )


@pytest.mark.parametrize("sort", SORT_COLUMNS)
@pytest.mark.parametrize("bases", [(), ("ORG/llama-3",), BASES[:2]], ids=["any", "one", "two"])
def test_every_filter_and_sort_gives_what_plain_python_gives(index, sort, bases):
    rows = made_up(400)
    index.keep(rows)
    for asked in QUERIES:
        query = replace(asked, sort=sort)
        expected = by_sort([one.shown for one in rows if wanted(one, query, bases)], sort)
        found = pages(index, query, bases)
        assert len(found) == len({one.ref for one in found})
        assert sorted(found, key=lambda one: str(one.ref)) == sorted(expected, key=lambda one: str(one.ref))
        column = SORT_COLUMNS[sort]
        assert [getattr(one, column) for one in found] == [getattr(one, column) for one in expected]


def test_details_stay_with_their_commit(index):
    listed = row(method=None)
    assert index.meet([listed]) == [listed]
    read = replace(listed, method="LORA", rank=8, size_bytes=100, safetensors=True, base_model="a/b")
    index.keep([Details(read, known=True, fresh_seconds=60)])
    assert index.meet([replace(listed, downloads=9)]) == [replace(read, downloads=9, complete=True)]
    newer = replace(listed, commit="decaf")
    assert index.meet([newer]) == [newer]
    assert index.page(SearchQuery(method="LORA"), (), None, 5).rows == ()


def test_what_is_not_fresh_is_known_and_not_complete(index):
    read = row(method="LORA", rank=8)
    index.keep([Details(read, known=True, fresh_seconds=0)])
    assert index.meet([row()]) == [read]
    assert index.page(SearchQuery(sort="rank"), (), None, 5).rows == (read,)


def test_rows_that_stay_come_once_while_others_change(index):
    index.meet([row(f"a/n{number}", downloads=number) for number in range(50)])
    query = SearchQuery(sort="downloads")
    first = index.page(query, (), None, 10)
    index.meet([row("a/new", downloads=99), row("a/n45", downloads=0), row("a/n3", downloads=70)])
    found, page = [*first.rows], first
    while page.more:
        page = index.page(query, (), page.last, 10)
        found += page.rows
    names = [one.ref.name for one in found]
    for number in set(range(50)) - {45, 3}:
        assert names.count(f"a/n{number}") == 1


def test_no_search_walks_through_the_whole_table(index):
    index.keep(made_up(3000))
    for sort in SORT_COLUMNS:
        for query in QUERIES:
            plan = index.explain(index.statement(replace(query, sort=sort), (), None, 30))
            assert not any(step.startswith("SCAN adapters") and "USING" not in step for step in plan), plan


def test_bases_are_counted_by_any_part_of_their_name(index):
    index.keep(
        [Details(row(f"a/n{number}", base_model=BASES[number % 2]), known=False) for number in range(5)]
    )
    assert index.bases("LLAMA", 5) == [(BASES[0], 3), (BASES[1], 2)]
    assert index.bases("chat", 5) == [(BASES[1], 2)]
    assert index.bases("%", 5) == []


def test_no_value_of_a_stranger_breaks_a_write(index):
    strange = row(
        "a/b", task_type="\ud800", license="x\x00y", downloads=2**53, updated="'; DROP TABLE adapters"
    )
    index.meet([strange])
    (found,) = index.page(SearchQuery(), (), None, 5).rows
    assert (found.task_type, found.downloads, found.updated) == ("?", 2**53, strange.updated)


def test_what_is_kept_is_there_after_a_restart(path):
    first = Index(path)
    first.keep(made_up(20))
    first.close()
    second = Index(path)
    assert second.seen().adapters == 20
    assert len(pages(second, SearchQuery(text="lora"))) == 20
    second.close()


def test_a_file_that_is_no_database_is_set_aside(path):
    path.parent.mkdir()
    path.write_bytes(b"not a database at all" * 100)
    index = Index(path)
    index.meet([row()])
    assert index.seen().adapters == 1
    assert path.with_suffix(".damaged").read_bytes().startswith(b"not a database")
    index.close()


def test_a_file_of_an_older_layout_is_set_aside(path):
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE adapters (something TEXT)")
    connection.close()
    index = Index(path)
    index.meet([row()])
    assert index.seen().adapters == 1
    assert path.with_suffix(".damaged").exists()
    index.close()


def test_a_file_damaged_while_it_is_used_is_begun_anew(path):
    index = Index(path)
    index.keep(made_up(500))
    index.close()
    data = bytearray(path.read_bytes())
    data[8192:] = b"\xff" * (len(data) - 8192)
    path.write_bytes(bytes(data))
    index = Index(path)
    query = SearchQuery(sort="likes")
    assert index.page(query, (), None, 5).rows == ()
    assert index.meet([row()]) == [row()]
    index.meet([row()])
    assert len(index.page(query, (), None, 5).rows) == 1
    index.close()


def test_reading_goes_on_while_another_thread_writes(index):
    index.keep(made_up(300))
    stopped = threading.Event()

    def write() -> None:
        while not stopped.is_set():
            index.keep(made_up(300))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(20):
            assert len(pages(index, SearchQuery(text="lora"), limit=100)) == 300
    finally:
        stopped.set()
        writer.join()


def test_a_writer_in_another_process_stops_no_reading(index, path, monkeypatch, caplog):
    monkeypatch.setattr(database, "LOCK_SECONDS", 0.05)
    index.meet([row()])
    impatient = Index(path)
    with sqlite3.connect(path) as other:
        other.execute("BEGIN IMMEDIATE")
        assert len(impatient.page(SearchQuery(), (), None, 5).rows) == 1
        listed = [row("a/b"), row("c/d")]
        assert impatient.meet(listed) == listed
        other.rollback()
    other.close()
    assert "locked" in caplog.text
    assert impatient.seen().adapters == 1
    impatient.close()
