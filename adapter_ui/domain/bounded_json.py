"""A stranger's JSON within bounds: its size, depth, lengths and number of values (pure).

What its fields mean is not known here. The sentences name the file and say no more of what it holds.
"""

from __future__ import annotations

import json
from typing import Any

JSON_BYTES = 1_000_000
MOST_DEPTH = 8
MOST_ITEMS = 50_000
LONGEST_STRING = 20_000
LARGEST_NUMBER = 1e15


class JSONOutOfBounds(ValueError):
    """No JSON object, or larger than any sound one; the message is one sentence."""


def read_object(data: bytes, name: str) -> dict[str, Any]:
    """The JSON object in the bytes of the file called `name`. Raises JSONOutOfBounds."""
    if len(data) > JSON_BYTES:
        raise JSONOutOfBounds(f"{name} is larger than {JSON_BYTES:,} bytes; no sound one is.")
    try:
        values = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise JSONOutOfBounds(f"{name} is not JSON; ask the author to upload it again.") from error
    if not isinstance(values, dict):
        raise JSONOutOfBounds(f"{name} is not a JSON object; ask the author to upload it again.")
    check_extent(values, name)
    return values


def check_extent(values: Any, name: str, depth: int = 0) -> int:
    """Check depth and lengths all the way down; gives the number of values seen."""
    if depth > MOST_DEPTH:
        raise JSONOutOfBounds(f"{name} is nested deeper than {MOST_DEPTH} levels; no sound one is.")
    if isinstance(values, str) and len(values) > LONGEST_STRING:
        raise JSONOutOfBounds(f"{name} holds a text longer than {LONGEST_STRING:,} characters.")
    if not isinstance(values, dict | list):
        return 1
    if isinstance(values, dict) and any(len(key) > LONGEST_STRING for key in values):
        raise JSONOutOfBounds(f"{name} holds a key longer than {LONGEST_STRING:,} characters.")
    items = values.values() if isinstance(values, dict) else values
    count = sum(check_extent(item, name, depth + 1) for item in items)
    if count > MOST_ITEMS:
        raise JSONOutOfBounds(f"{name} holds more than {MOST_ITEMS:,} values; no sound one does.")
    return count


def is_finite(values: Any) -> bool:
    """Whether every number, all the way down, is one that can be computed with."""
    if isinstance(values, int | float):
        return abs(values) <= LARGEST_NUMBER
    items = values.values() if isinstance(values, dict) else values
    return not isinstance(values, dict | list) or all(is_finite(item) for item in items)
