"""Data files as people have them: good ones, odd ones, and ones that are refused with the place named."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from adapter_ui.errors import InvalidRecipe
from adapter_ui.training import file_text, reading
from adapter_ui.training.data import read_table

ROWS = [{"prompt": "a", "completion": "b"}, {"prompt": "c", "completion": "d"}]
JSON_LINES = "\n".join(json.dumps(row) for row in ROWS)


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("data.csv", "a,b\n1,2\n")
    return buffer.getvalue()


READ = {
    "csv": "prompt,completion\na,b\nc,d\n",
    "semicolons": "prompt;completion\na;b\nc;d\n",
    "tabs": "prompt\tcompletion\na\tb\nc\td\n",
    "windows": "prompt,completion\r\na,b\r\nc,d\r\n",
    "byte order mark": "\ufeffprompt,completion\na,b\nc,d\n",
    "quotes": '"prompt","completion"\n"a","b"\n"c","d"',
    "blank lines": "\n\nprompt,completion\n\na,b\n\nc,d\n",
    "json lines": JSON_LINES,
    "json lines, blank": JSON_LINES.replace("\n", "\n\n") + "\n",
    "json list": json.dumps(ROWS),
    "json in an object": json.dumps({"data": ROWS}),
    "indented json": json.dumps(ROWS, indent=2),
}


PARTED = {
    "tab.tsv": ("text\tlabel (0, 1, 2)\nx, y, z\t0\nd\t1\n", ("text", "label (0, 1, 2)")),
    "tab.csv": ("text\tlabel (0, 1, 2)\nx\t0\nd\t1\n", ("text", "label (0, 1, 2)")),
    "semicolon.csv": ("text;label (0, 1, 2)\nx;0\nd, e;1\n", ("text", "label (0, 1, 2)")),
    "ragged.csv": ("text,label;a\nx,0;1\nd,1\n", ("text", "label;a")),
    "comma.tsv": ("text,label\nx,0\nd,1\n", ("text", "label")),
}


@pytest.mark.parametrize("name", PARTED)
def test_values_are_parted_by_what_parts_every_line(name: str, tmp_path: Path) -> None:
    text, columns = PARTED[name]
    (tmp_path / name).write_text(text)
    assert read_table(tmp_path / name).columns == columns


@pytest.mark.parametrize("text", READ.values(), ids=READ)
def test_formats_are_told_from_their_content(text: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(text.encode())
    for table in (read_table(text), read_table(tmp_path / "file")):
        assert table.columns == ("prompt", "completion")
        assert [dict(row) for row in table.rows] == ROWS
        assert len(table.places) == 2


REFUSED = {
    "empty": (b"", "The data is empty"),
    "blank": (b" \n\t\n", "The data is empty"),
    "header only": (b"prompt,completion\n", "The data has no rows"),
    "zip": (zipped(), "a zip archive or an Excel workbook; give the rows as CSV"),
    "parquet": (b"PAR1\x00\x00", "Parquet file"),
    "gzip": (b"\x1f\x8b\x08\x00", "a gzip archive"),
    "utf-16": ("prompt,completion\na,b".encode("utf-16"), "UTF-16"),
    "latin-1": ("prompt,completion\na,b\nc,größe".encode("latin-1"), "Line 3 is not UTF-8"),
    "nul": (b"a,b\n1,\x002\n", "Line 2 has a NUL byte"),
    "double header": (b"text,label,text\na,b,c\n", "names the column “text” twice"),
    "open quote": (b'a,b\n1,"2\n3,4\n', "is no CSV"),
    "huge quoted field": (
        b'a,b\n1,"' + b"x" * 200_000 + b'"\n',
        "line 2: “b” has 200,000 characters; the limit is 100,000",
    ),
    "all ragged": (b"a,b\n1\n2\n", "line 2: 1 values where the header has 2"),
    "broken json list": (b'[{"a": 1}, {"a": ]', "The JSON list cannot be read"),
    "json depth": (b"[" * 100_000, "nested too deeply"),
    "json line depth": (b'{"a":' * 100_000, "nested too deeply"),
    "json list of numbers": (b"[1, 2]", "row 1: not an object"),
    "json NaN": (b'[{"a": NaN}]', "NaN is no JSON number"),
    "json overflow": (b'[{"a": 1e999}]', "no finite number"),
    "json digits": (b'[{"a": ' + b"9" * 5_000 + b"}]", "cannot be read"),
    "all lines broken": (b"{a\n{b\n", "line 1: no JSON"),
}


@pytest.mark.parametrize(("content", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_refused_with_the_place(content: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_bytes(content)
    with pytest.raises(InvalidRecipe) as caught:
        read_table(tmp_path / "data.csv")
    assert sentence in caught.value.message
    assert caught.value.field == "data"


DROPPED = {
    "ragged": ("a,b\n1,2\n1,2,3\n4,5\n", "line 3: 3 values where the header has 2"),
    "broken json line": ('{"a": 1}\n{"a": \n{"a": 2}', "line 2: no JSON"),
    "NaN line": ('{"a": 1}\n{"a": NaN}\n{"a": 2}', "line 2: no JSON (NaN is no JSON number)"),
    "a number between objects": ('[{"a": 1}, 7, {"a": 2}]', "row 2: not an object"),
    "a huge cell": (
        json.dumps([{"a": 1}, {"a": "x" * (reading.MAX_FIELD + 1)}, {"a": 2}]),
        "row 2: “a” has 100,001 characters",
    ),
}


@pytest.mark.parametrize(("text", "reason"), DROPPED.values(), ids=DROPPED)
def test_single_bad_rows_are_dropped_and_explained(text: str, reason: str) -> None:
    table = read_table(text)
    assert len(table.rows) == 2
    assert table.dropped_rows == 1
    assert reason in table.dropped[0]


def test_only_the_first_dropped_rows_are_explained() -> None:
    table = read_table("a,b\n1,2\n" + "x\n" * 500)
    assert (table.dropped_rows, len(table.dropped)) == (500, reading.EXPLAINED)


def test_places_are_lines_of_the_file() -> None:
    table = read_table('a,b\n1,2\n\n"3\n4",5\n6,7\n')
    assert table.places == ("line 2", "line 4", "line 6")
    assert table.rows[1]["a"] == "3\n4"
    with pytest.raises(InvalidRecipe, match=r"line 3: 1 values"):
        read_table('a,b\n\n"x\ny\nz"\n')


def test_the_rows_of_a_json_list_are_told_with_their_lines() -> None:
    text = '\n[\n  {"a": "[,\\n"},\n  {\n    "a": 2\n  }, 7\n  ,\n  {"a": 3}\n]\n'
    table = read_table(text)
    assert table.places == ("row 1 (line 3)", "row 2 (line 4)", "row 4 (line 8)")
    assert table.dropped == ("row 3 (line 6): not an object with named fields",)
    assert read_table(json.dumps([{"a": 1}])).places == ("row 1",)


def test_a_spreadsheets_nameless_column_gets_its_position() -> None:
    assert read_table(",text,label\n0,a,b\n1,c,d\n").columns == ("column 1", "text", "label")


def test_bounds_hold(tmp_path: Path) -> None:
    large = tmp_path / "large.csv"
    with large.open("wb") as file:
        file.truncate(file_text.MAX_BYTES + 1)
    for source, sentence in [
        (large, "the limit is 20 MB"),
        ("a\n" + "1\n" * (reading.MAX_ROWS + 1), "more than 100,000 rows"),
        (",".join(f"c{i}" for i in range(300)) + "\n", "300 columns"),
        (json.dumps([{str(i): i} for i in range(300)]), "more than 256 columns"),
    ]:
        with pytest.raises(InvalidRecipe, match=sentence):
            read_table(source)


def test_pasted_text_is_never_taken_for_a_path(tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,2\n3,4\n")
    with pytest.raises(InvalidRecipe, match="no rows"):
        read_table(str(secret))


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_a_path_that_is_no_file_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRecipe, match="not there any more"):
        read_table(tmp_path / name)


def test_half_a_surrogate_pair_in_pasted_text_is_refused() -> None:
    with pytest.raises(InvalidRecipe, match="Line 2 is not UTF-8"):
        read_table("a,b\n\ud800,1\n")


def test_a_json_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_text("prompt,completion\na,b\n")
    with pytest.raises(InvalidRecipe, match="is it JSON"):
        read_table(tmp_path / "data.jsonl")
