"""Answers anywhere in a context that the model cannot read at once, and how alike two texts are."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from markupsafe import Markup

from adapter_ui.domain import MODEL_CLASS_OF_TASK, Precision, Prediction
from adapter_ui.errors import InvalidInput
from adapter_ui.models.loading import LoadedModel, load_base
from adapter_ui.models.tasks import MOST_TOKENS, predict
from adapter_ui.models.windows import likeliest_span
from adapter_ui.ui.generating.prediction import shown
from adapter_ui.ui.json_shapes import prediction
from tests.models.test_worker_failures import add_tokens

FILLER = "The fox jumps over the dog. " * 60


class PointsAt(torch.nn.Module):
    """Answers every question with one token wherever it stands, and a little with all others."""

    def __init__(self, token: int, like: torch.nn.Module) -> None:
        super().__init__()
        self.token, self.config, self.longest = token, like.config, 0

    def forward(self, input_ids: torch.Tensor, **_: torch.Tensor) -> SimpleNamespace:
        self.longest = max(self.longest, input_ids.shape[1])
        logits = (input_ids == self.token).float() * 20
        return SimpleNamespace(start_logits=logits, end_logits=logits)


@pytest.fixture
def asked(tiny_models: Path) -> LoadedModel:
    loaded = load_base(tiny_models / "bert", Precision.FP32, "AutoModel")
    loaded.tokenizer.model_max_length = 64
    *_, token = loaded.tokenizer("Z", add_special_tokens=False)["input_ids"]
    loaded.model = PointsAt(token, loaded.model)
    return loaded


@pytest.mark.parametrize("before", [0, 30, len(FILLER) // 2, len(FILLER)])
def test_an_answer_is_found_in_any_window_at_its_place_in_the_whole(asked: LoadedModel, before: int) -> None:
    context = f"{FILLER[:before]} Z {FILLER[before:]}"
    found = predict(asked, "QUESTION_ANS", "Who?", context)
    assert (found.answer or "").strip() == "Z"
    assert context[found.start : found.end] == found.answer
    assert found.score == pytest.approx(1.0, abs=1e-3)
    assert asked.model.longest == 64


def test_a_long_context_is_read_in_bounded_windows_where_the_base_would_read_it_at_once(
    asked: LoadedModel,
) -> None:
    asked.tokenizer.model_max_length = asked.model.config.max_position_embeddings = 32_768
    found = predict(asked, "QUESTION_ANS", "Who?", f"{FILLER * 12} Z")
    assert (found.answer or "").strip() == "Z"
    assert asked.model.longest == MOST_TOKENS


def test_the_likeliest_span_of_a_long_window_takes_little_memory() -> None:
    logits = np.random.default_rng(0).random((MOST_TOKENS, 2), dtype=np.float32)
    tracemalloc.start()
    likeliest_span(logits, [(at, at + 1) for at in range(MOST_TOKENS)])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10e6


def test_a_question_without_room_or_context_is_refused(asked: LoadedModel) -> None:
    with pytest.raises(InvalidInput, match="leaves no room for its context"):
        predict(asked, "QUESTION_ANS", "Who " * 64, "Z")
    with pytest.raises(InvalidInput, match="needs a context"):
        predict(asked, "QUESTION_ANS", "Who?", " ")


@pytest.fixture(scope="module")
def embedder(tiny_models: Path) -> LoadedModel:
    return load_base(tiny_models / "bert", Precision.FP32, "AutoModel")


def test_similarity_is_the_cosine_of_both_embeddings(embedder: LoadedModel) -> None:
    found = predict(embedder, "FEATURE_EXTRACTION", "The fox jumps.", "Ahoy, Anne!")
    other = predict(embedder, "FEATURE_EXTRACTION", "Ahoy, Anne!", "The fox jumps.")
    assert found.pair_embedding == pytest.approx(other.embedding)
    cosine = torch.nn.functional.cosine_similarity(
        torch.tensor(found.embedding), torch.tensor(found.pair_embedding), dim=0
    )
    assert found.similarity == pytest.approx(cosine.item(), abs=1e-5) == other.similarity
    same = predict(embedder, "FEATURE_EXTRACTION", "The fox jumps.", "The fox jumps.")
    assert same.similarity == pytest.approx(1.0, abs=1e-5)
    assert found.similarity < 0.999


def test_one_text_has_an_embedding_and_no_similarity(embedder: LoadedModel) -> None:
    found = predict(embedder, "FEATURE_EXTRACTION", "The fox jumps.", " ")
    assert (found.similarity, found.pair_embedding) == (None, ())
    assert prediction(found).keys() == {"task_type", "embedding", "pooling", "seconds"}


def test_what_a_model_cannot_take_is_counted_and_shown(embedder: LoadedModel) -> None:
    most = embedder.model.config.max_position_embeddings
    text = "fox " * most
    length = len(embedder.tokenizer(text)["input_ids"])
    found = predict(embedder, "FEATURE_EXTRACTION", text, "")
    assert found.unread_tokens == length - most > 0
    cut = embedder.tokenizer.decode(
        embedder.tokenizer(text, truncation=True, max_length=most)["input_ids"], skip_special_tokens=True
    )
    assert found.embedding == pytest.approx(
        predict(embedder, "FEATURE_EXTRACTION", cut, "").embedding, abs=1e-5
    )
    assert predict(embedder, "FEATURE_EXTRACTION", text, text).unread_tokens == 2 * (length - most)
    assert f"{length - most:,} tokens at its end are left out" in shown(found, text, "")
    assert prediction(found)["unread_tokens"] == length - most


@pytest.mark.parametrize("task", ["SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS", "FEATURE_EXTRACTION"])
def test_a_token_that_the_base_has_not_is_named(tiny_models: Path, task: str) -> None:
    loaded = load_base(tiny_models / "bert", Precision.FP32, "AutoModel")
    extra = add_tokens(loaded.tokenizer)
    with pytest.raises(InvalidInput, match=rf"“{extra}” is token \d+ of the base's tokenizer"):
        predict(loaded, task, f"What is {extra}?", "It is nothing.")


@pytest.mark.parametrize("task", ["SEQ_CLS", "TOKEN_CLS", "FEATURE_EXTRACTION"])
def test_a_long_text_is_read_up_to_a_bound_whatever_the_base_could_read(tiny_models: Path, task: str) -> None:
    loaded = load_base(tiny_models / "llama", Precision.FP32, MODEL_CLASS_OF_TASK[task], labels=("a", "b"))
    loaded.tokenizer.model_max_length = loaded.model.config.max_position_embeddings = 32_768
    text = "fox " * (MOST_TOKENS + 100)
    tokens = len(loaded.tokenizer(text)["input_ids"])
    assert predict(loaded, task, text, "").unread_tokens == tokens - MOST_TOKENS > 0


PAIR = Prediction(
    "FEATURE_EXTRACTION", embedding=(0.6, 0.8), pooling="mean", pair_embedding=(0.8, 0.6), similarity=0.96
)


def test_the_page_shows_the_similarity_as_a_bar_with_its_number() -> None:
    page: Markup = shown(PAIR, "one", "other")
    assert 'aria-label="cosine similarity 0.960"' in page
    assert "width:96.00%" in page
    assert '<span class="figure">0.960</span>' in page
    assert page.count('<div class="vector">') == 2
    assert "similarity" not in shown(Prediction("FEATURE_EXTRACTION", embedding=(1.0,)), "one", "")
