"""A long prompt is read piece by piece where a base answers alone: as if at once, and left when asked to."""

from __future__ import annotations

import pytest
import torch
from peft import LoraConfig, PromptTuningConfig, get_peft_model
from transformers import MistralConfig, MistralForCausalLM

from adapter_ui.domain import ChatMessage, Generation, GenerationOptions
from adapter_ui.models.decoding.alone import generate
from adapter_ui.models.decoding.batch import can_batch
from adapter_ui.models.decoding.pieces import TOKENS, piece_of
from adapter_ui.models.loading import LoadedModel
from tests.hub.tiny_models import build_tokenizer, token_ids

OPTIONS = GenerationOptions(max_new_tokens=6, temperature=0.0, raw=True)
TEXT = [ChatMessage("user", "the sea is calm " * TOKENS)]
WINDOW = 64


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    torch.manual_seed(0)
    tokenizer = build_tokenizer()
    config = MistralConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        sliding_window=WINDOW,
        max_position_embeddings=16 * TOKENS,
        **token_ids(tokenizer) | {"eos_token_id": None},
    )
    model = MistralForCausalLM(config).eval()
    assert not can_batch(model)
    return LoadedModel(model, tokenizer, model.device)


def written(loaded: LoadedModel, **changes: object) -> tuple[Generation, list[tuple[int, int]]]:
    read: list[tuple[int, int]] = []
    options = {"cancelled": lambda: False, "reading": lambda tokens, done: read.append((tokens, done))}
    return generate(loaded, TEXT, OPTIONS, lambda _: None, **options | changes), read


def test_the_answer_is_that_of_a_prompt_read_at_once(loaded: LoadedModel) -> None:
    found, read = written(loaded)
    ids = loaded.tokenizer(TEXT[0].content, return_tensors="pt")["input_ids"]
    whole = loaded.model.generate(ids, do_sample=False, max_new_tokens=6, pad_token_id=0)
    assert found.text == loaded.tokenizer.decode(whole[0, ids.shape[1] :], skip_special_tokens=True)
    assert found.tokens == 6
    assert read == [(ids.shape[1], done) for done in range(0, ids.shape[1], TOKENS)]
    assert len(read) > 2


def test_it_is_left_between_two_pieces(loaded: LoadedModel) -> None:
    asked = iter([False, True])
    found, read = written(loaded, cancelled=lambda: next(asked))
    assert (found.reason, found.tokens, len(read)) == ("cancelled", 0, 3)
    assert written(loaded)[0].tokens == 6


def test_a_short_prompt_or_one_beside_learned_tokens_is_read_at_once(loaded: LoadedModel) -> None:
    plain = MistralForCausalLM(loaded.model.config)
    assert piece_of(loaded.model, TOKENS) is None
    assert piece_of(get_peft_model(plain, LoraConfig(task_type="CAUSAL_LM")), TOKENS + 1) == TOKENS
    learned = PromptTuningConfig(num_virtual_tokens=4, task_type="CAUSAL_LM")
    assert piece_of(get_peft_model(MistralForCausalLM(loaded.model.config), learned), TOKENS + 1) is None
