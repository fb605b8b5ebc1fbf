"""One cell of a table as a text or as a list of words, or why it is none.

Knows nothing of tasks or of what a column means.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from adapter_ui.training.json_rows import parse_json
from adapter_ui.training.reading import text_problem


class UnusableRow(Exception):
    """Why one row is left out; caught where the rows are gathered."""


def text_of(row: Mapping[str, Any], column: str) -> str:
    """A cell as text. Numbers and booleans of JSON are written out; what is empty or nested is refused."""
    value = row.get(column)
    if value is None or value == "":
        raise UnusableRow(f"“{column[:40]}” is empty")
    if isinstance(value, (list, dict)):
        raise UnusableRow(f"“{column[:40]}” is a list or an object, not a text")
    text = value if isinstance(value, str) else json.dumps(value)
    if not text.strip():
        raise UnusableRow(f"“{column[:40]}” is blank")
    if problem := text_problem(text):
        raise UnusableRow(f"“{column[:40]}” {problem}")
    return text


def optional_text(row: Mapping[str, Any], columns: Mapping[str, str], role: str) -> str:
    if role not in columns or row.get(columns[role]) in (None, "") or not str(row[columns[role]]).strip():
        return ""
    return text_of(row, columns[role])


def words_of(value: object, column: str) -> list[str]:
    """A list of words: from JSON, from a JSON list in a cell, or parted by blanks."""
    if isinstance(value, str):
        value = parsed_cell(value) if value.lstrip().startswith("[") else value.split()
    if not isinstance(value, list) or not value:
        raise UnusableRow(f"“{column[:40]}” is no list of words")
    return [text_of({column: word}, column) for word in value]


def parsed_cell(cell: str) -> object:
    try:
        return parse_json(cell)
    except ValueError as error:
        raise UnusableRow(f"the cell is no JSON list ({error})") from error
