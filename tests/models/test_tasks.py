"""From token labels to spans: words, prefixes, blanks, and what is no entity."""

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from adapter_ui.domain import Entity
from adapter_ui.models.tasks import labelled_words, spans_of

TEXT = "Ada Lovelace lives  in Parisville."
LABELS = ("O", "B-PER", "I-PER", "E-PER", "B-LOC", "I-LOC", "S-LOC")


def spans(*tokens: tuple[str, int | None, str]) -> list[tuple[str, str]]:
    """The spans of TEXT whose tokens are given as (piece, word number, label), in their order."""
    offsets, at = [], 0
    for piece, word, _ in tokens:
        start = TEXT.index(piece, at) if word is not None else 0
        at = start + len(piece) if word is not None else at
        offsets.append((start, start + len(piece)))
    words = labelled_words(
        TEXT,
        [word for _, word, _ in tokens],
        offsets,
        [label for *_, label in tokens],
        [0.9 - 0.1 * index for index in range(len(tokens))],
    )
    found = spans_of(TEXT, words, LABELS)
    assert all(TEXT[span.start : span.end] == span.text for span in found)
    return [(span.text, span.label) for span in found]


def test_neighbours_of_one_label_are_one_span_and_blanks_are_outside_of_it():
    found = spans(("Ada", 0, "B-PER"), (" Lovelace", 1, "I-PER"), (" lives", 2, "O"), (" in", 3, "LABEL_0"))
    assert found == [("Ada Lovelace", "PER")]


def test_a_new_begin_is_a_new_span():
    assert spans(("Ada", 0, "B-PER"), (" Lovelace", 1, "B-PER")) == [("Ada", "PER"), ("Lovelace", "PER")]


def test_last_words_and_lone_words_have_their_own_prefixes():
    assert spans(("Ada", 0, "B-PER"), (" Lovelace", 1, "E-PER")) == [("Ada Lovelace", "PER")]
    assert spans((" Paris", 4, "S-LOC"), ("ville", 4, "O")) == [("Parisville", "LOC")]


@pytest.mark.parametrize("later", ["O", "B-PER", "I-LOC"])
def test_a_word_of_several_tokens_has_the_label_of_its_first(later):
    assert spans((" Paris", 4, "B-LOC"), ("ville", 4, later), (".", 5, "O")) == [("Parisville", "LOC")]
    assert spans((" in", 3, "O"), ("", None, "B-LOC")) == []


def test_special_tokens_and_blank_words_are_no_entities():
    assert spans(("", None, "B-PER"), (" ", 0, "B-PER"), (" in", 1, "O")) == []


def test_a_span_is_as_sure_as_its_least_sure_word():
    words = [Entity("Ada", "B-PER", 0, 3, 0.9), Entity("Lovelace", "I-PER", 4, 12, 0.6)]
    assert spans_of(TEXT, words, LABELS) == [Entity("Ada Lovelace", "PER", 0, 12, 0.6)]


def sentencepiece_like(words: list[str], letters: str, *, split: bool) -> Tokenizer:
    """One token for each of these words with its blank, and one for each letter."""
    pieces = [f"▁{word}" for word in words]
    merges = {(piece[:at], piece[at]): None for piece in pieces for at in range(1, len(piece))}
    names = dict.fromkeys(["▁", *letters, *(first + second for first, second in merges)])
    vocabulary = {name: number for number, name in enumerate(names)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=list(merges)))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=split)
    return tokenizer


@pytest.mark.parametrize("split", [True, False], ids=["by words", "as one word, as Llama's and Gemma's"])
def test_white_space_parts_words_whatever_the_tokenizer_takes_for_one(split: bool):
    text = "Ada Lovelace\nmet Bob in  London 1843"
    encoded = sentencepiece_like(["Ada", "Lovelace", "Bob", "in"], text, split=split).encode(text)
    labels = [text[begin:end].strip() for begin, end in encoded.offsets]
    words = labelled_words(text, encoded.word_ids, encoded.offsets, labels, [0.9] * len(labels))
    words = [word for word in words if word.text]
    assert [word.text for word in words] == text.split()
    assert all(word.text.startswith(word.label) for word in words)
    assert [text[word.start : word.end] for word in words] == text.split()
