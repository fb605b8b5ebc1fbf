"""Checks of what a caller of the API sent: a value of the right kind, or a sentence that names the field.

All raise InvalidInput. What a value means is checked where it is used.
"""

from __future__ import annotations

import math

from adapter_ui.domain import TEXT_BOUND
from adapter_ui.errors import InvalidInput


def checked_text(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{field} must be a string.", field=field)
    if len(value) > TEXT_BOUND:
        raise InvalidInput(f"{field} has at most {TEXT_BOUND:,} characters.", field=field)
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidInput(f"{field} holds half of a character (a lone surrogate); delete it.", field=field)
    return value


def number(value: object, field: str) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or (isinstance(value, float) and not math.isfinite(value)):
        raise InvalidInput(f"{field} must be a number.", field=field)
    return value


def whole(value: object, field: str) -> int:
    """An integer; JSON clients send 8 as 8.0."""
    if number(value, field) != int(value):
        raise InvalidInput(f"{field} must be a whole number.", field=field)
    return int(value)


def bound(value: object, field: str) -> int | None:
    """One end of a range; None leaves that end open."""
    return None if value is None else whole(value, field)


def boolean(value: object, field: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput(f"{field} must be true or false.", field=field)
    return value


def strings(value: object, field: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidInput(f"{field} must be a list of strings.", field=field)
    return tuple(value)
