"""Messages as the chat may show them: Markdown is drawn, markup and images are text.

A model's answer is a stranger's text. Gradio's chat would drop `<tool_call>…</tool_call>` with all that is in
it, draw `<form>`, and ask any machine for an image. A character that nobody sees, put behind what begins
markup, makes plain text of it wherever it stands; page.js takes it away from what is copied. The chat alone
gets it: models and the browser's memory have the text as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

UNSEEN = "\u2063"
THINKING = re.compile(r"(<think>)(.*?)(</think>|$)", re.DOTALL)
MATH = re.compile(r"\$\$.+?\$\$", re.DOTALL)
IMAGE = re.compile(r"!\[([^\[\]]*)\]\(")
OTHER_STARTS = re.compile(r"<(?=[A-Za-z/!?])|!(?=\[)|&(?=#?\w+;)|```(?=mermaid)")
FENCE_RUN = re.compile(r"`{3,}|~{3,}")
FENCE = re.compile(
    # as the chat's own Markdown has it, but for a first line that is the last one: it may be in a paragraph
    r"(`{3,})(?!`|mermaid)(?:[\w+-]*\Z|[^`\n]*\n(?:|.*?(?:\n|\Z))(?: {0,3}\1[~`]* *(?=\n|\Z)|\Z))",
    re.DOTALL,
)


def as_written(messages: Iterable[dict[str, str]]) -> list[dict[str, Any]]:
    """The messages for a gr.Chatbot. As a dict each text keeps its indentation, which Gradio takes from a
    string.
    """
    return [
        {"role": one["role"], "content": {"type": "text", "text": inert(one["content"])}} for one in messages
    ]


def inert(text: str) -> str:
    """The text with nothing in it that a browser would take for markup, or fetch.

    Gradio makes a message of its own of each thought, so each is looked at by itself.
    """
    parts, end = [], 0
    for found in THINKING.finditer(text):
        opened, thought, closed = found.groups()
        parts += [prose(text[end : found.start()]), opened, prose(thought), closed]
        end = found.end()
    return "".join([*parts, prose(text[end:])])


def prose(text: str) -> str:
    """One message's Markdown; Gradio strips it, and an indented line may become the first of a fence."""
    stripped = text.strip()
    at = text.find(stripped)
    return text[:at] + outside(stripped) + text[at + len(stripped) :]


def outside(text: str) -> str:
    """All but formulas and fenced code, whose own text is never markup."""
    masked = MATH.sub(lambda math: "x" * len(math[0]), text)  # Gradio takes formulas away first as well
    kept = sorted([*(one.span() for one in MATH.finditer(text)), *fences(masked)])
    parts, end = [], 0
    for first, last in kept:
        if first >= end:  # no formula inside a fence
            parts += [defused(text[end:first]), text[first:last]]
            end = last
    return "".join([*parts, defused(text[end:])])


def defused(text: str) -> str:
    text = IMAGE.sub(rf"!{UNSEEN}[\1]{UNSEEN}(", text)
    return OTHER_STARTS.sub(lambda start: start[0] + UNSEEN, text)


def fences(text: str) -> list[tuple[int, int]]:
    """Where fenced code stands; nothing where the browser's Markdown might see it otherwise.

    A mistake would make what follows live, so only plain fences count: at the start of a line, of backticks,
    with no other run of them around. Three things reach over lines and into a fence: a carriage return, an
    unfinished formula, and the definition of a link.
    """
    found = list(plain_fences(text))
    edges = [0, *(edge for span in found for edge in span), len(text)]
    around = "\n".join(text[first:last] for first, last in zip(edges[::2], edges[1::2], strict=True))
    doubtful = "\r" in text or "$$" in text or ("[" in around and "]:" in text) or FENCE_RUN.search(around)
    return [] if doubtful else found


def plain_fences(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    while at < len(text):
        if fence := FENCE.match(text, at):
            yield fence.span()
            at = fence.end()
        at = text.find("\n", at) + 1 or len(text)
