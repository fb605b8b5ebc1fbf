"""Several data files read as one: the shards of a dataset become one file of JSON lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain, islice, repeat
from pathlib import Path

from adapter_ui.training.data import read_table
from adapter_ui.training.json_rows import LEFT_OUT


def join_files(paths: Sequence[Path], target: Path) -> Path:
    """Write the rows of all files into `target`. Raises InvalidRecipe (field "data") as reading each does.

    A row that could not be used leaves its reason, which no reader takes for a row: so it is counted again.
    """
    with target.open("w", encoding="utf-8") as out:
        for number, path in enumerate(paths, start=1):
            table = read_table(path)
            out.writelines(f"{json.dumps(row, ensure_ascii=False)}\n" for row in table.rows)
            reasons = islice(chain(table.dropped, repeat("unusable")), table.dropped_rows)
            # in ASCII, for a name in a reason may have half of a character, which no file takes
            out.writelines(f"{json.dumps([LEFT_OUT, f'file {number}, {why}'])}\n" for why in reasons)
    return target
