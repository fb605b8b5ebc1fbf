"""Rows from JSON: a list of objects, one object that holds such a list, or one object a line.

Stricter than Python's reader: no NaN, no Infinity, no name twice in an object, no bomb.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Any, NoReturn

from adapter_ui.domain import Table
from adapter_ui.training.file_text import refuse
from adapter_ui.training.reading import Reading

MAX_PARTS = 1_000_000
MAX_DIGITS = 300
LEFT_OUT = "left out"
"""Begins the list that stands where a row was that could not be used; then comes the reason."""
LONGEST_REASON = 500
BETWEEN_ELEMENTS = re.compile(r"\s*[\[,]?\s*")
BETWEEN_FIELDS = re.compile(r"\s*[{:,]?\s*")
# The first list of objects in an object, after plain values such as a version. Nothing that matched is given
# back: a stranger's blanks would be tried in every way to part them.
OPENS_ROWS = re.compile(
    r'\s*+\{\s*+(?:"[^"\n]*+"\s*+:\s*+(?:"[^"\n]*+"|[^\[{\n",]*+),\s*+)*+"[^"\n]*+"\s*+:\s*+\[\s*+\{'
)


def read_json_list(text: str) -> Table:
    refuse_bomb(text)
    try:
        rows = parse_json(text)
    except ValueError as error:
        refuse(f"The JSON list cannot be read: {error}; mend it there.", error)
    return table_of_objects(rows, places_in(text) if "\n" in text else ())


def read_json_objects(text: str) -> Table:
    """JSON lines; or one object that holds a single list of rows, as in `{"version": 1, "data": [...]}`."""
    refuse_bomb(text)
    try:
        whole = parse_json(text)
    except ValueError as error:
        refuse_broken_object(text, error)
        return read_json_lines(text)
    named = {name: value for name, value in whole.items() if is_row_list(value)}
    if len(named) > 1:
        names = ", ".join(f"“{name[:40]}”" for name in list(named)[:5])
        refuse(f"The JSON object holds several lists of rows ({names}); give one of them.")
    for name, rows in named.items():
        return table_of_objects(rows, places_in(text, value_at(text, name)) if "\n" in text else ())
    reading = Reading()
    reading.add(whole, "line 1")
    return reading.table()


def refuse_broken_object(text: str, error: ValueError) -> None:
    """One object with a list of rows over several lines: whole objects among its lines are no rows of JSON
    lines. Raises InvalidRecipe with the place of the fault.
    """
    opening = OPENS_ROWS.match(text)
    several = str(error).startswith("Extra data")  # a sound one, and another after it
    if opening and "\n" in opening[0].strip() and not several:
        refuse(f"The JSON object cannot be read: {error}; mend it there.", error)


def refuse_bomb(text: str) -> None:
    """Two characters of JSON make a list of a hundred bytes, so they are counted before they are read."""
    if text.count("[") + text.count("{") > MAX_PARTS:
        refuse(f"The JSON has more than {MAX_PARTS:,} lists and objects; train on a part of it.")


def is_row_list(value: object) -> bool:
    """Whether this is a list of rows, and not the turns of one conversation."""
    return (
        isinstance(value, list)
        and bool(value)
        and isinstance(value[0], dict)
        and not {"role", "from"} & value[0].keys()
    )


def read_json_lines(text: str) -> Table:
    reading = Reading()
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError as error:
            if line.strip() == "{" and number < len(lines):
                # its inner lines may be whole objects, which would pass for rows
                refuse(
                    f"The object of line {number} goes on in the next lines; write each row on one line, "
                    "or all rows as one JSON list.",
                    error,
                )
            reading.drop(f"line {number}: no JSON ({error})")
            continue
        if reason := told_before(row):
            reading.drop(reason)
        else:
            reading.add(row, f"line {number}")
    return reading.table()


def told_before(row: object) -> str:
    """Why a row was left out when its file was read before; "" for others. Anyone can write such a line."""
    told = isinstance(row, list) and len(row) == 2 and row[0] == LEFT_OUT and isinstance(row[1], str)
    return row[1][:LONGEST_REASON] if told else ""


def table_of_objects(rows: Iterable[object], lines: Iterable[int] = ()) -> Table:
    """The rows, each by its number, and by its line where lines are told."""
    reading = Reading()
    for number, (row, line) in enumerate(zip_longest(rows, lines), start=1):
        reading.add(row, f"row {number} (line {line})" if line else f"row {number}")
    return reading.table()


def value_at(text: str, wanted: str) -> int:
    """Where the value of a name begins in the text of an object, which has been read before."""
    read = json.JSONDecoder().raw_decode
    at = BETWEEN_FIELDS.match(text).end()
    while True:
        name, end = read(text, at)
        begin = BETWEEN_FIELDS.match(text, end).end()
        if name == wanted:
            return begin
        _, end = read(text, begin)
        at = BETWEEN_FIELDS.match(text, end).end()


def places_in(text: str, begin: int = 0) -> Iterator[int]:
    """The line in which each element of the list that begins there does; the text has been read before, so
    it is sound.
    """
    read = json.JSONDecoder().raw_decode
    at, seen, line = BETWEEN_ELEMENTS.match(text, begin).end(), 0, 1
    while text[at] != "]":
        line += text.count("\n", seen, at)
        yield line
        _, end = read(text, at)
        seen, at = at, BETWEEN_ELEMENTS.match(text, end).end()


def parse_json(text: str) -> Any:
    """JSON in the strict sense. Raises ValueError with the place, also for nesting too deep to read."""
    try:
        return json.loads(
            text, parse_constant=refuse_constant, parse_int=whole_number, object_pairs_hook=object_of
        )
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}" if "\n" in text else f"column {error.colno}"
        raise ValueError(f"{error.msg.removesuffix(' starting at')} at {place}") from error


def refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def whole_number(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number has {len(digits):,} digits; the limit is {MAX_DIGITS}")
    return int(digits)


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object; a name given twice is refused, for one of its values would be lost unseen."""
    named = dict(pairs)
    if len(named) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))
        raise ValueError(f"an object names “{twice[:60]}” twice")
    return named
