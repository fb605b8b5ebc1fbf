"""Predicted against measured memory of weights: bases of different families, loaded by the real worker in
every precision, from what their headers on the Hub said before the download.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    RobertaConfig,
    RobertaForMaskedLM,
    T5Config,
    T5ForConditionalGeneration,
)

from adapter_ui.domain import LoadReport, ModelChoice, Precision
from adapter_ui.engine import protocol
from adapter_ui.service import AdapterService
from adapter_ui.settings import Settings
from tests.conftest import finish
from tests.hub.server import LoopbackHub
from tests.hub.tiny_models import build_tokenizer, token_ids

LOAD_SECONDS = 300
TOLERANCE = 0.05
WIDTH, WORDS = 512, 8_000


def llama(ids: dict[str, int]) -> LlamaForCausalLM:
    """Grouped-query heads and tied embeddings."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=WORDS, hidden_size=WIDTH, intermediate_size=1536, num_hidden_layers=8,
            num_attention_heads=8, num_key_value_heads=2, tie_word_embeddings=True, **ids,
        )
    )  # fmt: skip


def gpt2(ids: dict[str, int]) -> GPT2LMHeadModel:
    """Conv1D, whose weights are stored the other way round."""
    return GPT2LMHeadModel(GPT2Config(vocab_size=WORDS, n_embd=WIDTH, n_layer=8, n_head=8, **ids))


def opt(ids: dict[str, int]) -> OPTForCausalLM:
    """An output layer of its own, and projections between embeddings and layers."""
    return OPTForCausalLM(
        OPTConfig(
            vocab_size=WORDS, hidden_size=WIDTH, word_embed_proj_dim=256, ffn_dim=2048, num_hidden_layers=8,
            num_attention_heads=8, tie_word_embeddings=False, **ids,
        )
    )  # fmt: skip


def roberta(ids: dict[str, int]) -> RobertaForMaskedLM:
    """An encoder saved with a head that a load without a task leaves out."""
    return RobertaForMaskedLM(
        RobertaConfig(
            vocab_size=WORDS, hidden_size=WIDTH, intermediate_size=2048, num_hidden_layers=8,
            num_attention_heads=8, **ids,
        )
    )  # fmt: skip


def t5(ids: dict[str, int]) -> T5ForConditionalGeneration:
    """An encoder and a decoder; a part stays in fp32 when the rest is in fp16, and is never quantised."""
    return T5ForConditionalGeneration(
        T5Config(
            vocab_size=WORDS, d_model=WIDTH, d_ff=1536, num_layers=4, num_heads=8, d_kv=64,
            decoder_start_token_id=ids["pad_token_id"], **ids,
        )
    )  # fmt: skip


FAMILIES = (llama, gpt2, opt, roberta, t5)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdapterService]:
    with LoopbackHub() as hub:
        for make in FAMILIES:
            hub.add_repo(f"tiny-org/{make.__name__}", save(make, tmp_path_factory.mktemp(make.__name__)))
        home = tmp_path_factory.mktemp("home")
        service = AdapterService.start(Settings(home=home, hub_endpoint=hub.endpoint, package_index=False))
        yield service
        service.close()


def save(make, folder: Path) -> Path:
    """The model in bf16 and in several shards, with random weights."""
    tokenizer = build_tokenizer()
    torch.manual_seed(0)
    make(token_ids(tokenizer)).to(torch.bfloat16).save_pretrained(folder, max_shard_size="24MB")
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("precision", Precision, ids=str)
@pytest.mark.parametrize("family", [make.__name__ for make in FAMILIES])
def test_weights_are_within_five_percent_of_what_a_load_measures(service, family, precision):
    base = f"tiny-org/{family}"
    spec = finish(service.answers.look_up("", precision, ModelChoice(base)))
    *_, report = service.answers.ask(protocol.Load(spec), LOAD_SECONDS, remember_as=None)
    assert isinstance(report, LoadReport)
    service.unload(base, precision)
    print(f"{family} {precision}: predicted {report.predicted_bytes:,}, measured {report.measured_bytes:,}")
    assert report.predicted_bytes == pytest.approx(report.measured_bytes, rel=TOLERANCE)
