"""What is measured on the validation rows, task by task. Pure functions over labels and texts.

| task | metrics | definition |
|---|---|---|
| CAUSAL_LM | perplexity | exp of the mean loss of a learned token (Jelinek et al. 1977) |
| SEQ_CLS | accuracy, macro F1 | share that is right; mean of the classes' F1 (Manning et al. 2008, ch. 13) |
| TOKEN_CLS | entity F1 | whole entities, as conlleval counts them (CoNLL-2000 and 2003) |
| | accuracy | in place of it, where tags mark no entities (parts of speech, numbers): share of words |
| QUESTION_ANS | exact match, token F1 | SQuAD v1.1's normalisation (Rajpurkar et al. 2016) |
| SEQ_2_SEQ_LM | ROUGE-L | F-measure of the longest common subsequence of words (Lin 2004) |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """How people write a metric, and whether less of it is better."""

    title: str
    less_is_better: bool = False


ROUGE_ROWS, ROUGE_TOKENS = 32, 64
"""Texts take long to write, so that not all of them are measured, and not to their end."""
METRICS: Mapping[str, Metric] = {
    "loss": Metric("validation loss", less_is_better=True),
    "perplexity": Metric("perplexity", less_is_better=True),
    "accuracy": Metric("accuracy"),
    "macro_f1": Metric("macro F1"),
    "entity_f1": Metric("entity F1"),
    "exact_match": Metric("exact match"),
    "token_f1": Metric("token F1"),
    "rouge_l": Metric("ROUGE-L"),
    "majority_accuracy": Metric("accuracy of the majority baseline (always the most frequent class)"),
}
"""Every metric by the name that a run's events have for it."""
PARTLY: Mapping[str, str] = {
    "rouge_l": f"ROUGE-L is of the first {ROUGE_ROWS} of these rows at most, on the first {ROUGE_TOKENS} "
    "tokens that are written."
}
"""What to know of a metric that is not of all that was held back."""


def partly(*measured: Mapping[str, float]) -> list[str]:
    """The sentences on those of the metrics that are not of all rows held back."""
    return [sentence for name, sentence in PARTLY.items() if any(name in metrics for metrics in measured)]
