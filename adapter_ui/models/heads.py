"""The head that an adapter brings with it: how many classes it has, and what they are called.

Reads the adapter's files only; knows nothing of models.
"""

from __future__ import annotations

import json
from pathlib import Path

from adapter_ui.domain import ADAPTER_WEIGHTS
from adapter_ui.errors import BadAdapter
from adapter_ui.models.adapter_files import read_table

LABELS_FILE = "label_names.json"
LABELS_BYTES = 1_000_000
MOST_CLASSES = 100_000
HEADS = ("score", "classifier", "qa_outputs")


def labels_of(folder: Path) -> tuple[str, ...]:
    """Names of the classes of a classification head: as many as the head in the file has rows.

    From `label_names.json`, which this app's own runs write, else LABEL_0, LABEL_1, … as transformers has
    it. PEFT itself keeps no label names. Empty when the file has no head.
    """
    count = head_rows(folder)
    names_file = folder / LABELS_FILE
    if names_file.is_file():
        try:
            with names_file.open("rb") as file:
                names = json.loads(file.read(LABELS_BYTES + 1))
        except (OSError, ValueError, RecursionError) as error:
            raise BadAdapter(
                f"{LABELS_FILE} cannot be read, so ask the author to upload it again."
            ) from error
        if isinstance(names, list) and len(names) == count:
            return tuple(str(name)[:120] for name in names)
    return tuple(f"LABEL_{index}" for index in range(count))


def head_rows(folder: Path) -> int:
    heads = {one.name: one.shape for one in read_table(folder) if is_head(one.name) and len(one.shape) == 2}
    # A head of two layers ends in out_proj; its last layer has the classes.
    rows = next((heads[name][0] for name in sorted(heads, key=lambda key: "out_proj" not in key)), 0)
    if rows > MOST_CLASSES:
        raise BadAdapter(
            f"{ADAPTER_WEIGHTS} has a head of {rows:,} classes, more than {MOST_CLASSES:,}; no sound one has."
        )
    return rows


def is_head(key: str) -> bool:
    return key.endswith(".weight") and any(f".{head}." in f".{key}" for head in HEADS) and "lora_" not in key
