"""The head that an adapter brings with it: how many classes it has, and what they are called.

Reads the adapter's files only; knows nothing of models.
"""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from adapter_ui.domain import ADAPTER_WEIGHTS
from adapter_ui.errors import BadAdapter

LABELS_FILE = "label_names.json"
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
            names = json.loads(names_file.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise BadAdapter(f"{LABELS_FILE} cannot be read: {error}.") from error
        if isinstance(names, list) and len(names) == count:
            return tuple(str(name)[:120] for name in names)
    return tuple(f"LABEL_{index}" for index in range(count))


def head_rows(folder: Path) -> int:
    try:
        with safe_open(folder / ADAPTER_WEIGHTS, framework="pt") as file:
            names = [key for key in list(file.keys()) if is_head(key)]
            shapes = {key: file.get_slice(key).get_shape() for key in names}
    except (OSError, SafetensorError) as error:
        raise BadAdapter(f"{ADAPTER_WEIGHTS} cannot be read: {error}.") from error
    # A head of two layers ends in out_proj; its last layer has the classes.
    for key in sorted(shapes, key=lambda key: "out_proj" not in key):
        return shapes[key][0]
    return 0


def is_head(key: str) -> bool:
    return key.endswith(".weight") and any(f".{head}." in f".{key}" for head in HEADS) and "lora_" not in key
