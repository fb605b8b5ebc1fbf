"""The head that an adapter brings with it: how many classes it has, and what they are called.

Reads the files of adapter and base only; knows nothing of models.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from adapter_ui.domain import ADAPTER_WEIGHTS
from adapter_ui.domain.heads import MOST_CLASSES, class_count
from adapter_ui.errors import BadAdapter
from adapter_ui.models.adapter_files import read_table
from adapter_ui.models.base_files import read_base_config

LABELS_FILE = "label_names.json"
LABELS_BYTES = 1_000_000
LONGEST_NAME = 120


def labels_of(folder: Path, base: Path) -> tuple[str, ...]:
    """Names of the classes of a head: as many as the head in the adapter's file has rows.

    From `label_names.json`, which this app's own runs write, else from the config of the base where that has
    as many, else LABEL_0, LABEL_1, … as transformers has it. PEFT itself keeps no label names. Empty when
    the file has no head. Raises BadAdapter, and BaseUnavailable for a base that cannot be read.
    """
    count = head_rows(folder)
    if not count:
        return ()
    names = own_names(folder)
    if len(names) != count:
        names = names_in_config(read_base_config(base))
    if len(names) != count:
        names = [f"LABEL_{index}" for index in range(count)]
    # half of a character, which JSON can hold, could not be sent with an answer
    whole = (name.encode("utf-8", "replace").decode() for name in names)
    return tuple(name[:LONGEST_NAME] for name in whole)


def says_one_class(folder: Path) -> bool:
    """Whether the head was trained to say one of its classes, as each of this app's is, which alone names
    them. Others may say several, or a number, as their base's config has it (problem_type).
    """
    return bool(own_names(folder))


def own_names(folder: Path) -> list[str]:
    """The names that come with the adapter; none where there are none."""
    file = folder / LABELS_FILE
    if not file.is_file():
        return []
    try:
        with file.open("rb") as opened:
            names = json.loads(opened.read(LABELS_BYTES + 1))
    except (OSError, ValueError, RecursionError) as error:
        raise BadAdapter(f"{LABELS_FILE} cannot be read, so ask the author to upload it again.") from error
    return [str(name) for name in names] if isinstance(names, list) else []


def names_in_config(config: dict[str, Any]) -> list[str]:
    """The names of a config's id2label in order; none where it does not name every class by its number."""
    names = config.get("id2label")
    if not isinstance(names, dict) or names.keys() != {str(index) for index in range(len(names))}:
        return []
    ordered = [names[str(index)] for index in range(len(names))]
    return ordered if all(isinstance(name, str) for name in ordered) else []


def head_rows(folder: Path) -> int:
    """The classes of the head in the adapter's file; 0 where it has none."""
    rows = class_count({one.name: one.shape for one in read_table(folder)})
    if rows > MOST_CLASSES:
        raise BadAdapter(
            f"{ADAPTER_WEIGHTS} has a head of {rows:,} classes, more than {MOST_CLASSES:,}; no sound one has."
        )
    return rows
