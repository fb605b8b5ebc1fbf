"""The fields that each method's config has in the PEFT that this app is built on, with their defaults.

They stand in a file, since this process never imports PEFT: `python -m tests.catalog.peft_fields` writes it,
and a test holds it against the installed PEFT.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from functools import cache
from pathlib import Path
from typing import Any

FIELDS_FILE = Path(__file__).with_name("fields.json")


def default_fields(method: str) -> Mapping[str, Any]:
    """Every field of the method's config with its default, empty for a method that PEFT does not have."""
    table = read_table()
    return table["common"] | table["methods"][method] if method in table["methods"] else {}


@cache
def read_table() -> dict[str, Any]:
    return json.loads(FIELDS_FILE.read_text())


def unknown_fields(method: str, names: Set[str]) -> list[str]:
    """Those of `names` that the config of a known method does not have: another PEFT wrote them."""
    known = default_fields(method)
    return sorted(names - known.keys()) if known else []
