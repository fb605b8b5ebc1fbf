"""The local index: every adapter of the Hub that was seen here, in SQLite, to filter and sort by what the Hub
cannot.

Rows come from the Hub's lists; what their files told stays with them as long as their commit is the same. A
damaged file is set aside, and costs time only. Nothing here asks the Hub.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapter_ui.catalog.storage.database import Database
from adapter_ui.catalog.storage.index_query import SORT_COLUMNS, After, Statement, escaped, page_statement
from adapter_ui.catalog.storage.index_rows import COLUMNS, Details, met_again, row_of, values_of
from adapter_ui.domain import AdapterSummary, SearchQuery

LAYOUT = 1
CREATE = """CREATE TABLE IF NOT EXISTS adapters (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, author TEXT NOT NULL COLLATE NOCASE,
    base_model TEXT COLLATE NOCASE, task_type TEXT, method TEXT,
    rank INTEGER NOT NULL, size_bytes INTEGER NOT NULL, base_size_bytes INTEGER NOT NULL,
    downloads INTEGER NOT NULL, likes INTEGER NOT NULL, trending REAL NOT NULL,
    updated TEXT NOT NULL, created TEXT NOT NULL, gated INTEGER NOT NULL, revision TEXT,
    license TEXT COLLATE NOCASE, safetensors INTEGER, parameters INTEGER, dtype TEXT,
    known INTEGER NOT NULL, fresh_until REAL NOT NULL, seen REAL NOT NULL)"""
WHERE_KNOWN = {"method": " WHERE known = 1", "rank": " WHERE known = 1", "size_bytes": " WHERE known = 1"}
FILTERED = {
    "by_base": "base_model",
    "by_author": "author",
    "by_task_type": "task_type",
    "by_method": "method",
    "by_license": "license",
    "by_gated": "gated",
}
SORTED = {f"by_{column}": column for column in SORT_COLUMNS.values()}
SCHEMA = (
    CREATE,
    *(
        f"CREATE INDEX IF NOT EXISTS {name} ON adapters ({column}){WHERE_KNOWN.get(column, '')}"
        for name, column in (FILTERED | SORTED).items()
    ),
    "CREATE VIRTUAL TABLE IF NOT EXISTS names USING fts5("
    "id, content='adapters', content_rowid='number', tokenize='trigram', detail='full')",
    "CREATE TRIGGER IF NOT EXISTS named AFTER INSERT ON adapters BEGIN "
    "INSERT INTO names (rowid, id) VALUES (new.number, new.id); END",
)
UPSERT = (
    f"INSERT INTO adapters ({', '.join(COLUMNS)}) VALUES ({', '.join(f':{name}' for name in COLUMNS)}) "
    f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in COLUMNS[1:])}"
)
KNOWN = f"SELECT {', '.join(COLUMNS)} FROM adapters WHERE id IN ({{}})"
MOST_AT_ONCE = 500


@dataclass(frozen=True)
class IndexPage:
    """Rows in order, the place of the last one, and whether more follow."""

    rows: tuple[AdapterSummary, ...]
    last: After | None
    more: bool


@dataclass(frozen=True)
class Seen:
    """How many adapters are in the index, of how many the files were read, and the newest row's time."""

    adapters: int
    read: int
    newest: float


class Index:
    """Safe to use from several threads and processes; reading never waits for a write."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, LAYOUT, SCHEMA)

    def close(self) -> None:
        self._database.close()

    def meet(self, listed: Sequence[AdapterSummary]) -> list[AdapterSummary]:
        """Remember rows of the Hub's list; the same rows with what is known of them at their commit."""
        rows = list(listed)
        for start in range(0, len(rows), MOST_AT_ONCE):
            part = rows[start : start + MOST_AT_ONCE]
            met = self._database.write(lambda connection, part=part: meet_rows(connection, part))
            if met is not None:
                rows[start : start + MOST_AT_ONCE] = met
        return rows

    def keep(self, found: Iterable[Details]) -> None:
        """Remember what files told, all in one transaction."""
        now = time.time()
        values = [
            values_of(one.row, one.known, now + one.fresh_seconds if one.fresh_seconds else 0.0, now)
            for one in found
        ]
        if values:
            self._database.write(lambda connection: connection.executemany(UPSERT, values))

    def page(self, query: SearchQuery, bases: Sequence[str], after: After | None, limit: int) -> IndexPage:
        """Rows that fit all filters of the query, by its sort, the highest first.

        The sorts by size and by rank give only adapters whose files were read.
        """
        rows = self._database.query(*self.statement(query, bases, after, limit + 1))
        now = time.time()
        found = tuple(row_of(dict(zip(COLUMNS, row[1:], strict=True)), now) for row in rows[:limit])
        place = 1 + COLUMNS.index(SORT_COLUMNS[query.sort])
        last = (rows[len(found) - 1][place], rows[len(found) - 1][0]) if found else after
        return IndexPage(found, last, len(rows) > limit)

    def statement(
        self, query: SearchQuery, bases: Sequence[str], after: After | None, limit: int
    ) -> Statement:
        """The statement that `page` runs."""
        total = self._first("SELECT max(number) FROM adapters") or 0
        return page_statement(query, bases, after, limit, total, lambda one: self._first(*one) or 0)

    def explain(self, statement: Statement) -> list[str]:
        """SQLite's plan for a statement, step by step."""
        text, values = statement
        return [row[3] for row in self._database.query(f"EXPLAIN QUERY PLAN {text}", values)]

    def place_of(self, repo_id: str, sort: str) -> After | None:
        """Where an adapter stands in a sort, to continue after it."""
        column = SORT_COLUMNS[sort]
        rows = self._database.query(f"SELECT {column}, number FROM adapters WHERE id = ?", (repo_id,))
        return (rows[0][0], rows[0][1]) if rows else None

    def bases(self, text: str, limit: int) -> list[tuple[str, int]]:
        """Base models whose id holds `text`, with their number of adapters here, the most first."""
        return [
            (name, count)
            for name, count in self._database.query(
                "SELECT base_model, count(*) FROM adapters WHERE base_model LIKE ? ESCAPE '\\' "
                "GROUP BY base_model ORDER BY 2 DESC, 1 LIMIT ?",
                (f"%{escaped(text)}%", limit),
            )
        ]

    def seen(self) -> Seen:
        rows = self._database.query("SELECT count(*), max(seen) FROM adapters")
        adapters, newest = rows[0] if rows else (0, None)
        return Seen(adapters, self.read_count(), newest or 0.0)

    def read_count(self) -> int:
        """The number of adapters whose files were read."""
        return self._first("SELECT count(*) FROM adapters WHERE known = 1") or 0

    def _first(self, statement: str, values: Sequence[Any] = ()) -> Any:
        rows = self._database.query(statement, values)
        return rows[0][0] if rows else None


def meet_rows(connection: sqlite3.Connection, listed: Sequence[AdapterSummary]) -> list[AdapterSummary]:
    """One transaction: what is known of these rows is read, joined with the list's word, and written."""
    now = time.time()
    names = [row.ref.name for row in listed]
    found = connection.execute(KNOWN.format(", ".join("?" * len(names))), names).fetchall()
    before = {values["id"]: values for values in (dict(zip(COLUMNS, row, strict=True)) for row in found)}
    met, written = [], []
    for row in listed:
        values = before.get(row.ref.name)
        known = values is not None and bool(values["known"]) and values["revision"] == row.commit
        one = met_again(row, row_of(values, now)) if known else row
        met.append(one)
        written.append(values_of(one, known, values["fresh_until"] if known else 0.0, now))
    connection.executemany(UPSERT, written)
    return met
