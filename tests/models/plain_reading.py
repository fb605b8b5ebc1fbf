"""What the outputs of a model mean for its task, worked out anew: what a person should be shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from adapter_ui.domain import Generation, Prediction
from tests.models.engine_here import Heard
from tests.models.plain_peft import CONTEXT, TEXT, tokenizer_of

CLOSE = 1e-5


def check_text(generation: Generation, heard: Heard, folder: Path) -> None:
    """Logits of a low precision may tie, so that the last token is anyone's guess."""
    assert generation.tokens == len(heard.logits)
    text = tokenizer_of(folder).decode(heard.tokens[:-1], skip_special_tokens=True)
    assert generation.text.startswith(text.rstrip("\ufffd"))


def check_prediction(
    found: Prediction, outputs: list[torch.Tensor], folder: Path, labels: tuple[str, ...]
) -> None:
    CHECKS[found.task_type](found, [one[0].float() for one in outputs], folder, labels)


def check_labels(
    found: Prediction, outputs: list[torch.Tensor], folder: Path, labels: tuple[str, ...]
) -> None:
    expected = dict(zip(labels, outputs[0].softmax(-1).tolist(), strict=True))
    assert {one.label: one.score for one in found.labels} == pytest.approx(expected, abs=CLOSE)
    assert found.labels[0].label == max(expected, key=expected.get)


def check_entities(
    found: Prediction, outputs: list[torch.Tensor], folder: Path, labels: tuple[str, ...]
) -> None:
    """Every word is an entity, since each label begins one."""
    encoded = tokenizer_of(folder)(TEXT, return_offsets_mapping=True)
    logits = of_the_text(outputs[0], len(encoded["input_ids"]))
    words = [match.span() for match in re.finditer(r"\S+", TEXT)]
    assert [(one.start, one.end) for one in found.entities] == words
    for entity, (start, _) in zip(found.entities, words, strict=True):
        first = next(at for at, (_, end) in enumerate(encoded["offset_mapping"]) if end > start)
        score, label = logits[first].softmax(-1).max(-1)
        assert f"B-{entity.label}" == labels[int(label)]
        assert entity.score == pytest.approx(float(score), abs=CLOSE)


def check_span(found: Prediction, outputs: list[torch.Tensor], folder: Path, labels: tuple[str, ...]) -> None:
    """The likeliest first and last token of the context, found by trying all pairs."""
    encoded = tokenizer_of(folder)(TEXT, CONTEXT, return_offsets_mapping=True)
    places = [
        place
        for place, side in zip(encoded["offset_mapping"], encoded.sequence_ids(0), strict=True)
        if side == 1
    ]
    inside = [at for at, side in enumerate(encoded.sequence_ids(0)) if side == 1]
    first, last = (
        of_the_text(one, len(encoded["input_ids"]))[inside].softmax(-1).tolist() for one in outputs
    )
    scores = {
        (places[start][0], places[end][1]): first[start] * last[end]
        for start in range(len(places))
        for end in range(start, len(places))
    }
    best = max(scores, key=scores.get)
    assert (found.start, found.end) == best
    assert found.answer == CONTEXT[slice(*best)]
    assert found.score == pytest.approx(scores[best], abs=CLOSE)


def check_embedding(
    found: Prediction, outputs: list[torch.Tensor], folder: Path, labels: tuple[str, ...]
) -> None:
    count = len(tokenizer_of(folder)(TEXT)["input_ids"])
    mean = of_the_text(outputs[0], count).mean(0)
    assert list(found.embedding) == pytest.approx((mean / mean.norm()).tolist(), abs=CLOSE)


def of_the_text(states: torch.Tensor, count: int) -> torch.Tensor:
    """Without the virtual tokens that a prompt puts before the text."""
    return states[-count:]


CHECKS = {
    "SEQ_CLS": check_labels,
    "TOKEN_CLS": check_entities,
    "QUESTION_ANS": check_span,
    "FEATURE_EXTRACTION": check_embedding,
}
