"""Rows of a Parquet file, read by pyarrow.

That reader is native code and the file is a stranger's, so a short child process with bounds turns it into
JSON lines, and those are read like any other.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from adapter_ui.domain import Table
from adapter_ui.training.file_text import MAX_BYTES, file_text, refuse
from adapter_ui.training.json_rows import parse_json
from adapter_ui.training.process import last_error_line
from adapter_ui.training.reading import Reading
from adapter_ui.training.run_folder import read_json
from adapter_ui.training.short_child import run_to_end
from adapter_ui.training.sources import parquet_child

MAGIC = b"PAR1"
DEADLINE_SECONDS = 30.0


def is_parquet(path: Path) -> bool:
    """Whether the file says of itself that it is one; a file that is not there is none."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def read_parquet(path: Path, deadline_seconds: float = DEADLINE_SECONDS) -> Table:
    """Read the file in a child process. Raises InvalidRecipe (field "data") as for every other file, also
    when the reader crashes, takes too long, or makes more of the file than its limits.
    """
    if path.stat().st_size > MAX_BYTES:
        refuse(f"The Parquet file is larger than {MAX_BYTES / 1e6:.0f} MB; train on a part of it.")
    with tempfile.TemporaryDirectory(prefix="adapter-ui-parquet-") as name:
        folder = Path(name)
        (folder / parquet_child.SOURCE).symlink_to(path.resolve())
        stderr = folder / "stderr.log"
        if not run_to_end(parquet_child.__name__, folder, stderr, deadline_seconds):
            refuse(
                f"Reading the Parquet file took longer than {deadline_seconds:.0f} seconds; try fewer rows."
            )
        answer = folder / parquet_child.ANSWER
        if not answer.exists():
            reason = last_error_line(stderr) or "its reader was stopped, most likely for memory"
            refuse(f"The Parquet file cannot be read ({reason}); save the rows as JSON lines instead.")
        if problem := read_json(answer)["problem"]:
            refuse(problem)
        return table_of_lines(file_text(folder / parquet_child.ROWS))


def table_of_lines(text: str) -> Table:
    """Every line is one row of the file and ends with a line feed; a bad one is named by its row."""
    reading = Reading()
    for number, line in enumerate(text.split("\n")[:-1], start=1):
        try:
            reading.add(parse_json(line), f"row {number}")
        except ValueError as error:
            reading.drop(f"row {number}: {error}")
    return reading.table()
