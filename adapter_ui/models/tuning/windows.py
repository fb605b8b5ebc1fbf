"""Questions with their answers as tokens to learn from, in windows that overlap.

A window without the whole answer is labelled with its first token, which stands for "not here" as in BERT's
own training on SQuAD (Devlin et al. 2019). Knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from adapter_ui.models.windows import Place, read_windows

NOT_HERE = 0


def encode_question(
    row: Mapping[str, Any], tokenizer: PreTrainedTokenizerBase, max_length: int
) -> tuple[list[tuple[dict[str, Any], list[Place]]], int]:
    """The windows of one question with the place of each of their tokens; and its length in one piece."""
    length = len(tokenizer(row["question"], row["context"])["input_ids"])
    start = row["answer_start"]
    answer = (start, start + len(row["answers"][0]))
    windows = []
    for window in read_windows(row["question"], row["context"], tokenizer, max_length):
        first, last = tokens_of(answer, window.places)
        windows.append(({**window.inputs, "start_positions": first, "end_positions": last}, window.places))
    return windows, length


def tokens_of(answer: tuple[int, int], places: Sequence[Place]) -> tuple[int, int]:
    """The first and the last token of the answer when all of it stands in the window."""
    start, end = answer
    touching = [at for at, place in enumerate(places) if place and place[0] < end and place[1] > start]
    if not touching or places[touching[0]][0] > start or places[touching[-1]][1] < end:
        return NOT_HERE, NOT_HERE
    return touching[0], touching[-1]
