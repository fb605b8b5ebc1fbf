"""From training examples to token ids and labels, through the base's tokenizer and its chat template.

A model learns answers only, unless its recipe wants everything learned: every token of a prompt is labelled
-100, which the loss passes over. Knows nothing of models or of training.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any

from transformers import BatchEncoding, PreTrainedTokenizerBase

from adapter_ui.errors import BaseUnavailable, InvalidRecipe
from adapter_ui.models.decoding.prompt import context_length, virtual_tokens
from adapter_ui.models.loading import LoadedModel
from adapter_ui.models.tuning.windows import NOT_HERE, encode_question
from adapter_ui.models.tuning.wording import ANSWERS_ONLY, RefusedByTemplate, learned_text
from adapter_ui.models.windows import Place
from adapter_ui.training.examples import Examples
from adapter_ui.training.prompt_template import Span, Wording
from adapter_ui.training.recipe import Recipe, validation_size

IGNORED = -100
SHORTEST_ROW = 8
Row = dict[str, Any]


@dataclass(frozen=True)
class Encoded:
    """One example as the rows that a model reads: one, or the windows of a question's context. `places` tell
    for each window where its tokens stand in the context; `length` is in tokens before cutting. `refusal`
    says why the base's chat template left it without rows.
    """

    rows: list[Row]
    length: int
    places: list[list[Place]]
    refusal: str = ""


@dataclass(frozen=True)
class EncodedData:
    """Rows ready for the collator. `lengths` are in tokens before cutting; `cut` rows were longer than
    allowed, and `unlearnable` ones had no answer left after it and are in neither part. Among these are the
    `refusals`: the examples that the base's chat template refuses, by their place, and of no length.

    For each validation row `sources` has its example, and `places` those of `Encoded`.
    """

    training: list[Row]
    validation: list[Row]
    lengths: list[int]
    cut: int
    unlearnable: int
    refusals: Mapping[int, str]
    sources: list[Mapping[str, Any]]
    places: list[list[Place]]

    @property
    def held_back(self) -> int:
        """Examples held back for validation; a long one may be several rows."""
        return len({id(source) for source in self.sources})

    @property
    def learned(self) -> int:
        """Examples to train on."""
        return len(self.lengths) - self.unlearnable - self.held_back


def encode_examples(
    examples: Examples,
    labels: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    recipe: Recipe,
    max_length: int,
) -> EncodedData:
    """Encode all rows and hold some back for validation, the same ones for the same seed.

    `labels` are the class names in the order of the head's outputs; rows are cut at `max_length` tokens.
    Raises InvalidRecipe when nothing can be learned.
    """
    if not tokenizer.is_fast:
        raise BaseUnavailable(
            "This base's tokenizer cannot tell where its tokens lie in the text; choose another base."
        )
    ids = {label: index for index, label in enumerate(labels)}
    wording = Wording.of(recipe)
    encoded = [
        encode_example(row, recipe.task_type, ids, tokenizer, max_length, wording) for row in examples.rows
    ]
    lengths = [example.length for example in encoded]
    kept = [
        (example, row)
        for example, row in zip(encoded, examples.rows, strict=True)
        if any(is_learnable(one, recipe.task_type) for one in example.rows)
    ]
    refusals = {at: example.refusal for at, example in enumerate(encoded) if example.refusal}
    refuse_too_few(len(kept), max_length, list(refusals.values()))
    held_back = set(random.Random(recipe.seed).sample(range(len(kept)), validation_size(recipe, len(kept))))
    validation = [kept[index] for index in sorted(held_back)]
    windowed = recipe.task_type == "QUESTION_ANS"
    return EncodedData(
        training=[
            row for index, (example, _) in enumerate(kept) if index not in held_back for row in example.rows
        ],
        validation=[row for example, _ in validation for row in example.rows],
        lengths=lengths,
        cut=0 if windowed else sum(length > max_length for length in lengths),
        unlearnable=len(encoded) - len(kept),
        refusals=refusals,
        sources=[source for example, source in validation for _ in example.rows],
        places=[places for example, _ in validation for places in example.places],
    )


def refuse_too_few(kept: int, max_length: int, refusals: Sequence[str]) -> None:
    if kept < 2 and refusals:
        raise InvalidRecipe(
            f"The base's chat template refuses {len(refusals)} conversations of the data, and {kept} can be "
            f"learned ({refusals[0]}); check their roles and their order.",
            field="data",
        )
    if kept < 2:
        raise InvalidRecipe(
            f"Only {kept} rows have an answer within {max_length} tokens; "
            "raise max_length or shorten the prompts.",
            field="max_length",
        )


def encode_example(
    row: Mapping[str, Any],
    task_type: str,
    ids: Mapping[str, int],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    wording: Wording = ANSWERS_ONLY,
) -> Encoded:
    """One example in the form of its task."""
    if task_type == "QUESTION_ANS":
        windows, length = encode_question(row, tokenizer, max_length)
        return Encoded([window for window, _ in windows], length, [places for _, places in windows])
    encode = encode_pair if task_type == "SEQ_2_SEQ_LM" else partial(encode_row, ids=ids, wording=wording)
    try:
        encoded, length = encode(row, tokenizer=tokenizer, max_length=max_length)
    except RefusedByTemplate as refusal:
        return Encoded([], 0, [], str(refusal))
    return Encoded([encoded], length, [[]])


def row_limit(recipe: Recipe, loaded: LoadedModel) -> int:
    """Tokens of a row that the recipe asks for and the base can read. Raises InvalidRecipe when the virtual
    tokens leave no room for it.
    """
    readable = context_length(loaded)
    if readable < SHORTEST_ROW:
        virtual = virtual_tokens(loaded.model)
        raise InvalidRecipe(
            f"num_virtual_tokens is {virtual} and the base reads {readable + virtual} tokens; lower it.",
            field="num_virtual_tokens",
        )
    return min(recipe.max_length, readable, loaded.tokenizer.model_max_length)


def encode_row(
    row: Mapping[str, Any],
    ids: Mapping[str, int],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    wording: Wording = ANSWERS_ONLY,
) -> tuple[Row, int]:
    """One example as ids, attention mask and labels, cut at `max_length`; and its length before."""
    if "label" in row:
        encoded, length = encode_whole(
            tokenizer, max_length, text=row["text"], text_pair=row.get("text_pair")
        )
        return {**tensors_of(encoded), "labels": ids[row["label"]]}, length
    if "tags" in row:
        text = " ".join(row["tokens"])
        encoded, length = encode_whole(tokenizer, max_length, text=text, return_offsets_mapping=True)
        labels = first_piece_labels(words_of(encoded["offset_mapping"], row["tokens"]), row["tags"], ids)
        return {**tensors_of(encoded), "labels": labels}, length
    whole = encode_text(*learned_text(row, tokenizer, wording), tokenizer)
    return {key: values[:max_length] for key, values in whole.items()}, len(whole["input_ids"])


def encode_pair(
    row: Mapping[str, Any], tokenizer: PreTrainedTokenizerBase, max_length: int
) -> tuple[Row, int]:
    """A prompt for the encoder and its answer for the decoder, each cut at `max_length`; the longer one's
    length before.
    """
    asked, length = encode_whole(tokenizer, max_length, text=row["prompt"])
    answer = tokenizer(text_target=row["completion"])["input_ids"]
    if answer[-1:] != [tokenizer.eos_token_id]:
        answer = [*answer, tokenizer.eos_token_id]
    row_of_both = {name: asked[name] for name in ("input_ids", "attention_mask")}
    return {**row_of_both, "labels": answer[:max_length]}, max(length, len(answer))


def encode_whole(
    tokenizer: PreTrainedTokenizerBase, max_length: int, **inputs: Any
) -> tuple[BatchEncoding, int]:
    """Tokens with the closing special tokens kept when the text has to be cut, and the length before that."""
    encoded = tokenizer(**inputs)
    length = len(encoded["input_ids"])
    return (
        tokenizer(**inputs, truncation=True, max_length=max_length) if length > max_length else encoded
    ), length


def tensors_of(encoded: Mapping[str, Any]) -> Row:
    return {key: encoded[key] for key in ("input_ids", "attention_mask", "token_type_ids") if key in encoded}


def words_of(offsets: Sequence[tuple[int, int]], words: Sequence[str]) -> list[int | None]:
    """The word that each token belongs to, None for special tokens. The words stand in a text with blanks
    between them, as they do when the tagger is asked: many tokenizers have other tokens for a word alone.
    """
    begins = [0, *accumulate(len(word) + 1 for word in words)]
    return [None if begin == end else bisect_right(begins, end - 1) - 1 for begin, end in offsets]


def first_piece_labels(
    word_ids: Sequence[int | None], tags: Sequence[str], ids: Mapping[str, int]
) -> list[int]:
    """A word's tag on its first piece; its further pieces and special tokens are not learned."""
    return [
        IGNORED if word is None or (index and word_ids[index - 1] == word) else ids[tags[word]]
        for index, word in enumerate(word_ids)
    ]


