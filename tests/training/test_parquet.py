"""Parquet files: read in a process of their own, and whatever that does is a sentence here.

pyarrow is not among this app's packages, so a small package with its interface stands in for it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from adapter_ui.errors import InvalidRecipe
from adapter_ui.training.data import read_table
from adapter_ui.training.sources.parquet import can_read_parquet, read_parquet
from adapter_ui.training.sources.parquet_child import as_text

STAND_IN = """
import datetime, json, os, time
from pathlib import Path
from types import SimpleNamespace

DOINGS = {
    "crash": lambda: os.abort(),
    "hang": lambda: time.sleep(600),
    "grow": lambda: bytes(20_000_000_000),
    "fail": lambda: (_ for _ in ()).throw(OSError("Invalid thrift in /home/me/secret/file")),
}


class ParquetFile:
    def __init__(self, source, memory_map):
        content = json.loads(Path(source).read_bytes()[4:])
        DOINGS.get(content.get("does"), lambda: None)()
        self.rows = [{**row, "day": datetime.date(2026, 1, 2)} for row in content["rows"]]
        self.rows *= content.get("times", 1)
        self.metadata = SimpleNamespace(
            num_columns=content.get("columns", 3), num_rows=content.get("promised", len(self.rows))
        )

    def iter_batches(self, batch_size):
        for start in range(0, len(self.rows), batch_size):
            rows = self.rows[start : start + batch_size]
            yield SimpleNamespace(to_pylist=lambda rows=rows: rows)
"""


def parquet(folder: Path, **content: object) -> Path:
    path = folder / "data.parquet"
    path.write_bytes(b"PAR1" + json.dumps({"rows": [], **content}).encode())
    return path


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "packages" / "pyarrow"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "parquet.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.setenv("PYTHONPATH", str(package.parent), prepend=os.pathsep)


@pytest.mark.usefixtures("reader")
def test_rows_are_read_and_what_is_no_json_is_written_out(tmp_path: Path) -> None:
    assert can_read_parquet()
    rows = [{"prompt": f"{number}\u2028☠", "completion": None} for number in range(600)]
    table = read_table(parquet(tmp_path, rows=rows))
    assert table.columns == ("prompt", "completion", "day")
    assert len(table.rows) == 600
    assert table.rows[599] == {"prompt": "599\u2028☠", "completion": None, "day": "2026-01-02"}
    assert table.places[599] == "row 600"


def test_bytes_are_text_where_they_can_be() -> None:
    assert as_text("Ä ☠".encode()) == "Ä ☠"
    assert as_text(b"\xff\xd8\xff\xe0") == "(4 bytes)"


@pytest.mark.usefixtures("reader")
def test_a_bad_row_is_dropped_by_its_number(tmp_path: Path) -> None:
    table = read_table(parquet(tmp_path, rows=[{"a": 1.5}, {"a": float("nan")}, {"a": 2.5}]))
    assert [row["a"] for row in table.rows] == [1.5, 2.5]
    assert table.dropped == ("row 2: NaN is no JSON number",)


HOSTILE = {
    "a crash": ({"does": "crash"}, "its reader was stopped"),
    "an error": ({"does": "fail"}, "(OSError: Invalid thrift in …/file)"),
    "a bomb of memory": ({"does": "grow"}, "(MemoryError)"),
    "columns": ({"columns": 257}, "257 columns; the limit is 256"),
    "rows": ({"promised": 100_001}, "more than 100,000 rows"),
    "hidden rows": ({"rows": [{"a": "b"}], "times": 100_001, "promised": 2}, "or 100,000 rows"),
    "a bomb of text": ({"rows": [{"a": "b" * 50_000}], "times": 500, "promised": 2}, "more than 20 MB"),
    "no rows": ({}, "The data has no rows"),
}


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize(("content", "sentence"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_refused_and_nothing_else_happens(
    content: dict[str, object], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidRecipe) as caught:
        read_table(parquet(tmp_path, **content))
    assert sentence in caught.value.message
    assert caught.value.field == "data"


@pytest.mark.usefixtures("reader")
def test_a_reader_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(InvalidRecipe, match="took longer than 1 seconds"):
        read_parquet(parquet(tmp_path, does="hang"), deadline_seconds=1.4)


def test_without_a_reader_the_way_out_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(InvalidRecipe, match="and pyarrow, which reads those, is not installed"):
        read_table(parquet(tmp_path))
