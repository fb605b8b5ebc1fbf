"""Parquet files: read in a process of their own, and whatever that does is a sentence here.

The files are real ones. What pyarrow itself does only with a fault in it (a crash, a hang, more rows than the
file says) is done by a small package in its place.
"""

from __future__ import annotations

import datetime
import decimal
import json
import os
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from adapter_ui.errors import InvalidRecipe
from adapter_ui.training.data import read_table
from adapter_ui.training.sources.parquet import read_parquet

BROKEN = """
import json, os, time
from pathlib import Path
from types import SimpleNamespace

DOINGS = {
    "crash": lambda: os.abort(),
    "hang": lambda: time.sleep(600),
    "grow": lambda: bytes(20_000_000_000),
    "fail": lambda: (_ for _ in ()).throw(OSError("Invalid thrift in /home/me/secret/file")),
    "more rows": lambda: None,
}


class ParquetFile:
    def __init__(self, source, memory_map):
        DOINGS[Path(source).read_bytes()[4:].decode()]()
        self.metadata = SimpleNamespace(num_columns=1, num_rows=2)
        self.schema_arrow = SimpleNamespace(metadata=None)

    def iter_batches(self, batch_size, use_threads):
        while True:
            yield SimpleNamespace(to_pylist=lambda: [{"a": "b"}] * batch_size)
"""


def written(path: Path, columns: dict[str, Any], features: object = None) -> Path:
    """A Parquet file; `features` as the library `datasets` writes them into the schema."""
    table = pyarrow.table(columns)
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    parquet.write_table(table, path, compression="zstd")
    return path


