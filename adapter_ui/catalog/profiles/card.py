"""A model card: README.md without its front matter, and what the front matter says of base and license. Text
only.
"""

from __future__ import annotations

import re

CARD_NAME = "README.md"
CARD_BYTES = 200_000
FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n.*?^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
BASE_LINE = re.compile(
    r"""^base_model:[ \t]*["']?([\w.-]+(?:/[\w.-]+)?)["']?[ \t]*$""", re.MULTILINE | re.ASCII
)
# On one line, or the first item of a list below it.
LICENSE_LINE = re.compile(
    r"""^license:[ \t]*(?:\r?\n[ \t]*-[ \t]*)?["']?(\w[\w.+-]{0,63})["']?[ \t]*\r?$""",
    re.MULTILINE | re.ASCII,
)
LICENSE_NAME_LINE = re.compile(
    r"""^license_name:[ \t]*["']?(\w[\w.+-]{0,63})["']?[ \t]*\r?$""", re.MULTILINE | re.ASCII
)
LONGEST_TITLE = 120


def read_card(data: bytes) -> str:
    """The text of a card, its front matter taken off."""
    text = data[:CARD_BYTES].decode("utf-8", errors="replace").removeprefix("\ufeff")
    return FRONT_MATTER.sub("", text, count=1).strip()


def card_base(data: bytes) -> str | None:
    """The base that the front matter names on one line, if any."""
    return from_front_matter(BASE_LINE, data)


def card_license(data: bytes) -> str | None:
    """The license that the front matter states, by its own name where the Hub's list of licenses lacks it."""
    found = from_front_matter(LICENSE_LINE, data)
    return (from_front_matter(LICENSE_NAME_LINE, data) or found) if found == "other" else found


def from_front_matter(line: re.Pattern[str], data: bytes) -> str | None:
    text = data[:CARD_BYTES].decode("utf-8", errors="replace").removeprefix("\ufeff")
    front = FRONT_MATTER.match(text)
    found = line.search(front[0]) if front else None
    return found[1] if found else None


def card_title(card: str) -> str | None:
    """The text of the first heading."""
    for line in card.splitlines():
        if line.startswith("# "):
            return line[2:].strip(" #")[:LONGEST_TITLE] or None
    return None
