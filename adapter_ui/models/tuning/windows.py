"""Questions with their contexts as tokens: a long context is read in windows that overlap.

A window without the whole answer is labelled with its first token, which stands for "not here" as in BERT's
own training on SQuAD (Devlin et al. 2019). Knows nothing of models or of training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

NOT_HERE = 0
OVERLAP = 128
FEWEST_CONTEXT_TOKENS = 8
Place = tuple[int, int] | None
"""Where a token stands in the context, by characters; None for a token of the question."""


def encode_question(
    row: Mapping[str, Any], tokenizer: PreTrainedTokenizerBase, max_length: int
) -> tuple[list[tuple[dict[str, Any], list[Place]]], int]:
    """The windows of one question with the place of each of their tokens; and its length in one piece.

    No window when the question leaves no room for its context.
    """
    length = len(tokenizer(row["question"], row["context"])["input_ids"])
    room = max_length - len(tokenizer(row["question"], "")["input_ids"])
    if room < FEWEST_CONTEXT_TOKENS:
        return [], length
    encoded = tokenizer(
        row["question"],
        row["context"],
        truncation="only_second",
        max_length=max_length,
        stride=min(OVERLAP, room // 2),
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    inputs = [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in encoded]
    start = row["answer_start"]
    answer = (start, start + len(row["answers"][0]))
    windows = []
    for at, offsets in enumerate(encoded["offset_mapping"]):
        places = [
            tuple(offset) if side == 1 else None
            for offset, side in zip(offsets, encoded.sequence_ids(at), strict=True)
        ]
        first, last = tokens_of(answer, places)
        labelled = {name: encoded[name][at] for name in inputs}
        windows.append(({**labelled, "start_positions": first, "end_positions": last}, places))
    return windows, length


def tokens_of(answer: tuple[int, int], places: Sequence[Place]) -> tuple[int, int]:
    """The first and the last token of the answer when all of it stands in the window."""
    start, end = answer
    touching = [at for at, place in enumerate(places) if place and place[0] < end and place[1] > start]
    if not touching or places[touching[0]][0] > start or places[touching[-1]][1] < end:
        return NOT_HERE, NOT_HERE
    return touching[0], touching[-1]
