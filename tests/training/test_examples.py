"""From columns to examples: guesses by name, normal forms, and rows that are left out with a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapter_ui.domain import Table
from adapter_ui.errors import InvalidRecipe
from adapter_ui.training.cells import UnusableRow
from adapter_ui.training.conversations import conversation
from adapter_ui.training.data import read_table
from adapter_ui.training.examples import guess_columns, to_examples


def table_of(*rows: dict[str, Any]) -> Table:
    return read_table(json.dumps(list(rows)))


GUESSES = [
    ("prompt,completion", "CAUSAL_LM", {"prompt": "prompt", "completion": "completion"}),
    ("Question,Answer", "CAUSAL_LM", {"prompt": "Question", "completion": "Answer"}),
    (
        "instruction,input,output",
        "CAUSAL_LM",
        {"prompt": "instruction", "completion": "output", "input": "input"},
    ),
    ("input,output", "CAUSAL_LM", {"prompt": "input", "completion": "output"}),
    ("id,messages", "CAUSAL_LM", {"messages": "messages"}),
    ("conversations,system", "CAUSAL_LM", {"messages": "conversations", "system": "system"}),
    (
        "instruction,input,output",
        "SEQ_2_SEQ_LM",
        {"prompt": "instruction", "completion": "output", "input": "input"},
    ),
    ("conversations,source", "CAUSAL_LM", {"messages": "conversations"}),
    ("text", "CAUSAL_LM", {"text": "text"}),
    ("text,label", "SEQ_CLS", {"text": "text", "label": "label"}),
    ("review,sentiment", "SEQ_CLS", {"text": "review", "label": "sentiment"}),
    ("premise,hypothesis,label", "SEQ_CLS", {"text": "premise", "label": "label", "text_pair": "hypothesis"}),
    ("tokens,ner_tags", "TOKEN_CLS", {"tokens": "tokens", "tags": "ner_tags"}),
    ("x,y", "CAUSAL_LM", {}),
    ("prompt,y", "CAUSAL_LM", {}),
]


@pytest.mark.parametrize(("header", "task_type", "roles"), GUESSES)
def test_columns_are_guessed_by_their_names(header: str, task_type: str, roles: dict[str, str]) -> None:
    values = ",".join("x" for _ in header.split(","))
    assert guess_columns(read_table(f"{header}\n{values}\n"), task_type) == roles


@pytest.mark.parametrize("task_type", ["CAUSAL_LM", "SEQ_2_SEQ_LM"])
def test_prompts_take_their_input_along(task_type: str) -> None:
    rows = [
        {"instruction": "Say", "input": "hi", "output": "Ahoy"},
        {"instruction": "Go", "input": "", "output": "!"},
    ]
    assert to_examples(table_of(*rows), {}, task_type).rows == (
        {"prompt": "Say\n\nhi", "completion": "Ahoy"},
        {"prompt": "Go", "completion": "!"},
    )


def test_prompts_take_their_system_along() -> None:
    spoken = [{"system": "Be brief", "prompt": str(number), "completion": "x"} for number in range(2)]
    assert to_examples(table_of(*spoken), {}, "CAUSAL_LM").rows[0] == {
        "messages": [
            {"role": "system", "content": "Be brief"},
            {"role": "user", "content": "0"},
            {"role": "assistant", "content": "x"},
        ]
    }


TURNS = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
SHAREGPT = [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]


@pytest.mark.parametrize(
    "turns",
    [
        TURNS,
        SHAREGPT,
        [*SHAREGPT, {"from": "human", "value": "c"}],
        json.dumps(TURNS),
        [{"from": "gpt", "value": "Hi"}, *SHAREGPT],
        [{"from": "system", "value": ""}, *SHAREGPT],
        *([{"role": "system", "content": empty}, *TURNS] for empty in ("", " \n", None)),
    ],
)
def test_conversations_of_all_dialects_begin_with_a_question_and_end_with_an_answer(turns: object) -> None:
    examples = to_examples(table_of({"messages": turns}, {"messages": turns}), {}, "CAUSAL_LM")
    assert examples.rows[0]["messages"] == TURNS


def test_a_conversation_takes_the_system_text_beside_it_where_it_has_none() -> None:
    own = {"from": "system", "value": "Own."}
    rows = [
        {"conversations": SHAREGPT, "system": "Be brief."},
        {"conversations": SHAREGPT, "system": ""},
        {"conversations": [own, *SHAREGPT], "system": "Be brief."},
        {"conversations": [{**own, "value": ""}, *SHAREGPT], "system": "Be brief."},
    ]
    for columns in ({}, {"messages": "conversations", "system": "system"}):
        read = to_examples(table_of(*rows), columns, "CAUSAL_LM").rows
        begun = [row["messages"][0]["content"] for row in read]
        assert begun == ["Be brief.", "a", "Own.", "Be brief."]
        assert [turn["role"] for turn in read[0]["messages"]] == ["system", "user", "assistant"]


def test_a_greeting_is_no_answer_whatever_stands_before_it() -> None:
    system, greeting = ({"role": role, "content": "Hello!"} for role in ("system", "assistant"))
    for turns in ([greeting, *TURNS], [system, greeting, *TURNS]):
        said = conversation(turns, "Be brief.")
        assert [turn["role"] for turn in said] == ["system", "user", "assistant"]
    with pytest.raises(UnusableRow, match="no question with an answer"):
        conversation([system, greeting])


def test_a_row_keeps_its_place() -> None:
    rows = [{"prompt": "a", "completion": answer} for answer in ("b", "", "c")]
    assert to_examples(table_of(*rows), {}, "CAUSAL_LM").places == ("row 1", "row 3")


UNUSABLE: list[tuple[str, dict[str, Any], str]] = [
    ("CAUSAL_LM", {"prompt": "", "completion": "b"}, "“prompt” is empty"),
    ("CAUSAL_LM", {"prompt": "a", "completion": "  "}, "“completion” is blank"),
    ("CAUSAL_LM", {"prompt": "a"}, "“completion” is empty"),
    ("CAUSAL_LM", {"prompt": ["a"], "completion": "b"}, "is a list or an object"),
    ("CAUSAL_LM", {"prompt": "\ud800", "completion": "b"}, "half of a surrogate pair"),
    ("CAUSAL_LM", {"messages": "no list"}, "no JSON list"),
    ("CAUSAL_LM", {"messages": [{"role": "user", "content": "a"}]}, "no question with an answer"),
    (
        "CAUSAL_LM",
        {"messages": [{"role": "assistant", "content": "Hi"}, {"role": "user", "content": "a"}]},
        "no question with an answer",
    ),
    ("CAUSAL_LM", {"messages": [{"role": "user", "content": ""}]}, "“content” is empty"),
    ("CAUSAL_LM", {"messages": [{"role": "tool", "content": "a"}]}, "role is “tool”"),
    ("CAUSAL_LM", {"messages": [1]}, "a turn of the conversation is no object"),
    ("CAUSAL_LM", {"messages": [{"role": "user", "content": "a"}] * 300}, "at most 200 turns"),
    ("SEQ_CLS", {"text": "a", "label": ["x", "y"]}, "not one label"),
    ("SEQ_CLS", {"text": "a", "label": None}, "“label” is empty"),
    ("TOKEN_CLS", {"tokens": ["a", "b"], "tags": ["O"]}, "2 tokens but 1 tags"),
    ("TOKEN_CLS", {"tokens": [], "tags": []}, "no list of words"),
    ("TOKEN_CLS", {"tokens": ["a", None], "tags": ["O", "O"]}, "“tokens” is empty"),
]
GOOD: dict[str, list[dict[str, Any]]] = {
    "prompt": [{"prompt": "a", "completion": "b"}] * 2,
    "messages": [{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}] * 2,
    "text": [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}],
    "tokens": [{"tokens": ["a", "b"], "tags": ["O", "PER"]}] * 2,
}


@pytest.mark.parametrize(("task_type", "bad", "reason"), UNUSABLE)
def test_an_unusable_row_is_left_out_with_its_reason(
    task_type: str, bad: dict[str, Any], reason: str
) -> None:
    examples = to_examples(table_of(*GOOD[next(iter(bad))], bad), {}, task_type)
    assert len(examples.rows) == 2
    assert examples.dropped == 1
    assert examples.problems[0].startswith("row 3: ")
    assert reason in examples.problems[0]


REFUSED: list[tuple[str, list[dict[str, Any]], dict[str, str], str, str]] = [
    ("CAUSAL_LM", GOOD["prompt"][:1], {}, "data", "1 usable row, and training needs at least 2"),
    (
        "CAUSAL_LM",
        [{"prompt": "", "completion": ""}] * 2,
        {},
        "data",
        "0 usable rows.*row 1: “prompt” is empty",
    ),
    ("CAUSAL_LM", [{"x": "1", "y": "2"}] * 2, {}, "columns", "the data has x, y: say in columns"),
    ("CAUSAL_LM", GOOD["prompt"], {"prompt": "frage", "completion": "b"}, "columns", "no column “frage”"),
    ("CAUSAL_LM", GOOD["prompt"], {"quest": "prompt"}, "columns", "no role “quest”"),
    ("CAUSAL_LM", GOOD["prompt"], {"prompt": "prompt"}, "columns", "needs messages or prompt and completion"),
    ("SEQ_CLS", [{"text": "a", "label": "x"}] * 2, {}, "data", "1 different labels"),
    ("SEQ_CLS", GOOD["prompt"], {}, "columns", "SEQ_CLS needs text and label"),
]


@pytest.mark.parametrize(("task_type", "rows", "columns", "field", "sentence"), REFUSED)
def test_data_that_does_not_fit_the_task_is_refused(
    task_type: str, rows: list[dict[str, Any]], columns: dict[str, str], field: str, sentence: str
) -> None:
    with pytest.raises(InvalidRecipe, match=sentence) as caught:
        to_examples(table_of(*rows), columns, task_type)
    assert caught.value.field == field


def test_labels_are_ordered_as_people_order_them() -> None:
    rows = [{"text": "a", "label": label} for label in (10, 2, 1, 2)]
    assert to_examples(table_of(*rows), {}, "SEQ_CLS").labels == ("1", "2", "10")
    rows = [{"text": "a", "label": label} for label in ("positive", "negative", True, 1.5)]
    assert to_examples(table_of(*rows), {}, "SEQ_CLS").labels == ("1.5", "negative", "positive", "true")
    many = "9" * 5_000
    rows = [{"text": "a", "label": many}, {"text": "b", "label": "7"}]
    assert to_examples(table_of(*rows), {}, "SEQ_CLS").labels == ("7", many)


def test_words_in_a_cell_are_parted_by_blanks_or_a_json_list() -> None:
    rows = [{"tokens": "Ahoy captain", "tags": "O PER"}, {"tokens": '["a b", "c"]', "tags": '["O", "O"]'}]
    assert [row["tokens"] for row in to_examples(table_of(*rows), {}, "TOKEN_CLS").rows] == [
        ["Ahoy", "captain"],
        ["a b", "c"],
    ]
