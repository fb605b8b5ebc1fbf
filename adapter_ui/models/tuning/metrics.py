"""The metrics of a task from what the model says to the validation rows, as the Trainer asks for them.

What a batch leaves behind is made small at once: of a word's 50,000 logits only its loss or its best class is
kept. The definitions are in `adapter_ui.training.metrics`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import torch
from transformers import EvalPrediction, Trainer

from adapter_ui.domain.entity_tags import in_bio
from adapter_ui.models.loading import LoadedModel
from adapter_ui.models.tuning.data import IGNORED, EncodedData
from adapter_ui.models.windows import likeliest_span
from adapter_ui.training.metrics import METRICS, ROUGE_ROWS, ROUGE_TOKENS
from adapter_ui.training.metrics.classes import accuracy, macro_f1, majority_accuracy
from adapter_ui.training.metrics.entities import entity_f1, mark_entities
from adapter_ui.training.metrics.overlap import rouge_l
from adapter_ui.training.metrics.spans import exact_match, token_f1

ROUGE_BATCH = 8
PREFIX = "test"
Found = dict[str, float]


@dataclass(frozen=True)
class Measures:
    """`reduce` makes a batch's outputs and labels small, `compute` makes figures of all of them."""

    reduce: Callable[[Any, Any], torch.Tensor]
    compute: Callable[[EvalPrediction], Found]


def measures_for(
    task_type: str, loaded: LoadedModel, data: EncodedData, leave_if_asked: Callable[[], None]
) -> Measures:
    """How the task is measured on the validation rows of `data`; `leave_if_asked` is called before each
    batch of texts that are written for it, and may raise.
    """
    if task_type == "SEQ_CLS":
        return Measures(best_class, partial(class_metrics, class_names(loaded)))
    if task_type == "TOKEN_CLS":
        return Measures(best_class, partial(tag_metrics, class_names(loaded)))
    if task_type == "QUESTION_ANS":
        return Measures(both_ends, partial(answer_metrics, data))
    if task_type == "SEQ_2_SEQ_LM":
        return Measures(nothing, partial(text_metrics, loaded, data, leave_if_asked))
    return Measures(token_losses, perplexity)


def measure(trainer: Trainer, data: EncodedData) -> Found:
    """The metrics of the model as it is; empty without validation rows. Leaves the random numbers that the
    training will draw as they are.
    """
    if not data.validation:
        return {}
    with torch.random.fork_rng():
        found = trainer.predict(data.validation, metric_key_prefix=PREFIX).metrics
    named = {name.removeprefix(f"{PREFIX}_"): float(value) for name, value in found.items()}
    return {name: value for name, value in named.items() if name in METRICS and math.isfinite(value)}


def baseline(task_type: str, data: EncodedData) -> Found:
    """What no model is needed for: always the class that is most frequent in the training rows."""
    if task_type != "SEQ_CLS" or not data.validation:
        return {}
    training, validation = ([str(row["labels"]) for row in rows] for rows in (data.training, data.validation))
    return {"majority_accuracy": majority_accuracy(training, validation)}


def first_output(outputs: Any) -> torch.Tensor:
    return outputs[0] if isinstance(outputs, tuple) else outputs


def best_class(outputs: Any, labels: Any) -> torch.Tensor:
    return first_output(outputs).argmax(-1)


def both_ends(outputs: Any, labels: Any) -> torch.Tensor:
    """The logits of an answer's first and last token, side by side."""
    return torch.stack(outputs[:2], dim=-1).float()


def nothing(outputs: Any, labels: Any) -> torch.Tensor:
    """Texts are written anew: what the model says while it is shown the answer is no answer."""
    return labels[:, :0]


def token_losses(outputs: Any, labels: torch.Tensor) -> torch.Tensor:
    """The loss of each learned token; virtual tokens in front of the text are passed over."""
    logits = first_output(outputs)[:, -labels.shape[1] :][:, :-1]
    wanted = labels[:, 1:] != IGNORED
    losses = torch.zeros(wanted.shape, device=logits.device)
    losses[wanted] = torch.nn.functional.cross_entropy(
        logits[wanted].float(), labels[:, 1:][wanted], reduction="none"
    )
    return losses


def perplexity(found: EvalPrediction) -> Found:
    wanted = found.label_ids[:, 1:] != IGNORED
    return {"perplexity": float(np.exp(found.predictions[wanted].astype(np.float64).mean()))}


def class_names(loaded: LoadedModel) -> Sequence[str]:
    names = loaded.model.config.id2label
    return [str(names[index]) for index in range(len(names))]


def class_metrics(names: Sequence[str], found: EvalPrediction) -> Found:
    expected, predicted = ([names[index] for index in ids] for ids in (found.label_ids, found.predictions))
    return {"accuracy": accuracy(expected, predicted), "macro_f1": macro_f1(expected, predicted)}


def tag_metrics(names: Sequence[str], found: EvalPrediction) -> Found:
    expected, predicted = (
        [
            [names[index] for index in row[labels != IGNORED]]
            for row, labels in zip(rows, found.label_ids, strict=True)
        ]
        for rows in (found.label_ids, found.predictions)
    )
    if mark_entities(names):
        both = ([in_bio(tags, names) for tags in rows] for rows in (expected, predicted))
        return {"entity_f1": entity_f1(*both)}
    return {"accuracy": accuracy(list(chain.from_iterable(expected)), list(chain.from_iterable(predicted)))}


def answer_metrics(data: EncodedData, found: EvalPrediction) -> Found:
    """One answer a question: the likeliest span of all its windows."""
    best: dict[int, tuple[float, str]] = {}
    rows: dict[int, Mapping[str, Any]] = {}
    for logits, places, row in zip(found.predictions, data.places, data.sources, strict=True):
        score, begin, end = likeliest_span(logits, places)
        rows[id(row)] = row
        if id(row) not in best or score > best[id(row)][0]:
            best[id(row)] = (score, row["context"][begin:end])
    expected = [row["answers"] for row in rows.values()]
    predicted = [best[key][1] for key in rows]
    return {"exact_match": exact_match(expected, predicted), "token_f1": token_f1(expected, predicted)}


def text_metrics(
    loaded: LoadedModel, data: EncodedData, leave_if_asked: Callable[[], None], _: EvalPrediction
) -> Found:
    """ROUGE-L of what the model writes, greedily, to the first of the validation rows."""
    rows, sources = data.validation[:ROUGE_ROWS], data.sources[:ROUGE_ROWS]
    written: list[str] = []
    for at in range(0, len(rows), ROUGE_BATCH):
        leave_if_asked()
        written += texts_written(loaded, [row["input_ids"] for row in rows[at : at + ROUGE_BATCH]])
    return {"rouge_l": rouge_l([row["completion"] for row in sources], written)}


def texts_written(loaded: LoadedModel, prompts: Sequence[Sequence[int]]) -> list[str]:
    inputs = loaded.tokenizer.pad({"input_ids": prompts}, return_tensors="pt").to(loaded.device)
    with torch.inference_mode():
        tokens = loaded.model.generate(
            **inputs, max_new_tokens=ROUGE_TOKENS, do_sample=False, pad_token_id=loaded.tokenizer.pad_token_id
        )
    return loaded.tokenizer.batch_decode(tokens, skip_special_tokens=True)
