"""Exact match and token F1 of answers, by the rules of SQuAD v1.1 (Rajpurkar et al. 2016).

Lower case, without punctuation and without a, an, the; a question scores the best over its expected answers.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

ARTICLES = re.compile(r"\b(a|an|the)\b")
WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


def words_of(answer: str) -> list[str]:
    """The words that count."""
    return ARTICLES.sub(" ", answer.lower().translate(WITHOUT_PUNCTUATION)).split()


def same_words(expected: str, predicted: str) -> float:
    return float(words_of(expected) == words_of(predicted))


def shared_words(expected: str, predicted: str) -> float:
    """F1 of the words that both have, each as often as both have it."""
    gold, found = words_of(expected), words_of(predicted)
    shared = (Counter(gold) & Counter(found)).total()
    return 2 * shared / (len(gold) + len(found)) if shared else 0.0


def exact_match(expected: Sequence[Sequence[str]], predicted: Sequence[str]) -> float:
    """The share of questions answered with the very words of one of their expected answers."""
    return best_mean(same_words, expected, predicted)


def token_f1(expected: Sequence[Sequence[str]], predicted: Sequence[str]) -> float:
    """The mean over all questions of the F1 with the nearest expected answer."""
    return best_mean(shared_words, expected, predicted)


def best_mean(
    score: Callable[[str, str], float], expected: Sequence[Sequence[str]], predicted: Sequence[str]
) -> float:
    pairs = zip(expected, predicted, strict=True)
    return sum(max(score(one, answer) for one in answers) for answers, answer in pairs) / len(predicted)
