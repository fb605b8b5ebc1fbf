"""Several data files read as one: the shards of a dataset become one file of JSON lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain, islice, repeat
from pathlib import Path

from adapter_ui.training.data import read_table


def join_files(paths: Sequence[Path], target: Path) -> Path:
    """Write the rows of all files into `target`. Raises InvalidRecipe (field "data") as reading each does.

    A row that could not be used becomes a text, which no reader takes for a row: so it is counted again.
    """
    with target.open("w", encoding="utf-8") as out:
        for path in paths:
            table = read_table(path)
            reasons = islice(chain(table.dropped, repeat("unusable")), table.dropped_rows)
            lines = (json.dumps(line, ensure_ascii=False) for line in chain(table.rows, reasons))
            out.writelines(f"{line}\n" for line in lines)
    return target
