"""Read a data file, or pasted text, into a table: CSV, TSV, JSON, JSON lines, Parquet or plain text.

A stranger's bytes: everything is bounded and every refusal says where. What the columns mean is told
elsewhere.

A `.txt` file that is neither JSON nor a table becomes one column, `text`: paragraphs where blank lines part
them, else one text a line. It counts as JSON when it begins as rows do (“[10:00] Anne: ahoy” is a log), and
as a table when all of its first lines have equally many separators.
"""

from __future__ import annotations

import csv
import io
import re
from itertools import islice
from pathlib import Path

from adapter_ui.domain import Table
from adapter_ui.training.file_text import MAX_BYTES, file_text, pasted_text, refuse
from adapter_ui.training.json_rows import read_json_list, read_json_objects
from adapter_ui.training.reading import MAX_COLUMNS, Reading
from adapter_ui.training.sources.parquet import is_parquet, read_parquet
from adapter_ui.training.squad import unfolded

SEPARATORS = ",;\t|"
SNIFFED_LINES = 20
FEWEST_TABLE_LINES = 3
csv.field_size_limit(MAX_BYTES)  # a longer cell than the module's own limit is that row's trouble alone
QUOTED = re.compile(r'"[^"]*"')
EXCEL_SEPARATOR = re.compile(r'"?sep=([,;\t|])"?', re.IGNORECASE)
NEXT_LINE = re.compile(r"[\r\n]*(?P<line>[^\r\n]*)")
LINE_END = re.compile(r"\r\n|\r|\n")
LINE_ENDS = re.compile(r"\n+")
BLANK_LINES = re.compile(r"\n\s*\n")
JSON_ROWS = re.compile(r'\s*(?:\[\s*\{|\{\s*["}])')
WRONG_QUOTES = {"'": "'", "“": "”", "„": "“", "‘": "’", "«": "»"}


def read_table(source: str | Path) -> Table:
    """Read pasted text (a `str`) or a file (a `Path`); the format is told from the content.

    Single bad lines are dropped and listed with their line numbers. Raises InvalidRecipe (field "data") when
    the whole cannot be read: too large, binary, not UTF-8, no rows, broken JSON, a column named twice.
    """
    is_file = isinstance(source, Path)
    if is_file and is_parquet(source):
        return read_parquet(source)
    text = file_text(source) if is_file else pasted_text(source)
    suffix = source.suffix.lower() if is_file else ""
    start = text.lstrip()[:1]
    if not start:
        refuse("The data is empty; paste rows or choose a file.")
    if suffix != ".txt" or JSON_ROWS.match(text):
        if start == "[":
            return unfolded(read_json_list(text))
        if start == "{":
            return unfolded(read_json_objects(text))
    if suffix in (".json", ".jsonl", ".ndjson"):
        refuse(f"The file is named {suffix} but does not start with {{ or [; is it JSON?")
    if suffix == ".txt" and not looks_like_table(text):
        return read_plain_text(text)
    return read_csv(text, suffix)


def looks_like_table(text: str) -> bool:
    """Separators with a blank after them are counted as prose."""
    lines = first_lines(text)
    counts = [[line.count(mark) - line.count(f"{mark} ") for line in lines] for mark in SEPARATORS]
    return len(lines) >= FEWEST_TABLE_LINES and any(min(each) == max(each) > 0 for each in counts)


def first_lines(text: str) -> list[str]:
    """Those with something in them, without what stands in quotes."""
    lines = islice(io.StringIO(text.lstrip(), newline=None), SNIFFED_LINES)
    return [QUOTED.sub("", line) for line in lines if line.strip()]


def read_plain_text(text: str) -> Table:
    """One column, `text`: paragraphs where there are blank lines, else lines."""
    text = LINE_END.sub("\n", text)
    breaks = BLANK_LINES if BLANK_LINES.search(text.strip()) else LINE_ENDS
    reading = Reading()
    at, line = 0, 1
    while at < len(text):
        found = breaks.search(text, at)
        end, onward = found.span() if found else (len(text), len(text))
        if text[at:end].strip():
            reading.add({"text": text[at:end].strip("\n")}, f"line {line}")
        line += text.count("\n", at, onward)
        at = onward
    return reading.table()


def read_csv(text: str, suffix: str = "") -> Table:
    """Rows under a header, parted by commas, semicolons, tabs or bars; comments above the header go."""
    reading = Reading()
    lines, skipped, named = without_preamble(text, reading)
    header_line = QUOTED.sub("", NEXT_LINE.match(lines)["line"])
    separator = named or separator_of(first_lines(lines), suffix)
    # blanks after the header's separators are a manner of writing, and then quotes follow such blanks too
    rows = csv.reader(
        io.StringIO(lines, newline=""),
        delimiter=separator,
        strict=True,
        skipinitialspace=f"{separator} " in header_line,
    )
    begin = skipped + 1
    header: list[str] = []
    try:
        for values in rows:
            start, begin = begin, skipped + rows.line_num + 1
            if not any(map(str.strip, values)):
                continue
            if not header:
                header = column_names(values)
            else:
                add_values(reading, header, values, f"line {start}")
    except csv.Error as error:
        refuse(f"Line {begin} is no CSV ({error}); check its quotes.", error)
    return reading.table()


def separator_of(lines: list[str], suffix: str) -> str:
    """What parts the values, where no `sep=;` of Excel's says so: the tab in a `.tsv`, else the mark that
    each of the first lines has equally often, else the one that the header has most of.
    """
    header = lines[0] if lines else ""
    if suffix == ".tsv" and "\t" in header:
        return "\t"
    regular = [mark for mark in SEPARATORS if len({line.count(mark) for line in lines}) == 1]
    return max(regular if any(mark in header for mark in regular) else SEPARATORS, key=header.count)


def add_values(reading: Reading, header: list[str], values: list[str], place: str) -> None:
    if len(values) != len(header):
        reading.drop(f"{place}: {len(values)} values where the header has {len(header)}")
    else:
        reading.add(dict(zip(header, values, strict=True)), place)


def without_preamble(text: str, reading: Reading) -> tuple[str, int, str | None]:
    """The text from its header on, how many lines went before it, and the separator that they name."""
    at, skipped, separator = 0, 0, None
    while at < len(text):
        line = NEXT_LINE.match(text, at)
        skipped += len(LINE_END.findall(text, at, line.start("line")))
        if found := EXCEL_SEPARATOR.fullmatch(line["line"]):
            separator = found[1]
        elif is_comment(line["line"]):
            reading.drop(f"line {skipped + 1}: a comment above the header")
        else:
            return text[line.start("line") :], skipped, separator
        at = line.end()
    return "", skipped, separator


def is_comment(line: str) -> bool:
    """“# text” is a comment; “#,text” and “#id,text” are headers."""
    return line.startswith("#") and (line[1:2].isspace() or not any(mark in line for mark in SEPARATORS))


def column_names(header: list[str]) -> list[str]:
    """The header's names; a column without one (a spreadsheet's row numbers) gets its position."""
    if len(header) > MAX_COLUMNS:
        refuse(f"The header has {len(header):,} columns; the limit is {MAX_COLUMNS}.")
    names = [name.strip() or f"column {position}" for position, name in enumerate(header, start=1)]
    if twice := {name for name in names if names.count(name) > 1}:
        refuse(f"The header names the column “{min(twice)[:60]}” twice; rename one.")
    for name in names:
        if len(name) > 1 and WRONG_QUOTES.get(name[0]) == name[-1]:
            refuse(f'The header writes {name[:60]} in quotes that CSV does not know; use " instead.')
    return names
