"""A search of the index as one SQL statement, with the way through the tables chosen by counting (pure, but
for the counts that are asked for).

SQLite knows averages only, and a base may have three adapters or thirty thousand. So each filter that has an
index says how many rows it leaves, up to a limit: few are fetched and sorted, many are met soon on a walk
along the index of the sort. Pages continue after (value, row number), never after a count of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from adapter_ui.catalog.storage.index_rows import COLUMNS
from adapter_ui.domain import SearchQuery

SORT_COLUMNS = {
    "trending": "trending",
    "downloads": "downloads",
    "likes": "likes",
    "updated": "updated",
    "created": "created",
    "size": "size_bytes",
    "rank": "rank",
}
FROM_FILES = ("size", "rank")
"""The sorts whose values only files tell."""

MOST_COUNTED = 20_000
TRIGRAM = 3

After = tuple[float | str, int]
Statement = tuple[str, list[Any]]
Count = Callable[[Statement], int]


@dataclass(frozen=True)
class Condition:
    """A filter: its test of one row, and the index that leads to its rows, if one does."""

    test: str
    values: tuple[Any, ...] = ()
    index: str = ""


def conditions_of(query: SearchQuery, bases: Sequence[str]) -> list[Condition]:
    """The filters of a search, `bases` being the base it names with its variants."""
    found = []
    if bases:
        marks = ", ".join("?" * len(bases))
        found.append(Condition(f"base_model IN ({marks})", tuple(bases), "by_base"))
    for column, value in (
        ("author", query.author),
        ("task_type", query.task_type),
        ("license", query.license),
    ):
        if value:
            found.append(Condition(f"{column} = ?", (value,), f"by_{column}"))
    if query.method:
        found.append(Condition("known = 1 AND method = ?", (query.method,), "by_method"))
    found += ranges_of(query)
    if query.access:
        found.append(Condition("gated = ?", (int(query.access == "gated"),), "by_gated"))
    if query.safetensors:
        found.append(Condition("safetensors = 1"))
    if query.sort in FROM_FILES:
        found.append(Condition("known = 1"))
    found += [Condition("id LIKE ? ESCAPE '\\'", (f"%{escaped(word)}%",)) for word in query.words]
    return found


def ranges_of(query: SearchQuery) -> list[Condition]:
    bounds = (("rank", query.min_rank, query.max_rank), ("size_bytes", query.min_size, query.max_size))
    return [
        Condition(
            f"known = 1 AND {column} BETWEEN ? AND ?",
            (lowest or 0, 2**62 if highest is None else highest),
            f"by_{column}",
        )
        for column, lowest, highest in bounds
        if lowest is not None or highest is not None
    ]


def page_statement(
    query: SearchQuery, bases: Sequence[str], after: After | None, limit: int, total: int, count: Count
) -> Statement:
    """One page of rows, the highest value first. `total` is about the number of rows in the table."""
    column = SORT_COLUMNS[query.sort]
    conditions = conditions_of(query, bases)
    way = choose_way(query, conditions, limit, total, count)
    conditions += way.conditions
    if after is not None:
        conditions.append(Condition(f"({column}, number) < (?, ?)", after))
    statement = (
        f"SELECT number, {', '.join(COLUMNS)} FROM adapters {way.index} "
        f"WHERE {' AND '.join(condition.test for condition in conditions) or 'TRUE'} "
        f"ORDER BY {column} DESC, number DESC LIMIT ?"
    )
    return statement, [*(value for condition in conditions for value in condition.values), limit]


@dataclass(frozen=True)
class Way:
    """A way through the table: SQL's word for it, the conditions that only it needs, and how to count."""

    index: str
    conditions: tuple[Condition, ...] = ()
    counting: Statement = ("", [])


def choose_way(
    query: SearchQuery, conditions: Sequence[Condition], limit: int, total: int, count: Count
) -> Way:
    """The way that meets the fewest rows: through a filter's index, or along the sort's until the page is
    full.
    """
    along_sort = Way(f"INDEXED BY by_{SORT_COLUMNS[query.sort]}")
    best, fewest, walked = along_sort, MOST_COUNTED, limit
    for way in ways_of(query, conditions):
        found = count(way.counting)
        if found == MOST_COUNTED:
            continue
        walked = walked * max(total, 1) // max(found, 1)
        if found < fewest:
            best, fewest = way, found
    return best if fewest < min(walked, total) else along_sort


def ways_of(query: SearchQuery, conditions: Sequence[Condition]) -> list[Way]:
    ways = [
        Way(
            f"INDEXED BY {one.index}",
            counting=limited_count(f"adapters INDEXED BY {one.index} WHERE {one.test}", one.values),
        )
        for one in conditions
        if one.index
    ]
    words = [word for word in query.words if len(word) >= TRIGRAM]
    if words:
        match = " AND ".join('"' + word.replace('"', '""') + '"' for word in words)
        named = Condition("number IN (SELECT rowid FROM names WHERE names MATCH ?)", (match,))
        counting = limited_count("names WHERE names MATCH ?", named.values)
        ways.append(Way("NOT INDEXED", (named,), counting))
    return ways


def limited_count(tail: str, values: Sequence[Any]) -> Statement:
    return f"SELECT count(*) FROM (SELECT 1 FROM {tail} LIMIT {MOST_COUNTED})", list(values)


def escaped(word: str) -> str:
    """A word as LIKE takes it literally."""
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
