"""Whether the fields of an adapter's config are of the kinds that PEFT's own config says.

The kinds come from PEFT's annotations, so a method that a newer PEFT brings is checked as well. A number is a
number here: adapters with a lora_alpha of 16.0 are common, though PEFT says int.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from peft import PeftConfig

from adapter_ui.domain import ADAPTER_CONFIG
from adapter_ui.errors import ConfigUnreadable

NUMBER, TEXT, FLAG, LIST, OBJECT = "a number", "a text", "true or false", "a list", "an object"
KINDS = {bool: FLAG, int: NUMBER, float: NUMBER, str: TEXT, list: LIST, tuple: LIST, set: LIST, dict: OBJECT}


def refuse_other_kinds(values: Mapping[str, Any], config_class: type[PeftConfig]) -> None:
    """Raise ConfigUnreadable for the first field whose value, or a value in its list, is of another kind."""
    hints = type_hints(config_class)
    for field, value in values.items():
        if not is_of(value, hints[field]):
            kinds = " or ".join(sorted(kinds_of(hints[field])))
            raise ConfigUnreadable(
                f"The field “{field}” of {ADAPTER_CONFIG} is not {kinds}; ask the author for a sound one."
            )


@cache
def type_hints(config_class: type[PeftConfig]) -> Mapping[str, Any]:
    return get_type_hints(config_class)


def is_of(value: Any, hint: Any) -> bool:
    if get_origin(hint) in (Union, UnionType):
        return any(is_of(value, one) for one in get_args(hint))
    if hint is NoneType:
        return value is None
    kinds = kinds_of(hint)
    if kinds and KINDS.get(type(value)) not in kinds:
        return False
    inner = get_args(hint)
    if get_origin(hint) is list and isinstance(value, list):
        return all(is_of(one, inner[0]) for one in value)
    return True


def kinds_of(hint: Any) -> set[str]:
    """The JSON kinds that a hint allows; none where it says nothing."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return set().union(*(kinds_of(one) for one in get_args(hint)))
    if origin is Literal:
        return {KINDS[type(one)] for one in get_args(hint)}
    if is_dataclass(hint):
        return {OBJECT}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {TEXT}
    return {KINDS[origin or hint]} if (origin or hint) in KINDS else set()
