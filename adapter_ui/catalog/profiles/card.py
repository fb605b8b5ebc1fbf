"""A model card: README.md without its front matter, and what the front matter says of the base. Text only."""

from __future__ import annotations

import re

CARD_NAME = "README.md"
CARD_BYTES = 200_000
FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n.*?^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
BASE_LINE = re.compile(
    r"""^base_model:[ \t]*["']?([\w.-]+(?:/[\w.-]+)?)["']?[ \t]*$""", re.MULTILINE | re.ASCII
)
LONGEST_TITLE = 120


def read_card(data: bytes) -> str:
    """The text of a card, its front matter taken off."""
    text = data[:CARD_BYTES].decode("utf-8", errors="replace").removeprefix("\ufeff")
    return FRONT_MATTER.sub("", text, count=1).strip()


def card_base(data: bytes) -> str | None:
    """The base that the front matter names on one line, if any."""
    text = data[:CARD_BYTES].decode("utf-8", errors="replace").removeprefix("\ufeff")
    front = FRONT_MATTER.match(text)
    line = BASE_LINE.search(front[0]) if front else None
    return line[1] if line else None


def card_title(card: str) -> str | None:
    """The text of the first heading."""
    for line in card.splitlines():
        if line.startswith("# "):
            return line[2:].strip(" #")[:LONGEST_TITLE] or None
    return None
