"""From a stranger's bytes to text: bounded, in UTF-8, and told apart from what is no text at all.

Knows nothing of rows and columns.
"""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from adapter_ui.errors import InvalidRecipe

MAX_BYTES = 20_000_000
FOREIGN = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"%PDF": "a PDF",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word file",
    b"ARROW1": "an Arrow file",
    b"SQLite format 3": "an SQLite database",
    b"\x80\x02": "a Python pickle",
    b"\x80\x03": "a Python pickle",
    b"\x80\x04": "a Python pickle",
    b"\x80\x05": "a Python pickle",
    b"\xff\xfe\x00\x00": "text in UTF-32",
    b"\x00\x00\xfe\xff": "text in UTF-32",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
    b"version https://git-lfs": "a pointer to a file that Git LFS keeps elsewhere",
}
WEB_PAGE = (b"<!doctype html", b"<html", b"<?xml")


def refuse(message: str, cause: Exception | None = None) -> NoReturn:
    raise InvalidRecipe(message, field="data") from cause


def file_text(path: Path) -> str:
    """The text of a file. Raises InvalidRecipe (field "data") when it is gone, too large, or no UTF-8."""
    try:
        if not path.is_file():
            refuse("The data file is not there any more; choose it again.")
        size = path.stat().st_size
        if size > MAX_BYTES:
            refuse(f"The data file has {size / 1e6:.1f} MB; the limit is {MAX_BYTES / 1e6:.0f} MB.")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)  # it may have grown since
    except OSError as error:
        refuse("The data file cannot be opened; choose it again.", error)
    return decoded(content)


def pasted_text(text: str) -> str:
    """Pasted text under the same rules; half a surrogate pair is no UTF-8 either."""
    return decoded(text.encode("utf-8", "surrogatepass"))


def decoded(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        refuse(f"The data has {len(content) / 1e6:.1f} MB; the limit is {MAX_BYTES / 1e6:.0f} MB.")
    for magic, what in FOREIGN.items():
        if content.startswith(magic):
            refuse(f"This is {what}; give the rows as CSV or JSON lines in UTF-8.")
    if content[:200].lstrip().lower().startswith(WEB_PAGE):
        refuse("This is a web page or XML; download the file itself, as CSV or JSON lines.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        refuse(f"Line {line} is not UTF-8 text; save the file as UTF-8 (in Excel “CSV UTF-8”).", error)
    if "\0" in text:
        refuse_nul(content, text)
    return text


def refuse_nul(content: bytes, text: str) -> NoReturn:
    """Every second byte zero is how UTF-16 without a byte order mark writes plain letters."""
    start = content[:64]
    if len(start) > 3 and (not any(start[1::2]) or not any(start[0::2])):
        refuse("This is text in UTF-16; save it as CSV or JSON lines in UTF-8.")
    line = text.count("\n", 0, text.index("\0")) + 1
    refuse(f"Line {line} has a NUL byte; this is no text file, save the rows as CSV or JSON lines.")
