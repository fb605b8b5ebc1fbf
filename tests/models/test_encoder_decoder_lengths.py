"""An encoder-decoder reads with one side and writes with the other, each with positions of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import transformers

from adapter_ui.domain import ChatMessage, Generation, GenerationOptions
from adapter_ui.engine import protocol
from adapter_ui.errors import InvalidInput
from adapter_ui.models.decoding.prompt import UNSTATED_POSITIONS, longest_answer, longest_prompt
from tests.hub.tiny_models import build_llama, build_tokenizer, save_model, token_ids
from tests.models.engine_here import EngineHere
from tests.models.test_decoding import spec_for
from tests.training.tiny_t5 import build_t5

SIDES = {"encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4}
SMALL = {"d_model": 64, "encoder_ffn_dim": 128, "decoder_ffn_dim": 128, **SIDES}
# More than any of the small decoders below has positions for.
MOST = 120


def build(folder: Path, family: str, **shape: Any) -> Path:
    """A base from noise that does not end its answers."""
    tokenizer = build_tokenizer()
    tokenizer.chat_template = None
    ids = token_ids(tokenizer) | {"eos_token_id": None, "forced_eos_token_id": None}
    config = getattr(transformers, f"{family}Config")(
        vocab_size=len(tokenizer), decoder_start_token_id=tokenizer.pad_token_id, **ids, **SMALL, **shape
    )
    kind = getattr(transformers, f"{family}ForConditionalGeneration")
    return save_model(kind, config, tokenizer, folder, seed=0)


@dataclass(frozen=True)
class Case:
    build: Callable[[Path], Path]
    reads: int
    writes: int


CASES = {
    "T5": Case(lambda folder: build_t5(folder, n_positions=512), UNSTATED_POSITIONS, UNSTATED_POSITIONS),
    "a T5 of long texts": Case(lambda folder: build_t5(folder, n_positions=4096), 4096, 4096),
    "BART": Case(lambda folder: build(folder, "Bart", max_position_embeddings=96), 96, 96),
    "LED": Case(
        lambda folder: build(
            folder,
            "LED",
            max_encoder_position_embeddings=128,
            max_decoder_position_embeddings=48,
            attention_window=[16, 16],
        ),
        128,
        48,
    ),
}


def written(engine: EngineHere, spec: protocol.ModelSpec, prompt_tokens: int) -> Generation:
    """The answer to a prompt of so many tokens: this tokenizer has one for each zero."""
    options = GenerationOptions(max_new_tokens=MOST, temperature=0, raw=True)
    request = protocol.Generate(spec, (ChatMessage("user", "0" * prompt_tokens),), options)
    (events,) = engine.ask(request)
    return [event for event in events if isinstance(event, Generation)][-1]


@pytest.mark.parametrize("name", CASES)
def test_a_prompt_takes_no_positions_from_its_answer(tmp_path: Path, name: str) -> None:
    case, engine = CASES[name], EngineHere()
    spec = replace(spec_for(case.build(tmp_path / "base")), model_class="AutoModelForSeq2SeqLM")
    answer = written(engine, spec, case.reads)
    assert (answer.prompt_tokens, answer.tokens) == (case.reads, min(case.writes, MOST))
    with pytest.raises(InvalidInput, match=f"{case.reads + 1} tokens, and this base reads {case.reads};"):
        written(engine, spec, case.reads + 1)
    loaded = engine.resident(spec).loaded
    assert (longest_prompt(loaded), longest_answer(loaded, case.reads)) == (case.reads, case.writes)


def test_a_prompt_and_its_answer_share_the_positions_of_a_decoder(tmp_path: Path) -> None:
    engine, spec = EngineHere(), spec_for(build_llama(tmp_path / "base", max_position_embeddings=64))
    assert written(engine, spec, 60).tokens == 4
    assert written(engine, spec, 63).tokens == 1
    with pytest.raises(InvalidInput, match="64 tokens, and this base reads 63;"):
        written(engine, spec, 64)
