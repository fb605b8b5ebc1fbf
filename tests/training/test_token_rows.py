"""Rows as tokens to look at: nothing is lost, what is learned is marked, and the split is checked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from adapter_ui.domain import LengthHistogram, TokenRow
from adapter_ui.models.tuning.token_rows import token_rows, token_texts
from adapter_ui.training.data import read_table
from adapter_ui.training.examples import to_examples
from adapter_ui.training.figures import histogram
from adapter_ui.training.measuring import measure
from adapter_ui.training.run_folder import PreparedBase
from tests.training.conftest import BASE_ID, pirate_rows, recipe


@pytest.fixture
def tokenizer(tiny_models: Path) -> PreTrainedTokenizerFast:
    return AutoTokenizer.from_pretrained(tiny_models / "llama")


def text_of(row: TokenRow, *, learned: bool | None = None) -> str:
    return "".join(token.text for token in row.tokens if learned is None or token.learned is learned)


def test_the_answer_is_marked_and_the_text_is_whole(tokenizer: PreTrainedTokenizerFast) -> None:
    first, *others = token_rows(pirate_rows(), (), tokenizer, 512)
    whole = "<s><|user|>\nWhat is 0?</s>\n<|assistant|>\nArrr! 0 be the sea.</s>\n"
    assert text_of(first) == whole
    assert text_of(first, learned=True) == "Arrr! 0 be the sea.</s>\n"
    assert first.length == len(first.tokens) == len(tokenizer(whole, add_special_tokens=False)["input_ids"])
    assert len(others) == 2


def test_of_plain_text_all_but_the_first_token_is_learned(tokenizer: PreTrainedTokenizerFast) -> None:
    examples = to_examples(read_table('[{"text": "one two"}, {"text": "three"}]'), {}, "CAUSAL_LM")
    row = token_rows(examples, (), tokenizer, 512)[0]
    assert [token.learned for token in row.tokens] == [False, *[True] * (len(row.tokens) - 1)]


def test_a_character_of_several_tokens_is_shown_once_and_whole(tokenizer: PreTrainedTokenizerFast) -> None:
    ids = tokenizer("a ☠ b", add_special_tokens=False)["input_ids"]
    texts = token_texts(ids, tokenizer)
    assert len(texts) == len(ids)
    assert "".join(texts).replace("\N{REPLACEMENT CHARACTER}", "") == "a ☠ b"
    assert texts.count("\N{REPLACEMENT CHARACTER}") == len(ids) - len("a ☠ b")


def test_a_class_stands_beside_its_row_and_a_tag_on_its_word(tokenizer: PreTrainedTokenizerFast) -> None:
    table = read_table('[{"text": "good", "label": "yes"}, {"text": "bad", "label": "no"}]')
    examples = to_examples(table, {}, "SEQ_CLS")
    rows = token_rows(examples, examples.labels, tokenizer, 512)
    assert [row.label for row in rows] == ["yes", "no"]
    assert not any(token.learned for row in rows for token in row.tokens)
    tagged = [{"tokens": ["Anna", "sails"], "tags": ["PER", "O"]}] * 2
    examples = to_examples(read_table(json.dumps(tagged)), {}, "TOKEN_CLS")
    row = token_rows(examples, examples.labels, tokenizer, 512)[0]
    assert [token.label for token in row.tokens if token.learned] == ["PER", "O"]


def test_what_a_decoder_writes_and_where_an_answer_lies_are_marked(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    pair = {"prompt": "one two", "completion": "eins zwei"}
    examples = to_examples(read_table(json.dumps([pair] * 2)), {}, "SEQ_2_SEQ_LM")
    row = token_rows(examples, (), tokenizer, 512)[0]
    assert text_of(row, learned=True).replace("<s>", "") == "eins zwei</s>"
    asked = {"question": "Who sails?", "context": "Today Anna sails.", "answer": "Anna", "answer_start": 6}
    examples = to_examples(read_table(json.dumps([asked] * 2)), {}, "QUESTION_ANS")
    row = token_rows(examples, (), tokenizer, 512)[0]
    assert text_of(row, learned=True).strip() == "Anna"


def test_a_cut_row_says_how_long_it_was(tokenizer: PreTrainedTokenizerFast) -> None:
    row = token_rows(pirate_rows(), (), tokenizer, 9)[0]
    assert len(row.tokens) == 9 < row.length


@pytest.mark.parametrize(
    ("lengths", "limit", "expected"),
    [
        ([1, 2, 2, 24], 512, LengthHistogram(1, (1, 2, *[0] * 21, 1), 512, 24)),
        ([10, 30, 31], 20, LengthHistogram(2, (*[0] * 4, 1, *[0] * 9, 1, 1), 20, 31)),
        ([5, 9_000], 100, LengthHistogram(10, (1, *[0] * 18, 1), 100, 9_000)),
        ([0, 0], 8, LengthHistogram(1, (2,), 8, 1)),
    ],
)
def test_lengths_are_counted_in_bars(lengths: list[int], limit: int, expected: LengthHistogram) -> None:
    assert histogram(lengths, limit) == expected
    assert sum(expected.counts) == len(lengths)


def test_the_child_reports_tokens_lengths_and_a_leaking_split(tiny_models: Path) -> None:
    rows = [{"text": "same words", "label": "yes"}] * 9 + [{"text": "other words", "label": "no"}]
    examples = to_examples(read_table(json.dumps(rows)), {}, "SEQ_CLS")
    # this seed holds two rows back, and the only one of its class is among them
    settings = recipe(task_type="SEQ_CLS", validation_fraction=0.2, seed=0)
    figures = measure(settings, examples, PreparedBase(tiny_models / "llama", BASE_ID))
    assert (figures.leaked, figures.unseen) == (1, ("no",))
    assert sum(figures.lengths.counts) == 10
    assert [row.label for row in figures.preview] == ["yes"] * 3
