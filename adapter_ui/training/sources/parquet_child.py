"""`python -m adapter_ui.training.sources.parquet_child FOLDER` writes a Parquet file's rows as JSON lines.

Reads `source.parquet` in the folder; writes `rows.jsonl`, and `answer.json` at the end. Limits its own memory
first, and imports pyarrow only as this process: the app never loads it.
"""

from __future__ import annotations

import json
import math
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adapter_ui.training.file_text import MAX_BYTES
from adapter_ui.training.reading import MAX_COLUMNS, MAX_ROWS
from adapter_ui.training.run_folder import write_json
from adapter_ui.training.sources.class_names import class_names, with_names

SOURCE, ROWS, ANSWER = "source.parquet", "rows.jsonl", "answer.json"
MOST_MEMORY = 4_000_000_000
BATCH_ROWS = 256


def convert(folder: Path) -> str:
    """Write the rows; gives what keeps them from being used, or ""."""
    from pyarrow.parquet import ParquetFile

    source = ParquetFile(folder / SOURCE, memory_map=False)
    columns, rows = source.metadata.num_columns, source.metadata.num_rows
    if columns > MAX_COLUMNS:
        return f"The Parquet file has {columns:,} columns; the limit is {MAX_COLUMNS}."
    if rows > MAX_ROWS:
        return f"The data has more than {MAX_ROWS:,} rows; train on a part of it."
    return write_rows(batch_rows(source), folder / ROWS)


def batch_rows(source: Any) -> Iterator[dict[str, Any]]:
    names = class_names(source.schema_arrow.metadata)
    for batch in source.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
        yield from (with_names(row, names) for row in batch.to_pylist())


def write_rows(rows: Iterator[dict[str, Any]], path: Path) -> str:
    """The rows that the file promises may be fewer than those it holds, so they are counted again."""
    size = 0
    with path.open("w", encoding="utf-8") as out:
        for number, row in enumerate(rows, start=1):
            line = json.dumps(without_nan(row), ensure_ascii=False, default=as_text) + "\n"
            size += len(line.encode())
            if size > MAX_BYTES or number > MAX_ROWS:
                return (
                    f"The Parquet file unpacks to more than {MAX_BYTES / 1e6:.0f} MB or {MAX_ROWS:,} rows; "
                    "train on a part of it."
                )
            out.write(line)
    return ""


def without_nan(value: Any) -> Any:
    """A number that is none stands in Parquet for no value; JSON has null for that."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: without_nan(each) for name, each in value.items()}
    return [without_nan(each) for each in value] if isinstance(value, (list, tuple)) else value


def as_text(value: object) -> str:
    """Dates, times and decimals as they are written. Older writers leave texts as bytes; of others (pictures,
    sounds) it is only said that they are some.
    """
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return f"({len(value)} bytes)"


def main(folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    write_json(folder / ANSWER, {"problem": convert(folder)})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
