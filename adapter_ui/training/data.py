"""Read a data file, or pasted text, into a table: CSV, TSV, JSON or JSON lines.

A stranger's bytes: everything is bounded and every refusal says where. What the columns mean is told
elsewhere.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from adapter_ui.domain import Table
from adapter_ui.errors import InvalidRecipe

MAX_BYTES = 20_000_000
MAX_ROWS = 100_000
MAX_COLUMNS = 256
MAX_FIELD = 100_000
EXPLAINED = 20
FOREIGN = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "a gzip archive",
    b"%PDF": "a PDF",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
}


@dataclass
class Reading:
    """Rows as they are read, with their places, and the ones that could not be used."""

    columns: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    dropped_rows: int = 0

    def add(self, row: dict[str, Any], place: str) -> None:
        if len(self.rows) >= MAX_ROWS:
            refuse(f"The data has more than {MAX_ROWS:,} rows; train on a part of it.")
        if problem := row_problem(row):
            self.drop(f"{place}: {problem}")
            return
        self.columns.extend(name for name in row if name not in self.columns)
        if len(self.columns) > MAX_COLUMNS:
            refuse(f"{place}: the data has more than {MAX_COLUMNS} columns; keep only those to train on.")
        self.rows.append(row)
        self.places.append(place)

    def drop(self, reason: str) -> None:
        self.dropped_rows += 1
        if len(self.dropped) < EXPLAINED:
            self.dropped.append(reason)

    def table(self) -> Table:
        if not self.rows:
            refuse(
                f"No row can be read; {self.dropped[0]}."
                if self.dropped
                else "The data has no rows; give a header line and at least two rows, or JSON objects."
            )
        return Table(
            tuple(self.columns), tuple(self.rows), tuple(self.dropped), tuple(self.places), self.dropped_rows
        )


def read_table(source: str | Path) -> Table:
    """Read pasted text (a `str`) or a file (a `Path`); the format is told from the content.

    Single bad lines are dropped and listed with their line numbers. Raises InvalidRecipe (field "data") when
    the whole cannot be read: too large, binary, not UTF-8, no rows, broken JSON, a column named twice.
    """
    text = decoded(
        file_bytes(source) if isinstance(source, Path) else source.encode("utf-8", "surrogatepass")
    )
    start = text.lstrip()[:1]
    if not start:
        refuse("The data is empty; paste rows or choose a file.")
    if start == "[":
        return read_json_list(text)
    if start == "{":
        return read_json_objects(text)
    if isinstance(source, Path) and source.suffix.lower() in (".json", ".jsonl", ".ndjson"):
        refuse(f"The file is named {source.suffix} but does not start with {{ or [; is it JSON?")
    return read_csv(text)


def file_bytes(path: Path) -> bytes:
    if not path.is_file():
        refuse("The data file is not there any more; choose it again.")
    size = path.stat().st_size
    if size > MAX_BYTES:
        refuse(f"The data file has {size / 1e6:.1f} MB; the limit is {MAX_BYTES / 1e6:.0f} MB.")
    return path.read_bytes()


def decoded(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        refuse(f"The data has {len(content) / 1e6:.1f} MB; the limit is {MAX_BYTES / 1e6:.0f} MB.")
    for magic, what in FOREIGN.items():
        if content.startswith(magic):
            refuse(f"This is {what}; save it as CSV or JSON lines in UTF-8.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        refuse(f"Line {line} is not UTF-8 text; save the file as UTF-8.", error)
    if "\0" in text:
        refuse(f"Line {text.count(chr(10), 0, text.index(chr(0))) + 1} has a NUL byte; this is no text file.")
    return text


def read_csv(text: str) -> Table:
    """Rows under a header. The separator is a comma, semicolon or tab: whichever the header has most of."""
    header_line = text.lstrip("\r\n").splitlines()[0]
    separator = max(",;\t", key=header_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    reading = Reading()
    try:
        header: list[str] | None = None
        for values in reader:
            if not any(value.strip() for value in values):
                continue
            if header is None:
                header = column_names(values)
            elif len(values) != len(header):
                reading.drop(
                    f"line {reader.line_num}: {len(values)} values where the header has {len(header)}"
                )
            else:
                reading.add(dict(zip(header, values, strict=True)), f"line {reader.line_num}")
    except csv.Error as error:
        refuse(f"Line {reader.line_num} is no CSV ({error}); check its quotes.", error)
    return reading.table()


def column_names(header: list[str]) -> list[str]:
    """The header's names; a column without one (a spreadsheet's row numbers) gets its position."""
    names = [name.strip() or f"column {position}" for position, name in enumerate(header, start=1)]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        refuse(f"The header names the column “{min(twice)[:60]}” twice; rename one.")
    if len(names) > MAX_COLUMNS:
        refuse(f"The header has {len(names)} columns; the limit is {MAX_COLUMNS}.")
    return names


def read_json_list(text: str) -> Table:
    try:
        rows = parse_json(text)
    except ValueError as error:
        refuse(f"The JSON list cannot be read: {error}.", error)
    return table_of_objects((f"row {number}", row) for number, row in enumerate(rows, start=1))


def read_json_objects(text: str) -> Table:
    """JSON lines; or one object that holds a single list of rows, as in `{"data": [...]}`."""
    try:
        whole = parse_json(text)
    except ValueError:
        return read_json_lines(text)
    lists = [
        value for value in whole.values() if isinstance(value, list) and value and isinstance(value[0], dict)
    ]
    if len(whole) == 1 and len(lists) == 1 and "role" not in lists[0][0] and "from" not in lists[0][0]:
        return table_of_objects((f"row {number}", row) for number, row in enumerate(lists[0], start=1))
    return table_of_objects(iter([("line 1", whole)]))


def read_json_lines(text: str) -> Table:
    reading = Reading()
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError as error:
            reading.drop(f"line {number}: no JSON ({error})")
            continue
        add_object(reading, row, f"line {number}")
    return reading.table()


def table_of_objects(rows: Iterator[tuple[str, Any]]) -> Table:
    reading = Reading()
    for place, row in rows:
        add_object(reading, row, place)
    return reading.table()


def add_object(reading: Reading, row: object, place: str) -> None:
    if not isinstance(row, dict):
        reading.drop(f"{place}: not an object with named fields")
    else:
        reading.add(row, place)


def parse_json(text: str) -> Any:
    """JSON without NaN and Infinity. Raises ValueError, also for nesting too deep to read."""
    try:
        return json.loads(text, parse_constant=refuse_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def row_problem(row: dict[str, Any]) -> str | None:
    for name, value in row.items():
        if isinstance(value, str) and len(value) > MAX_FIELD:
            return f"“{name[:60]}” has {len(value):,} characters; the limit is {MAX_FIELD:,}"
        if isinstance(value, float) and not math.isfinite(value):
            return f"“{name[:60]}” is no finite number"
    return None


def refuse(message: str, cause: Exception | None = None) -> NoReturn:
    raise InvalidRecipe(message, field="data") from cause
