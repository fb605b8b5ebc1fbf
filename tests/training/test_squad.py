"""Questions on a text: every way in which their answers are written down, and what cannot be found."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapter_ui.errors import InvalidRecipe
from adapter_ui.training.data import read_table
from adapter_ui.training.examples import Examples, guess_columns, to_examples

CONTEXT = "The Seine flows through Paris. Paris lies on the Seine."
QUESTION = "Where does it flow?"


def read(rows: Any, columns: dict[str, str] | None = None) -> Examples:
    return to_examples(read_table(json.dumps(rows)), columns or {}, "QUESTION_ANS")


ANSWERS: list[tuple[dict[str, Any], list[str], int]] = [
    ({"answer": "Paris"}, ["Paris"], 24),
    ({"answer": "Paris", "answer_start": 31}, ["Paris"], 31),
    ({"answer": "Paris", "answer_start": "31"}, ["Paris"], 31),
    ({"answer": "Paris", "answer_start": 30}, ["Paris"], 24),
    (
        {"answers": {"text": ["Paris", "through Paris"], "answer_start": [31, 16]}},
        ["Paris", "through Paris"],
        31,
    ),
    ({"answers": [{"text": "Paris", "answer_start": 24}] * 3}, ["Paris"], 24),
    ({"answer": "Paris "}, ["Paris"], 24),
    ({"answer": " Paris ", "answer_start": 30}, ["Paris"], 31),
    ({"answers": ["Rome", "the Seine"]}, ["the Seine"], 45),
]


@pytest.mark.parametrize(("fields", "answers", "start"), ANSWERS)
def test_an_answer_is_found_at_its_place_or_at_the_first(
    fields: dict[str, Any], answers: list[str], start: int
) -> None:
    row = read([{"question": QUESTION, "context": CONTEXT, **fields}] * 2).rows[0]
    assert row == {"question": QUESTION, "context": CONTEXT, "answers": answers, "answer_start": start}


def test_csv_has_texts_and_digits() -> None:
    table = read_table(
        "question,context,answer,answer_start\nWho?,Ann met Bob,Bob,8\nWho?,Ann met Bob,Ann,0\n"
    )
    assert guess_columns(table, "QUESTION_ANS")["answer_start"] == "answer_start"
    rows = to_examples(table, {}, "QUESTION_ANS").rows
    assert [row["answer_start"] for row in rows] == [8, 0]


def test_squads_own_file_is_read_as_one_row_a_question() -> None:
    qas = [
        {
            "id": str(number),
            "question": f"{QUESTION} ({number})",
            "answers": [{"text": "Paris", "answer_start": 24}],
        }
        for number in range(2)
    ]
    article = {"title": "Seine", "paragraphs": [{"context": CONTEXT, "qas": qas}, {"context": "Empty."}]}
    table = read_table(json.dumps({"version": "1.1", "data": [article]}))
    assert table.columns == ("question", "context", "answers")
    assert table.dropped == ("row 1, paragraph 2: no questions (“qas”)",)
    examples = to_examples(table, {}, "QUESTION_ANS")
    assert [row["question"] for row in examples.rows] == [f"{QUESTION} (0)", f"{QUESTION} (1)"]
    assert examples.dropped == 1


@pytest.mark.parametrize("value", ["A first. A second.", ["A first.", "A second."], [{"text": "A"}], 2, None])
def test_a_column_that_is_only_called_paragraphs_stays_a_column(value: Any) -> None:
    rows = [{"paragraphs": value, "summary": summary} for summary in ("one", "other")]
    table = read_table(json.dumps(rows))
    assert table.columns == ("paragraphs", "summary")
    assert list(table.rows) == rows
    assert table.dropped_rows == 0


def test_what_is_no_article_beside_squads_is_dropped_and_counted() -> None:
    qas = [{"question": QUESTION, "answers": [{"text": "Paris", "answer_start": 24}]}] * 2
    whole = {"paragraphs": ["only text", {"context": CONTEXT, "qas": qas}]}
    table = read_table(json.dumps([{"paragraphs": "a text"}, whole, {"title": "none"}, {"paragraphs": []}]))
    assert len(table.rows) == 2
    assert table.dropped == (
        "row 1: no list of paragraphs",
        "row 2, paragraph 1: no questions (“qas”)",
        "row 3: no list of paragraphs",
        "row 4: no list of paragraphs",
    )
    assert table.dropped_rows == 4


@pytest.mark.parametrize(
    "answer",
    ["Rome", "", None, " ", [], {"text": [], "answer_start": []}, {"text": [None]}, [{"start": 4}], 7],
)
def test_a_row_whose_answer_is_not_in_the_context_is_dropped_and_counted(answer: Any) -> None:
    rows = [
        {"question": QUESTION, "context": CONTEXT, "answers": text} for text in ("Paris", answer, "Seine")
    ]
    examples = read(rows)
    assert len(examples.rows) == 2
    assert examples.dropped == 1
    assert examples.problems == ("row 2: the answer is not in the context",)


def test_columns_can_be_named_otherwise() -> None:
    rows = [{"q": QUESTION, "c": CONTEXT, "a": "Paris"}] * 2
    assert len(read(rows, {"question": "q", "context": "c", "answer": "a"}).rows) == 2
    with pytest.raises(InvalidRecipe, match="QUESTION_ANS needs question and context and answer"):
        read(rows)


def test_a_text_and_what_becomes_of_it() -> None:
    for names in (
        ("input", "target"),
        ("prompt", "completion"),
        ("source", "target"),
        ("document", "summary"),
    ):
        table = read_table(json.dumps([dict(zip(names, ("long", "short"), strict=True))] * 2))
        rows = to_examples(table, {}, "SEQ_2_SEQ_LM").rows
        assert rows[0] == {"prompt": "long", "completion": "short"}
