"""Accuracy and macro F1 of one label a text, and what always saying the most frequent label would reach."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def accuracy(expected: Sequence[str], predicted: Sequence[str]) -> float:
    """The share of labels that are right."""
    return sum(one == other for one, other in zip(expected, predicted, strict=True)) / len(expected)


def macro_f1(expected: Sequence[str], predicted: Sequence[str]) -> float:
    """The mean F1 of all classes that are expected or predicted; a class never hit counts as 0."""
    hits = Counter(one for one, other in zip(expected, predicted, strict=True) if one == other)
    named = Counter(expected) + Counter(predicted)
    return sum(2 * hits[label] / count for label, count in named.items()) / len(named)


def majority_accuracy(training: Sequence[str], expected: Sequence[str]) -> float:
    """The accuracy on `expected` of always saying the label that `training` has most often."""
    most_frequent = Counter(training).most_common(1)[0][0]
    return accuracy(expected, [most_frequent] * len(expected))
