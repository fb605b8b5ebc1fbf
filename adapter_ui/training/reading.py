"""Rows as they are read: kept with their places, or dropped with a reason, within bounds.

Knows no file format, and not what a column means.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from adapter_ui.domain import Table
from adapter_ui.training.file_text import refuse

MAX_ROWS = 100_000
MAX_COLUMNS = 256
MAX_FIELD = 100_000
MAX_DEPTH = 20
EXPLAINED = 20
HALF_PAIR = re.compile("[\ud800-\udfff]")
# a tab and the ends of lines are text; so are the vertical tab and form feed that office programs leave
CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f]")


@dataclass
class Reading:
    """What has been read so far, and the rows that could not be used."""

    columns: dict[str, None] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    dropped_rows: int = 0

    def add(self, row: object, place: str) -> None:
        if not isinstance(row, dict):
            self.drop(f"{place}: not an object with named fields")
            return
        if problem := row_problem(row):
            self.drop(f"{place}: {problem}")
            return
        self.count()
        self.columns.update(dict.fromkeys(row))
        if len(self.columns) > MAX_COLUMNS:
            refuse(f"{place}: the data has more than {MAX_COLUMNS} columns; keep only those to train on.")
        self.rows.append(row)
        self.places.append(place)

    def drop(self, reason: str) -> None:
        self.count()
        self.dropped_rows += 1
        if len(self.dropped) < EXPLAINED:
            self.dropped.append(reason)

    def count(self) -> None:
        """Dropped rows count too: a file of nothing but bad lines must end as well."""
        if len(self.rows) + self.dropped_rows >= MAX_ROWS:
            refuse(f"The data has more than {MAX_ROWS:,} rows; train on a part of it.")

    def table(self) -> Table:
        if not self.rows:
            refuse(
                f"No row can be read ({self.dropped[0]}); mend the data and try again."
                if self.dropped
                else "The data has no rows; give a header line and at least two rows, or JSON objects."
            )
        return Table(
            tuple(self.columns), tuple(self.rows), tuple(self.dropped), tuple(self.places), self.dropped_rows
        )


def row_problem(row: dict[str, Any]) -> str | None:
    """Why a row cannot be used, however deep in it the trouble sits."""
    if not row:
        return "an object without fields"
    if any(name_problem := text_problem(name) for name in row):
        return f"the name of a field {name_problem}"
    for name, value in row.items():
        for part in parts_of(value):
            if problem := part_problem(part):
                return f"“{name[:60]}” {problem}"
    return None


def parts_of(value: object) -> Iterator[object]:
    """The texts and numbers in a value, and what is nested deeper in it than anything useful."""
    waiting = [(value, 0)]
    while waiting:
        part, depth = waiting.pop()
        if not isinstance(part, (list, dict)) or depth > MAX_DEPTH:
            yield part
            continue
        inner = part if isinstance(part, list) else [*part, *part.values()]
        waiting.extend((each, depth + 1) for each in inner)


def part_problem(part: object) -> str | None:
    if isinstance(part, str):
        return text_problem(part)
    if isinstance(part, float) and not math.isfinite(part):
        return "is no finite number"
    if isinstance(part, (list, dict)):
        return f"is nested more than {MAX_DEPTH} deep"
    return None


def text_problem(text: str) -> str | None:
    """Why a text cannot be shown, stored or learned."""
    if len(text) > MAX_FIELD:
        return f"has {len(text):,} characters; the limit is {MAX_FIELD:,}"
    if HALF_PAIR.search(text):
        return "has half of a surrogate pair, which is no character"
    if found := CONTROL.search(text):
        return f"has the control character U+{ord(found.group()):04X}"
    return None
