"""The names of classes in a Parquet file (pure).

The library `datasets` writes classes as numbers, and their names, with the features of every column, as JSON
into the file's schema, under `huggingface`: so do most datasets on the Hub
(https://huggingface.co/docs/datasets/about_dataset_features). The file is a stranger's: what has the wrong
kind names nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

KEY = b"huggingface"
UNLABELLED = -1

Names = Mapping[str, list[str]]


def class_names(metadata: Mapping[bytes, bytes] | None) -> Names:
    """Column -> the names that its numbers, or the numbers in its lists, stand for."""
    try:
        written = json.loads((metadata or {}).get(KEY, b"{}"))
    except (ValueError, RecursionError):
        return {}
    features = inner(inner(written, "info"), "features")
    found = {name: names_of(feature) for name, feature in features.items()}
    return {name: names for name, names in found.items() if names}


def names_of(feature: Any) -> list[str]:
    """Of a ClassLabel, or of the ClassLabel in a list: older versions call that a Sequence, and the oldest
    write a list of one feature.
    """
    if isinstance(feature, list) and len(feature) == 1:
        feature = feature[0]
    elif inner(feature, "feature"):
        feature = feature["feature"]
    names = feature.get("names") if isinstance(feature, dict) else None
    named = isinstance(names, list) and names and all(isinstance(name, str) for name in names)
    return names if named and feature.get("_type") == "ClassLabel" else []


def inner(value: Any, name: str) -> Mapping[str, Any]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def with_names(row: Mapping[str, Any], names: Names) -> dict[str, Any]:
    return {**row, **{column: named(row[column], each) for column, each in names.items() if column in row}}


def named(value: Any, names: list[str]) -> Any:
    """A number that stands for no class stays a number; the one for "no label" becomes None."""
    if isinstance(value, list):
        return [named(each, names) for each in value]
    if type(value) is not int:
        return value
    if value == UNLABELLED:
        return None
    return names[value] if 0 <= value < len(names) else value
