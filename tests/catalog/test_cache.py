"""The cache keeps texts, and survives whatever happens to its file."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from adapter_ui.catalog.storage import cache as cache_module
from adapter_ui.catalog.storage import database
from adapter_ui.catalog.storage.cache import Cache


@pytest.fixture
def path(tmp_path):
    return tmp_path / "home" / "cache.sqlite"


def test_what_is_put_is_got_again_after_a_restart(path):
    first = Cache(path)
    first.put("a/b", "c0ffee", "config", "text")
    assert first.get("a/b", "c0ffee", "config") == "text"
    first.close()
    second = Cache(path)
    assert second.get("a/b", "c0ffee", "config") == "text"
    assert second.get("a/b", "other", "config") is None
    assert second.get("a/b", "c0ffee", "header") is None


def test_work_that_is_late_finds_it_closed_and_leaves_the_file_alone(path):
    cache = Cache(path)
    cache.put("a/b", "c", "k", "kept")
    cache.close()
    cache.put("a/b", "c", "k", "late")
    assert cache.get("a/b", "c", "k") is None
    assert not path.with_suffix(".damaged").exists()
    assert Cache(path).get("a/b", "c", "k") == "kept"


def test_a_second_text_takes_the_place_of_the_first(path):
    cache = Cache(path)
    cache.put("a/b", "c", "k", "one")
    cache.put("a/b", "c", "k", "two")
    assert cache.get("a/b", "c", "k") == "two"


def test_a_file_that_is_no_database_is_set_aside(path):
    path.parent.mkdir()
    path.write_bytes(b"not a database at all" * 100)
    cache = Cache(path)
    cache.put("a/b", "c", "k", "new")
    assert cache.get("a/b", "c", "k") == "new"
    assert path.with_suffix(".damaged").read_bytes().startswith(b"not a database")


def test_a_file_of_another_layout_is_set_aside(path):
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE entries (something TEXT)")
    connection.close()
    cache = Cache(path)
    cache.put("a/b", "c", "k", "new")
    assert cache.get("a/b", "c", "k") == "new"
    assert path.with_suffix(".damaged").exists()


def test_a_file_damaged_while_it_is_used_is_begun_anew(path):
    cache = Cache(path)
    for number in range(200):
        cache.put("a/b", "c", str(number), "x" * 1000)
    cache.close()
    data = bytearray(path.read_bytes())
    data[4096 : len(data)] = b"\xff" * (len(data) - 4096)
    path.write_bytes(bytes(data))
    cache = Cache(path)
    assert cache.get("a/b", "c", "7") is None
    cache.put("a/b", "c", "7", "new")
    assert cache.get("a/b", "c", "7") == "new"


def test_many_threads_may_write_and_read(path):
    cache = Cache(path)

    def work(number: int) -> str | None:
        cache.put("a/b", "c", str(number), str(number))
        return cache.get("a/b", "c", str(number))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(100))) == [str(number) for number in range(100)]


def test_two_processes_may_share_the_file(path):
    one, other = Cache(path), Cache(path)
    one.put("a/b", "c", "k", "text")
    assert other.get("a/b", "c", "k") == "text"


def test_a_locked_file_costs_the_cache_and_not_the_work(path, monkeypatch, caplog):
    monkeypatch.setattr(database, "LOCK_SECONDS", 0.05)
    cache = Cache(path)
    with sqlite3.connect(path) as other:
        other.execute("BEGIN IMMEDIATE")
        cache.put("a/b", "c", "k", "text")
        other.rollback()
    other.close()
    assert cache.get("a/b", "c", "k") is None
    assert "locked" in caplog.text


def test_the_oldest_texts_go_when_there_are_too_many(path, monkeypatch):
    monkeypatch.setattr(cache_module, "MOST_ENTRIES", 3)
    first = Cache(path)
    for number in range(6):
        first.put("a/b", "c", str(number), "text")
    first.close()
    second = Cache(path)
    assert [second.get("a/b", "c", str(number)) for number in range(6)] == [None] * 3 + ["text"] * 3


def test_the_oldest_texts_go_while_the_cache_is_used(path, monkeypatch):
    monkeypatch.setattr(cache_module, "MOST_ENTRIES", 3)
    monkeypatch.setattr(cache_module, "PUTS_BETWEEN_PRUNINGS", 6)
    cache = Cache(path)
    for number in range(6):
        cache.put("a/b", "c", str(number), "text")
    assert [cache.get("a/b", "c", str(number)) for number in range(6)] == [None] * 3 + ["text"] * 3


def test_texts_are_kept_small(path):
    cache = Cache(path)
    cache.put("a/b", "c", "header", '{"dtype":"F16"}' * 10_000)
    cache.close()
    assert path.stat().st_size < 50_000
    assert Cache(path).get("a/b", "c", "header") == '{"dtype":"F16"}' * 10_000


def test_a_text_whose_bytes_changed_is_as_good_as_none(path):
    cache = Cache(path)
    cache.put("a/b", "c", "k", "text")
    with sqlite3.connect(path) as other:
        other.execute("UPDATE entries SET value = x'00ff'")
    other.close()
    assert cache.get("a/b", "c", "k") is None
