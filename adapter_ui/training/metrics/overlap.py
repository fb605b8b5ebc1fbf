"""ROUGE-L: how much of a text is in another in the same order (Lin 2004, sentence level).

The F-measure of recall and precision of the longest common subsequence of words, both weighing the same.
Words are runs of letters and digits in lower case, without stemming.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

WORD = re.compile(r"\w+")


def rouge_l(expected: Sequence[str], predicted: Sequence[str]) -> float:
    """The mean over all pairs of texts."""
    scores = [sentence_rouge_l(one, other) for one, other in zip(expected, predicted, strict=True)]
    return sum(scores) / len(scores)


def sentence_rouge_l(expected: str, predicted: str) -> float:
    gold, found = WORD.findall(expected.lower()), WORD.findall(predicted.lower())
    return 2 * common_length(gold, found) / (len(gold) + len(found)) if gold and found else 0.0


def common_length(one: Sequence[str], other: Sequence[str]) -> int:
    """Words of the longest subsequence that both have; they need not be neighbours."""
    above = [0] * (len(other) + 1)
    for word in one:
        row = [0]
        for at, candidate in enumerate(other):
            row.append(above[at] + 1 if word == candidate else max(row[at], above[at + 1]))
        above = row
    return above[-1]
