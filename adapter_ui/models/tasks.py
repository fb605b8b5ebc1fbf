"""Answers of models that do not just write: labels, entities, a span of the context, an embedding.

Each function takes a loaded model and text, and gives a Prediction. Nothing here knows which adapter is
active. A model whose scores are no numbers any more has no answer: each raises ModelFailure then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch

from adapter_ui.domain import Entity, LabelScore, Prediction
from adapter_ui.domain.entity_tags import BEGIN, INSIDE, OUTSIDE, in_bio
from adapter_ui.errors import InvalidInput
from adapter_ui.models.decoding.prompt import context_length, refuse_unknown_tokens, tokenized
from adapter_ui.models.decoding.sampler import refuse_noise
from adapter_ui.models.loading import LoadedModel
from adapter_ui.models.turns import Between
from adapter_ui.models.wide import wide_products
from adapter_ui.models.windows import Window, likeliest_span, read_windows

EMBEDDING_POOLING = "mean"
# Read in one forward pass, which nobody's cancel can end and beside which nobody else is answered.
MOST_TOKENS = 4096
WORST = (-math.inf, 0.0, 0, 0)


def predict(
    loaded: LoadedModel, task_type: str, text: str, text_pair: str, between: Between | None = None
) -> Prediction:
    """Run the task's own head on `text`. `between` is called between the pieces of a text that is read in
    several. Raises InvalidInput when the task has no such view.
    """
    if task_type not in TASKS:
        raise InvalidInput(
            f"{task_type or 'An adapter without a task type'} has no prediction view; generate text with "
            "it instead.",
            field="adapter",
        )
    with torch.inference_mode(), wide_products():
        return TASKS[task_type](loaded, text, text_pair, between)


def most_tokens(loaded: LoadedModel) -> int:
    """How many tokens the model reads at once; some bases have positions that their tokenizer leaves free."""
    return min(context_length(loaded), loaded.tokenizer.model_max_length, MOST_TOKENS)


def encode(
    loaded: LoadedModel, text: str, text_pair: str = "", **options: object
) -> tuple[dict[str, torch.Tensor], int]:
    """The text's tokens, as many as the model reads at once, and how many are left out at the end."""

    def tokens(**limits: object) -> Any:
        return loaded.tokenizer(
            text, text_pair or None, return_tensors="pt", verbose=False, **options, **limits
        )

    most = most_tokens(loaded)
    encoded = tokenized(tokens)
    length = encoded["input_ids"].shape[1]
    if length == 0:
        raise InvalidInput("There is no text to read; write some.", field="text")
    if length > most:
        encoded = tokenized(lambda: tokens(truncation=True, max_length=most))
    refuse_unknown_tokens(loaded, encoded["input_ids"][0].tolist(), field="text")
    return encoded.to(loaded.device), max(length - most, 0)


def of_the_text(states: torch.Tensor, tokens: int) -> torch.Tensor:
    """Those of the text's own tokens: PROMPT_TUNING and P_TUNING put learned ones before them."""
    return states[-tokens:]


def classify(loaded: LoadedModel, text: str, text_pair: str, between: Between | None) -> Prediction:
    """SEQ_CLS: every label with its probability (softmax; sigmoid for multi-label bases), best first."""
    encoded, unread = encode(loaded, text, text_pair)
    logits = loaded.model(**encoded).logits[0].float()
    refuse_noise(logits)
    config = loaded.model.config
    if config.problem_type == "multi_label_classification":
        scores = logits.sigmoid()
    elif config.problem_type == "regression" or logits.numel() == 1:
        scores = logits
    else:
        scores = logits.softmax(-1)
    labels = [LabelScore(str(config.id2label[index]), score) for index, score in enumerate(scores.tolist())]
    best_first = sorted(labels, key=lambda label: -label.score)
    return Prediction("SEQ_CLS", labels=tuple(best_first), unread_tokens=unread or None)


def tag(loaded: LoadedModel, text: str, text_pair: str, between: Between | None) -> Prediction:
    """TOKEN_CLS: spans of equal label, where prefixes as B- and I- mark a span's first and further words."""
    encoded, unread = encode(loaded, text, return_offsets_mapping=True)
    offsets = encoded.pop("offset_mapping")[0].tolist()
    logits = of_the_text(loaded.model(**encoded).logits[0], len(offsets))
    refuse_noise(logits)
    scores, labels = logits.float().softmax(-1).max(-1)
    known = {index: str(name) for index, name in loaded.model.config.id2label.items()}
    names = [known[index] for index in labels.tolist()]
    words = labelled_words(text, encoded.word_ids(0), offsets, names, scores.tolist())
    spans = spans_of(text, words, known.values())
    return Prediction("TOKEN_CLS", entities=tuple(spans), unread_tokens=unread or None)