def test_rows_of_every_kind_are_read(tmp_path: Path) -> None:
    rows = 600
    columns = {
        "prompt": [f"{number}\u2028☠" for number in range(rows)],
        "completion": [None] * rows,
        "day": [datetime.date(2026, 1, 2)] * rows,
        "price": [decimal.Decimal("1.50")] * rows,
        "old text": ["Ä ☠".encode()] * rows,
        "picture": [{"bytes": b"\xff\xd8\xff\xe0", "path": "a.jpg"}] * rows,
        "messages": [[{"role": "user", "content": "Ahoy"}]] * rows,
        "kind": pyarrow.array(["a", "b"] * (rows // 2)).dictionary_encode(),
    }
    table = read_table(written(tmp_path / "data.parquet", columns))
    assert table.columns == tuple(columns)
    assert len(table.rows) == rows
    assert table.places[599] == "row 600"
    assert table.rows[599] == {
        "prompt": "599\u2028☠",
        "completion": None,
        "day": "2026-01-02",
        "price": "1.50",
        "old text": "Ä ☠",
        "picture": {"bytes": "(4 bytes)", "path": "a.jpg"},
        "messages": [{"role": "user", "content": "Ahoy"}],
        "kind": "b",
    }


def test_a_number_that_is_none_is_an_empty_cell(tmp_path: Path) -> None:
    columns = {
        "a": [1.5, float("nan"), float("-inf")],
        "nested": [[{"b": [float("inf"), 2.0]}], [], None],
        "mapped": pyarrow.array([[("b", float("nan"))], [], None], pyarrow.map_("string", "float64")),
    }
    table = read_table(written(tmp_path / "data.parquet", columns))
    assert [row["a"] for row in table.rows] == [1.5, None, None]
    assert table.rows[0]["nested"] == [{"b": [None, 2.0]}]
    assert table.rows[0]["mapped"] == [["b", None]]
    assert table.dropped_rows == 0


def test_a_bad_row_is_dropped_by_its_number(tmp_path: Path) -> None:
    table = read_table(written(tmp_path / "data.parquet", {"a": ["Ahoy", "\x00", "Arrr"]}))
    assert [row["a"] for row in table.rows] == ["Ahoy", "Arrr"]
    assert table.dropped == ("row 2: “a” has the control character U+0000",)


CLASSES = {"names": ["neg", "pos"], "_type": "ClassLabel"}
TAGS = {"names": ["O", "B-PER"], "_type": "ClassLabel"}
SEQUENCES = {
    "a list": {"feature": TAGS, "_type": "List"},
    "a sequence": {"feature": TAGS, "length": -1, "_type": "Sequence"},
    "a list of one": [TAGS],
}


@pytest.mark.parametrize("sequence", SEQUENCES.values(), ids=SEQUENCES)
def test_classes_have_the_names_that_the_dataset_gives_them(sequence: object, tmp_path: Path) -> None:
    text = {"dtype": "string", "_type": "Value"}
    columns = {
        "text": ["a", "b", "c"],
        "label": [1, -1, 7],
        "ner_tags": [[0, 1], [], None],
        "plain": [0, 1, 0],
    }
    features = {"text": text, "label": CLASSES, "ner_tags": sequence, "plain": text, "gone": CLASSES}
    table = read_table(written(tmp_path / "data.parquet", columns, features))
    assert [row["label"] for row in table.rows] == ["pos", None, 7]
    assert [row["ner_tags"] for row in table.rows] == [["O", "B-PER"], [], None]
    assert [row["plain"] for row in table.rows] == [0, 1, 0]


NO_FEATURES = {
    "no object": [],
    "no names": {"label": {"_type": "ClassLabel"}},
    "names that are none": {"label": {"names": [1, 2], "_type": "ClassLabel"}},
    "no classes": {"label": {"names": ["neg", "pos"], "_type": "Value"}},
    "deep": {"label": {"feature": {"feature": CLASSES}}},
}


@pytest.mark.parametrize("features", NO_FEATURES.values(), ids=NO_FEATURES)
def test_features_of_the_wrong_kind_name_nothing(features: object, tmp_path: Path) -> None:
    table = read_table(written(tmp_path / "data.parquet", {"label": [0, 1]}, features))
    assert [row["label"] for row in table.rows] == [0, 1]


@pytest.mark.parametrize("metadata", [b"{", b"[" * 100_000, b"\xff", b"[]", b'{"info": 3}'])
def test_metadata_that_is_no_json_names_nothing(metadata: bytes, tmp_path: Path) -> None:
    table = pyarrow.table({"label": [0, 1]}).replace_schema_metadata({"huggingface": metadata})
    parquet.write_table(table, tmp_path / "data.parquet")
    assert [row["label"] for row in read_table(tmp_path / "data.parquet").rows] == [0, 1]


HOSTILE = {
    "columns": ({f"c{number}": [1] for number in range(257)}, "257 columns; the limit is 256"),
    "rows": ({"a": [1] * 100_001}, "more than 100,000 rows"),
    "a bomb of text": ({"a": ["b" * 50_000] * 500}, "more than 20 MB"),
    "no rows": ({"a": []}, "The data has no rows"),
    "no columns": ({}, "The data has no rows"),
}


@pytest.mark.parametrize(("columns", "sentence"), HOSTILE.values(), ids=HOSTILE)
def test_what_is_more_than_the_limits_or_nothing_is_refused(
    columns: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidRecipe) as caught:
        read_table(written(tmp_path / "data.parquet", columns))
    assert sentence in caught.value.message
    assert caught.value.field == "data"


def test_a_file_that_is_cut_or_changed_anywhere_is_read_or_refused(tmp_path: Path) -> None:
    whole = written(tmp_path / "data.parquet", {"a": ["Ahoy", "Arrr"]}).read_bytes()
    broken = tmp_path / "broken.parquet"
    refused = 0
    for at in range(4, len(whole), len(whole) // 12):
        for content in (whole[:at], whole[:at] + b"\xff\xff\xff\xff" + whole[at + 4 :]):
            broken.write_bytes(content)
            try:
                read_table(broken)
            except InvalidRecipe as error:
                refused += "The Parquet file cannot be read" in error.message
    assert refused > 12


@pytest.fixture
def broken_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "packages" / "pyarrow"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "parquet.py").write_text(BROKEN)
    monkeypatch.setenv("PYTHONPATH", str(package.parent), prepend=os.pathsep)


def told_to(folder: Path, doing: str) -> Path:
    path = folder / "data.parquet"
    path.write_bytes(b"PAR1" + doing.encode())
    return path


FAULTS = {
    "crash": "its reader was stopped",
    "fail": "(OSError: Invalid thrift in …/file)",
    "grow": "(MemoryError)",
    "more rows": "or 100,000 rows",
}


@pytest.mark.usefixtures("broken_reader")
@pytest.mark.parametrize(("doing", "sentence"), FAULTS.items(), ids=FAULTS)
def test_a_fault_in_the_reader_is_a_sentence(doing: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRecipe) as caught:
        read_table(told_to(tmp_path, doing))
    assert sentence in caught.value.message
    assert caught.value.field == "data"


@pytest.mark.usefixtures("broken_reader")
def test_a_reader_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(InvalidRecipe, match="took longer than 1 seconds"):
        read_parquet(told_to(tmp_path, "hang"), deadline_seconds=1.4)
