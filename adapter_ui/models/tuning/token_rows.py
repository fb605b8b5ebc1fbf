"""The first rows of a fine-tune as tokens to look at, and what the split of the rows gives away.

Reads what `adapter_ui.models.tuning.data` has encoded; decides nothing of what is learned.
"""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from adapter_ui.domain import Token, TokenRow
from adapter_ui.models.tuning.data import IGNORED, EncodedData, encode_example, in_one_line
from adapter_ui.models.tuning.wording import ANSWERS_ONLY
from adapter_ui.training.examples import Examples
from adapter_ui.training.prompt_template import Wording

SHOWN_ROWS = 3
SHOWN_TOKENS = 240
TORN = "\N{REPLACEMENT CHARACTER}"


def token_rows(
    examples: Examples,
    labels: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    wording: Wording = ANSWERS_ONLY,
) -> tuple[TokenRow, ...]:
    """The first rows, encoded as training encodes them."""
    ids = {label: index for index, label in enumerate(labels)}
    task = examples.task_type
    encoded = (
        encode_example(row, task, ids, tokenizer, max_length, wording) for row in examples.rows[:SHOWN_ROWS]
    )
    return tuple(
        token_row(*in_one_line(example.rows[0], task), example.length, labels, tokenizer)
        for example in encoded
        if example.rows
    )


def token_row(
    tokens_read: Sequence[int],
    taught: Sequence[int] | int,
    length: int,
    labels: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
) -> TokenRow:
    texts = token_texts(tokens_read[:SHOWN_TOKENS], tokenizer)
    if isinstance(taught, int):
        return TokenRow(tuple(Token(text, learned=False) for text in texts), length, labels[taught])
    tokens = [
        # nothing stands before the first token that it could be foretold from
        Token(text, taught[at] != IGNORED and (at > 0 or bool(labels)), label_of(taught[at], labels))
        for at, text in enumerate(texts)
    ]
    return TokenRow(tuple(tokens), length)


def label_of(taught: int, labels: Sequence[str]) -> str:
    return labels[taught] if labels and taught != IGNORED else ""


def token_texts(ids: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """What each token adds to the text. A token that ends within a character adds a replacement character,
    and the token that ends it the character itself.
    """
    texts: list[str] = []
    before = ""
    for end in range(1, len(ids) + 1):
        text = tokenizer.decode(ids[:end], skip_special_tokens=False, clean_up_tokenization_spaces=False)
        if text.endswith(TORN):
            texts.append(TORN)
            continue
        grown = text.startswith(before) and len(text) > len(before)
        texts.append(text[len(before) :] if grown else tokenizer.convert_ids_to_tokens(ids[end - 1]))
        before = text
    return texts


def leaked_rows(data: EncodedData) -> int:
    """Validation rows whose tokens are those of a training row: they measure memory, not understanding."""
    seen = {tuple(row["input_ids"]) for row in data.training}
    return sum(tuple(row["input_ids"]) in seen for row in data.validation)


def unseen_labels(data: EncodedData, labels: Sequence[str]) -> tuple[str, ...]:
    """The classes that no training row teaches."""
    seen: set[int] = set()
    for row in data.training if labels else ():
        taught = row["labels"]
        seen.update([taught] if isinstance(taught, int) else taught)
    return tuple(label for index, label in enumerate(labels) if index not in seen)