def encode_text(
    text: str, learned: Sequence[Span], special_tokens: bool, tokenizer: PreTrainedTokenizerBase
) -> Row:
    """Tokens of `text`, labelled where they begin inside one of the `learned` spans of characters."""
    encoded = tokenizer(text, add_special_tokens=special_tokens, return_offsets_mapping=True)
    labels = [
        token if begin < end and any(start <= begin < stop for start, stop in learned) else IGNORED
        for token, (begin, end) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
    ]
    return {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"], "labels": labels}


def in_one_line(row: Row, task_type: str) -> tuple[list[int], list[int] | int]:
    """All tokens of a row and what is learned of each, or the one class of the row: a question's answer is
    marked in its context, a decoder's text follows the encoder's.
    """
    ids = row["input_ids"]
    if "end_positions" in row:
        learned = is_learnable(row, task_type)
        answer = range(row["start_positions"], row["end_positions"] + 1) if learned else ()
        return ids, [token if at in answer else IGNORED for at, token in enumerate(ids)]
    if task_type == "SEQ_2_SEQ_LM":
        return [*ids, *row["labels"]], [*[IGNORED] * len(ids), *row["labels"]]
    return ids, row["labels"]


def is_learnable(row: Row, task_type: str) -> bool:
    """Whether something of the row is learned; nothing stands before a text's first token that it could be
    foretold from.
    """
    if "end_positions" in row:
        return row["end_positions"] != NOT_HERE
    labels = row["labels"]
    first = 1 if task_type == "CAUSAL_LM" else 0
    return isinstance(labels, int) or any(label != IGNORED for label in labels[first:])
