"""Files that are wrong as files: encodings, foreign formats, tables that are none, and plain texts."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import zipfile
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Refused:
    sentence: str
    field: str = "data"


@dataclass(frozen=True)
class Kept:
    """The rows that are left, how many were dropped, and the reason of the first."""

    rows: list[dict[str, Any]]
    dropped: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Case:
    content: bytes
    result: Refused | Kept
    name: str = "data.csv"
    task_type: str = "CAUSAL_LM"


AB, CD = {"prompt": "a", "completion": "b"}, {"prompt": "c", "completion": "d"}
TWO = Kept([AB, CD])
TABLE = "prompt,completion\na,b\nc,d\n"
TURNS = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
CHAT = {"messages": TURNS}


def rows(*objects: object) -> bytes:
    return json.dumps(objects).encode()


def lines(*objects: str) -> bytes:
    return "\n".join(objects).encode()


def zipped(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, TABLE)
    return buffer.getvalue()


ENCODINGS = {
    "utf-16 with its mark": Case(TABLE.encode("utf-16"), Refused("This is text in UTF-16; give the rows")),
    "utf-16 little, no mark": Case(TABLE.encode("utf-16-le"), Refused("This is text in UTF-16")),
    "utf-16 big, no mark": Case(TABLE.encode("utf-16-be"), Refused("This is text in UTF-16")),
    "utf-32": Case(TABLE.encode("utf-32"), Refused("This is text in UTF-32")),
    "latin-1": Case("prompt,completion\na,b\nGröße,d".encode("latin-1"), Refused("Line 3 is not UTF-8 text")),
    "cp1252": Case("prompt,completion\n“a”,b\n".encode("cp1252"), Refused("Line 2 is not UTF-8 text; save")),
    "one bad byte": Case(TABLE.encode() + b"\xc3(,x\n", Refused("Line 4 is not UTF-8 text")),
    "byte order mark": Case(b"\xef\xbb\xbf" + TABLE.encode(), TWO),
    "mark before json": Case(b"\xef\xbb\xbf" + rows(AB, CD), TWO),
    "NUL byte": Case(b"prompt,completion\na,\x00b\nc,d\n", Refused("Line 2 has a NUL byte")),
    "NUL escape": Case(
        rows(AB, {"prompt": "\0", "completion": "x"}, CD),
        Kept([AB, CD], 1, "row 2: “prompt” has the control character U+0000"),
    ),
    "control character": Case(
        TABLE.encode() + b"\x1b[31mred,x\n",
        Kept([AB, CD], 1, "line 4: “prompt” has the control character U+001B"),
    ),
    "half a surrogate pair": Case(
        lines(json.dumps(AB), '{"prompt": "\\ud800", "completion": "x"}', json.dumps(CD)),
        Kept([AB, CD], 1, "line 2: “prompt” has half of a surrogate pair"),
    ),
    "half a pair in a name": Case(
        rows(AB, {"\ud800": "x", **AB}, CD),
        Kept([AB, CD], 1, "row 2: the name of a field has half of a surrogate pair"),
    ),
    "half a pair in a turn": Case(
        rows(CHAT, {"messages": [{"role": "user", "content": "\udc00"}]}, CHAT),
        Kept([CHAT, CHAT], 1, "row 2: “messages” has half of a surrogate pair"),
    ),
}
FOREIGN = {
    "zip": Case(zipped("data.csv"), Refused("a zip archive or an Excel workbook")),
    "xlsx": Case(
        zipped("xl/workbook.xml"), Refused("a zip archive or an Excel workbook; give the rows as CSV")
    ),
    "xls": Case(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Refused("an old Excel or Word file")),
    "gzip": Case(gzip.compress(TABLE.encode()), Refused("a gzip archive")),
    "png": Case(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Refused("a PNG picture")),
    "pickle": Case(pickle.dumps([AB, CD]), Refused("a Python pickle")),
    "pickle, in letters": Case(pickle.dumps([AB, CD], protocol=0), Refused("the data has (lp0", "columns")),
    "parquet": Case(b"PAR1\x15\x04", Refused("Parquet file")),
    "pdf": Case(b"%PDF-1.7\n", Refused("a PDF")),
    "web page": Case(
        b"<!DOCTYPE html>\n<title>404, not found</title>", Refused("a web page or XML; download")
    ),
    "git lfs pointer": Case(b"version https://git-lfs.github.com/spec/v1\noid x\n", Refused("Git LFS")),
    "csv named jsonl": Case(TABLE.encode(), Refused("named .jsonl but does not start"), "data.jsonl"),
}
TABLES = {
    "empty": Case(b"", Refused("The data is empty; paste rows or choose a file")),
    "only blank lines": Case(b"\n \n\t\r\n", Refused("The data is empty")),
    "only a header": Case(b"prompt,completion\n", Refused("The data has no rows; give a header line and")),
    "only comments": Case(b"# a\n# b\n", Refused("No row can be read (line 1: a comment")),
    "one row": Case(b"prompt,completion\na,b\n", Refused("1 usable row, and training needs at least 2")),
    "no header": Case(b"a,b\nc,d\ne,f\n", Refused("the data has a, b: say in columns", "columns")),
    "ragged": Case(
        lines("prompt,completion", "a,b", "x", "x,y,z", "c,d"),
        Kept([AB, CD], 2, "line 3: 1 values where the header has 2"),
    ),
    "all ragged": Case(
        b"prompt,completion\na\nb\n", Refused("(line 2: 1 values where the header has 2); mend")
    ),
    "a name twice": Case(b"prompt,completion,prompt\na,b,c\n", Refused("names the column “prompt” twice")),
    "ten thousand columns": Case(
        (",".join(map(str, range(10_000))) + "\n").encode() * 3,
        Refused("The header has 10,000 columns; the limit is 256"),
    ),
    "a huge field": Case(
        f"prompt,completion\na,b\n{'x' * 120_000},y\nc,d\n".encode(),
        Kept([AB, CD], 1, "line 3: “prompt” has 120,000 characters; the limit is 100,000"),
    ),
    "a line of a megabyte": Case(
        b"prompt,completion\n" + b"x" * 1_000_000, Refused("(line 2: 1 values where the header has 2)")
    ),
    "an endless header": Case(b"x" * 1_000_000, Refused("The data has no rows")),
    "unclosed quote": Case(TABLE.encode() + b'e,"f\ng,h\ni,j\n', Refused("Line 4 is no CSV (unexpected end")),
    "text after a quote": Case(TABLE.encode() + b'"e" x,f\n', Refused("Line 4 is no CSV")),
    "quote inside": Case(
        lines("prompt,completion", 'a 5" nail,b', "c,d"),
        Kept([{"prompt": 'a 5" nail', "completion": "b"}, CD]),
    ),
    "single quotes": Case(b"'prompt','completion'\n'a','b'\n", Refused("in quotes that CSV does not know")),
    "curly quotes": Case("“prompt”,“completion”\n“a”,“b”\n".encode(), Refused("in quotes that CSV does not")),
    "blank before quotes": Case(
        b'prompt, completion\n"a", "b, c"\n"c", "d"\n', Kept([{"prompt": "a", "completion": "b, c"}, CD])
    ),
    "tabs named csv": Case(TABLE.replace(",", "\t").encode(), TWO),
    "a tab in a cell": Case(
        lines("prompt,completion", "a\tx,b", "c,d"), Kept([{"prompt": "a\tx", "completion": "b"}, CD])
    ),
    "semicolons": Case(TABLE.replace(",", ";").encode(), TWO),
    "bars": Case(TABLE.replace(",", "|").encode(), TWO),
    "a separator in the header's quotes": Case(b'prompt,completion,"x;y;z"\na,b,1\nc,d,2\n', TWO),
    "excel's separator line": Case(b"sep=;\r\nprompt;completion\r\na;b\r\nc;d\r\n", TWO),
    "comments above": Case(
        b"# made by hand, 2024\n#v2\n" + TABLE.encode(),
        Kept([AB, CD], 2, "line 1: a comment above the header"),
    ),
    "comments between": Case(
        b"prompt,completion\na,b\n# note\nc,d\n", Kept([AB, CD], 1, "line 3: 1 values where the header has 2")
    ),
    "carriage returns alone": Case(TABLE.replace("\n", "\r").encode(), TWO),
    "mixed line ends": Case(
        b"prompt,completion\r\na,b\rc,d\ne\n", Kept([AB, CD], 1, "line 4: 1 values where the header has 2")
    ),
    "an empty cell": Case(TABLE.encode() + b"e,\n , \n", Kept([AB, CD], 1, "line 4: “completion” is empty")),
}
TEXTS = {
    "one text a line": Case(
        b"One, two.\r\nThree.\rFour\n",
        Kept([{"text": "One, two."}, {"text": "Three."}, {"text": "Four"}]),
        "book.txt",
    ),
    "paragraphs": Case(
        b"\n\nOne,\ntwo.\n \n\nThree.\n", Kept([{"text": "One,\ntwo."}, {"text": "Three."}]), "book.TXT"
    ),
    "a long paragraph": Case(
        b"One.\n\n" + b"x " * 60_000 + b"\n\nTwo.\n",
        Kept([{"text": "One."}, {"text": "Two."}], 1, "line 3: “text” has 120,000 characters"),
        "book.txt",
    ),
    "a table named txt": Case(TABLE.encode(), TWO, "table.txt"),
    "a blank text file": Case(b" \n \n", Refused("The data is empty"), "book.txt"),
    "broken json named txt": Case(b'[{"text": 1},', Refused("The JSON list cannot be read"), "book.txt"),
    "a log": Case(
        b"[10:00] Anne: a\n[10:01] Jack: b\n",
        Kept([{"text": "[10:00] Anne: a"}, {"text": "[10:01] Jack: b"}]),
        "chat.txt",
    ),
    "a text with braces": Case(
        b"{{Box}}\n[[File:a]]\n", Kept([{"text": "{{Box}}"}, {"text": "[[File:a]]"}]), "wiki.txt"
    ),
}
