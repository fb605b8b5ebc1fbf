"""Questions on a text: SQuAD's file of articles as one row a question, and a row's answers with their place.

Knows the forms in which such answers are written down; nothing of tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from adapter_ui.domain import Table
from adapter_ui.training.reading import Reading

ARTICLE, QUESTIONS = "paragraphs", "qas"
Answer = tuple[str, int | None]
"""Its text, and where it begins in the context when that was written down."""


def unfolded(table: Table) -> Table:
    """SQuAD's articles, paragraphs and questions as rows of question, context and answers; other tables stay,
    whatever they call `paragraphs`.

    What is not of that form beside articles that are is dropped with its place.
    """
    if not any(QUESTIONS in paragraph for row in table.rows for paragraph in objects(row.get(ARTICLE))):
        return table
    reading = Reading()
    for place, article in zip(table.places, table.rows, strict=True):
        paragraphs = article.get(ARTICLE)
        if not isinstance(paragraphs, list) or not paragraphs:
            reading.drop(f"{place}: no list of paragraphs")
            continue
        for number, paragraph in enumerate(paragraphs, start=1):
            where = f"{place}, paragraph {number}"
            questions = list(objects(paragraph.get(QUESTIONS))) if isinstance(paragraph, dict) else []
            if not questions:
                reading.drop(f"{where}: no questions (“{QUESTIONS}”)")
            for question in questions:
                row = {
                    "question": question.get("question"),
                    "context": paragraph.get("context"),
                    "answers": question.get("answers"),
                }
                reading.add(row, where)
    read = reading.table()
    return Table(
        read.columns,
        read.rows,
        (*table.dropped, *read.dropped),
        read.places,
        table.dropped_rows + read.dropped_rows,
    )


def objects(value: object) -> Iterator[Mapping[str, Any]]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def answers_of(value: object, start: object) -> list[Answer]:
    """A cell's answers, from a plain text with a column for its start, a list of texts, SQuAD's list of
    `{"text", "answer_start"}`, or one such object with lists, as data sets on the Hub have it.
    """
    if isinstance(value, dict):
        texts, starts = listed(value.get("text")), listed(value.get("answer_start"))
        pairs = zip(texts, starts + [None] * len(texts), strict=False)
        return [(str(text or ""), place(at)) for text, at in pairs]
    if isinstance(value, list):
        found = (item if isinstance(item, dict) else {"text": item} for item in value)
        return [(str(item.get("text") or ""), place(item.get("answer_start"))) for item in found]
    return [(str(value if value is not None else ""), place(start))]


def listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def place(value: object) -> int | None:
    """A position as a number or as digits of a CSV; anything else is no position."""
    if isinstance(value, str):
        value = int(value) if value.strip().isdecimal() and len(value) < 10 else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def without_blanks(answer: Answer) -> Answer:
    """The answer without blanks at its edges, where no token begins or ends."""
    text, start = answer
    leading = len(text) - len(text.lstrip())
    return text.strip(), None if start is None else start + leading


def placed(context: str, answer: str, start: int | None) -> int | None:
    """Where the answer stands in its context: at `start` if it does, else where it is found first."""
    if start is not None and context.startswith(answer, start):
        return start
    found = context.find(answer)
    return found if answer and found >= 0 else None