def labelled_words(
    text: str,
    words: Sequence[int | None],
    offsets: Sequence[tuple[int, int]],
    labels: Sequence[str],
    scores: Sequence[float],
) -> list[Entity]:
    """Every word of the text with the label of its first token, the one that taggers are trained on.

    `words` has the number of each token's word, None for special tokens. Tokenizers like Llama's and Gemma's
    take a whole text for one word, so white space parts words, too.
    """
    found: list[Entity] = []
    last_word = None
    for word, (start, end), label, score in zip(words, offsets, labels, scores, strict=True):
        piece = text[start:end]
        if word is None or (word == last_word and not piece.strip()):
            continue
        start = end - len(piece.lstrip())
        end = start + len(piece.strip())
        if word == last_word and not has_white_space(text[found[-1].end : start]):
            first = found.pop()
            start, label, score = first.start, first.label, first.score
        last_word = word
        found.append(Entity(text[start:end], label, start, end, score))
    return found


def has_white_space(text: str) -> bool:
    return any(character.isspace() for character in text)


def spans_of(text: str, words: Sequence[Entity], known: Iterable[str]) -> list[Entity]:
    """Neighbouring words of one label as one span, as sure as its least sure word; O is left out. `known` are
    all labels that the model has.
    """
    spans: list[Entity] = []
    previous = ""
    words = [word for word in words if word.start < word.end]
    labels = in_bio([word.label for word in words], known)
    for word, label in zip(words, labels, strict=True):
        name = "" if label in (OUTSIDE, "LABEL_0") else label.removeprefix(BEGIN).removeprefix(INSIDE)
        start, score = word.start, word.score
        if name and name == previous and not label.startswith(BEGIN):
            last = spans.pop()
            start, score = last.start, min(last.score, score)
        if name:
            spans.append(Entity(text[start : word.end], name, start, word.end, score))
        previous = name
    return spans


def answer(loaded: LoadedModel, text: str, text_pair: str, between: Between | None) -> Prediction:
    """QUESTION_ANS: the likeliest span of the context (`text_pair`) for the question (`text`).

    A context that the model cannot read at once is read in windows.
    """
    if not text_pair.strip():
        raise InvalidInput(
            "A question needs a context to find the answer in; fill in the second text.", field="text_pair"
        )
    windows = tokenized(lambda: read_windows(text, text_pair, loaded.tokenizer, most_tokens(loaded)))
    if not any(place for window in windows for place in window.places):
        raise InvalidInput("The question leaves no room for its context; shorten it.", field="text")
    for window in windows:
        refuse_unknown_tokens(loaded, window.inputs["input_ids"], field="text")
    best = WORST
    for done, window in enumerate(windows, start=1):
        best = max(best, span_in(loaded, window))
        if between is not None and done < len(windows):
            between(done, len(windows))
    _, score, start, end = best
    return Prediction("QUESTION_ANS", answer=text_pair[start:end], start=start, end=end, score=score)


def span_in(loaded: LoadedModel, window: Window) -> tuple[float, float, int, int]:
    """The likeliest span of one window: the sum of its logits, by which windows compare, its probability
    within the window, and its characters in the whole context.
    """
    inputs = {name: torch.tensor([ids], device=loaded.device) for name, ids in window.inputs.items()}
    output = loaded.model(**inputs)
    both = torch.stack((output.start_logits[0], output.end_logits[0]), dim=-1).float()
    logits = of_the_text(both, len(window.places))
    inside = torch.tensor([place is not None for place in window.places], device=loaded.device)
    refuse_noise(logits[inside])
    best, start, end = likeliest_span(logits.cpu().numpy(), window.places)
    return best, math.exp(best - float(logits[inside].logsumexp(0).sum())), start, end


def embed(loaded: LoadedModel, text: str, text_pair: str, between: Between | None) -> Prediction:
    """FEATURE_EXTRACTION: the embedding of the text; of a second text too, and how alike both are."""
    one, unread = embedding_of(loaded, text)
    found = Prediction(
        "FEATURE_EXTRACTION",
        embedding=tuple(one.tolist()),
        pooling=EMBEDDING_POOLING,
        unread_tokens=unread or None,
    )
    if not text_pair.strip():
        return found
    other, more = embedding_of(loaded, text_pair)
    return replace(
        found,
        pair_embedding=tuple(other.tolist()),
        similarity=float(one @ other),
        unread_tokens=unread + more or None,
    )


def embedding_of(loaded: LoadedModel, text: str) -> tuple[torch.Tensor, int]:
    """The mean of the last hidden states over the text's tokens, scaled to length 1, and how many tokens are
    not in it.
    """
    encoded, unread = encode(loaded, text)
    mask = encoded["attention_mask"][0].unsqueeze(-1).float()
    hidden = of_the_text(loaded.model(**encoded).last_hidden_state[0].float(), len(mask))
    mean = (hidden * mask).sum(0) / mask.sum()
    refuse_noise(mean.norm())
    return torch.nn.functional.normalize(mean, dim=-1), unread


TASKS: dict[str, Callable[[LoadedModel, str, str, Between | None], Prediction]] = {
    "SEQ_CLS": classify,
    "TOKEN_CLS": tag,
    "QUESTION_ANS": answer,
    "FEATURE_EXTRACTION": embed,
}
