"""Tokens and labels: an answer is learned, a prompt is not, and nothing that was cut is counted on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from adapter_ui.errors import InvalidRecipe
from adapter_ui.models.tuning.data import IGNORED, EncodedData, encode_examples, encode_row
from adapter_ui.models.tuning.wording import learned_text
from adapter_ui.training.data import read_table
from adapter_ui.training.examples import to_examples
from tests.training.chat_templates import ALTERNATING, OPENS_THOUGHTS, THINKS_LAST
from tests.training.conftest import pirate_rows, recipe

ROLES = ("user", "assistant")


@pytest.fixture
def tokenizer(tiny_models: Path) -> PreTrainedTokenizerFast:
    return AutoTokenizer.from_pretrained(tiny_models / "llama")


def encoded(
    tokenizer: PreTrainedTokenizerFast, rows: list[dict[str, Any]], max_length: int = 512, **fields: Any
) -> EncodedData:
    settings = recipe(**fields)
    examples = to_examples(read_table(json.dumps(rows)), {}, settings.task_type)
    return encode_examples(examples, examples.labels, tokenizer, settings, max_length)


def learned(tokenizer: PreTrainedTokenizerFast, row: dict[str, Any]) -> str:
    return tokenizer.decode([label for label in row["labels"] if label != IGNORED])


def turns_of(*contents: str) -> list[dict[str, str]]:
    return [{"role": ROLES[at % 2], "content": content} for at, content in enumerate(contents)]


def test_only_the_answer_is_learned_and_its_end(tokenizer: PreTrainedTokenizerFast) -> None:
    row = encoded(tokenizer, [{"prompt": "What is 0?", "completion": "Arrr! ☠"}] * 2).training[0]
    assert tokenizer.decode(row["input_ids"]) == "<s><|user|>\nWhat is 0?</s>\n<|assistant|>\nArrr! ☠</s>\n"
    assert learned(tokenizer, row) == "Arrr! ☠</s>\n"


def test_every_answer_of_a_conversation_is_learned(tokenizer: PreTrainedTokenizerFast) -> None:
    row = encoded(tokenizer, [{"messages": turns_of("a?", "A!", "b?", "B!")}] * 2).training[0]
    assert learned(tokenizer, row) == "A!</s>\nB!</s>\n"


REWRITTEN = [
    (
        THINKS_LAST,
        ["a?", "A!", "b?", "<think>Hm.</think>B!", "c?", "C!"],
        ["A!</s>;", "B!</s>;", "<think></think>C!</s>;"],
    ),
    (THINKS_LAST, ["Yes", "Yes", "Yes", "Yes"], ["Yes</s>;", "<think></think>Yes</s>;"]),
    (OPENS_THOUGHTS, ["a?", "<b>A</b>", "b?", " B! "], ["<b>A</b></s>", "B!</s>!"]),
]


@pytest.mark.parametrize(("template", "contents", "learned"), REWRITTEN)
def test_a_template_that_rewrites_earlier_turns_teaches_every_answer(
    template: str, contents: list[str], learned: list[str], tokenizer: PreTrainedTokenizerFast
) -> None:
    tokenizer.chat_template = template
    text, spans, _ = learned_text({"messages": turns_of(*contents)}, tokenizer)
    assert text == tokenizer.apply_chat_template(turns_of(*contents), tokenize=False)
    assert [text[start:end] for start, end in spans] == learned


def test_without_a_template_the_answer_follows_the_prompt(tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.chat_template = None
    row = encoded(tokenizer, [{"prompt": "What is 0?", "completion": "Arrr!"}] * 2).training[0]
    assert tokenizer.decode(row["input_ids"]) == "What is 0?\n\nArrr!</s>"
    assert learned(tokenizer, row) == "\n\nArrr!</s>"


def test_of_several_templates_the_default_is_learned_in(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = [{"prompt": "What is 0?", "completion": "Arrr!"}] * 2
    expected = encoded(tokenizer, rows).training
    tokenizer.chat_template = {"default": tokenizer.chat_template, "rag": "{{ messages | length }}"}
    assert encoded(tokenizer, rows).training == expected


def test_plain_text_is_learned_whole(tokenizer: PreTrainedTokenizerFast) -> None:
    row = encoded(tokenizer, [{"text": "Hoist the sails"}] * 2).training[0]
    assert learned(tokenizer, row) == "Hoist the sails</s>"


def test_long_rows_are_cut_and_those_without_an_answer_left_are_out(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    rows = [{"prompt": "a", "completion": text} for text in ("b", "c", "d" * 300)]
    rows.append({"prompt": "e" * 300, "completion": "f"})
    data = encoded(tokenizer, rows, max_length=40)
    assert (data.cut, data.unlearnable, len(data.training)) == (2, 1, 3)
    assert max(data.lengths) > 300
    assert max(len(row["input_ids"]) for row in data.training) == 40


def test_when_no_answer_is_left_the_reason_is_given(tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(InvalidRecipe, match="Only 0 rows have an answer within 8 tokens") as caught:
        encoded(tokenizer, [{"prompt": "a" * 90, "completion": "b"}] * 3, max_length=8)
    assert caught.value.field == "max_length"


def test_a_template_that_refuses_the_data_is_told(tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.chat_template = "{{ raise_exception('Only user first') }}"
    with pytest.raises(InvalidRecipe, match="Only user first"):
        encoded(tokenizer, [{"prompt": "a", "completion": "b"}] * 2)


def test_a_conversation_that_the_template_refuses_is_left_out(tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.chat_template = ALTERNATING
    good, refused = turns_of("a?", "A!"), [*turns_of("a?", "A!"), *turns_of("b?", "B!")[1:]]
    data = encoded(tokenizer, [{"messages": turns} for turns in (good, refused, good)])
    assert (len(data.training), data.unlearnable, data.learned) == (2, 1, 2)
    assert data.refusals == {1: "Conversation roles must alternate"}
    assert data.lengths[1] == 0


def test_the_same_rows_are_held_back_for_the_same_seed(tokenizer: PreTrainedTokenizerFast) -> None:
    def held_back(seed: int) -> list[Any]:
        settings = recipe(validation_fraction=0.25, seed=seed)
        return encode_examples(pirate_rows(20), (), tokenizer, settings, 512).validation

    assert len(held_back(1)) == 5
    assert held_back(1) == held_back(1) != held_back(2)


def test_a_word_is_labelled_on_its_first_piece(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = [{"tokens": ["Ahoy", "captain"], "tags": ["O", "PER"]}] * 2
    row = encoded(tokenizer, rows, task_type="TOKEN_CLS").training[0]
    assert [label for label in row["labels"] if label != IGNORED] == [0, 1]
    assert len(row["labels"]) == len(row["input_ids"])


def test_classes_become_the_ids_of_the_given_order(tokenizer: PreTrainedTokenizerFast) -> None:
    examples = to_examples(read_table("text,label\na,no\nb,yes\nc,no\n"), {}, "SEQ_CLS")
    data = encode_examples(examples, ("yes", "no"), tokenizer, recipe(task_type="SEQ_CLS"), 512)
    assert [row["labels"] for row in data.training] == [1, 0, 1]


def test_words_are_tagged_in_the_tokens_that_the_tagger_is_asked_in(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    """A byte-level tokenizer has other tokens for a word alone than for one behind a blank."""
    words, tags = ["Ahoy", "Ada", "Lovelace", "of", "the", "sea"], ["O", "B-P", "I-P", "O", "O", "O"]
    ids = {"O": 0, "B-P": 1, "I-P": 2}
    row, length = encode_row({"tokens": words, "tags": tags}, ids, tokenizer, 512)
    text = " ".join(words)
    asked = tokenizer(text, return_offsets_mapping=True)
    assert row["input_ids"] == asked["input_ids"]
    assert row["input_ids"] != tokenizer(words, is_split_into_words=True)["input_ids"]
    assert length == len(row["labels"])
    tagged = [(at, label) for at, label in enumerate(row["labels"]) if label != IGNORED]
    assert [label for _, label in tagged] == [ids[tag] for tag in tags]
    firsts = [text[asked["offset_mapping"][at][0] :].lstrip() for at, _ in tagged]
    assert all(first.startswith(word) for first, word in zip(firsts, words, strict=True))
