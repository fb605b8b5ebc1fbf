"""A tiny encoder-decoder from noise, saved as transformers saves it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from tests.hub.tiny_models import build_tokenizer, save_model

T5_ID = "tiny-org/tiny-t5"


def build_t5(folder: Path, tokenizer: PreTrainedTokenizerFast | None = None, **shape: Any) -> Path:
    tokenizer = tokenizer or build_tokenizer()
    tokenizer.chat_template = None
    config = T5Config(
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
        **{"d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4, **shape},
    )
    return save_model(T5ForConditionalGeneration, config, tokenizer, folder, seed=0)
