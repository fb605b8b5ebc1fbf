"""What a model raises: one sentence for it, and the end of its own batch's rows and of no others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerBase, VitsTokenizer

from adapter_ui.domain import ChatMessage
from adapter_ui.engine import protocol
from adapter_ui.errors import InvalidInput, ModelFailure
from adapter_ui.models.decoding.cache import RowCache
from adapter_ui.models.decoding.decoder import SHARE_OF_MEMORY, bytes_per_token, free_bytes
from adapter_ui.models.decoding.low_rank import LowRank
from adapter_ui.models.decoding.mixture import Stacked, stacked
from adapter_ui.models.decoding.prompt import prompt_tokens
from adapter_ui.models.failures import in_words
from adapter_ui.models.pool import Pool
from tests.hub.tiny_models import VOCABULARY_SIZE
from tests.models.test_decoding import GREEDY, Writer, greedy, plain_peft, prompt_of, spec_for

NO_MEMORY = "not enough memory"


def really_out_of_memory() -> RuntimeError:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    return caught.value


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (really_out_of_memory(), NO_MEMORY),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), NO_MEMORY),
        (MemoryError(), NO_MEMORY),
        (ValueError("shapes differ\nand a long trace"), "The model failed with ValueError: shapes differ"),
        (KeyError(), "The model failed with KeyError: no message"),
        (RuntimeError("x" * 5000), "The model failed with RuntimeError: " + "x" * 300),
    ],
    ids=["an allocator", "a GPU", "Python", "several lines", "nothing said", "too much said"],
)
def test_what_a_model_raises_becomes_one_sentence(error: Exception, sentence: str) -> None:
    told = in_words(error)
    assert type(told) is ModelFailure
    assert sentence in told.message
    assert "\n" not in told.message and len(told.message) < 400


@pytest.fixture
def writer(tiny_models: Path) -> Writer:
    """A base with an adapter in its layers, which has a batch of its own."""
    pool = Pool()
    resident, _ = pool.load(spec_for(tiny_models / "llama", tiny_models / "ia3"))
    return Writer(resident)


def test_a_batch_that_fails_ends_its_rows_and_those_it_has_not_read(writer: Writer) -> None:
    others = writer.row(prompt_of(6))
    reading, writing = writer.row(prompt_of(9), "ia3"), writer.row(prompt_of(7), "ia3")
    writer.step()
    assert len(writer.resident.decoder.turns()) == 2
    batch = next(one for one in writer.resident.decoder.turns() if writing in one.everyone)
    assert reading in batch.everyone and {len(batch.rows), len(batch.arrivals)} == {1}

    error = ModelFailure("Broken on purpose.")
    batch.fail(error)
    assert writer.errors == {reading: error, writing: error}
    assert (batch.rows, batch.arrivals, batch.cache.length) == ([], [], 0)

    alone = Writer(writer.resident)
    writer.finish()
    expected = alone.row(prompt_of(6))
    again = alone.row(prompt_of(7), "ia3")
    alone.finish()
    assert others.answer.tokens == expected.answer.tokens
    assert again.answer.reason == "length"
    assert others not in writer.errors and not alone.errors


def test_rows_that_get_no_memory_when_they_have_been_read_are_told(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = writer.row(prompt_of(6))
    writer.step()
    short = replace(GREEDY, max_new_tokens=1)
    joining, ended = writer.row(prompt_of(9)), writer.row(prompt_of(9), options=short)
    error = really_out_of_memory()

    def without_memory(*_: object) -> None:
        raise error

    monkeypatch.setattr(RowCache, "join", without_memory)
    (batch,) = writer.resident.decoder.turns()
    with pytest.raises(RuntimeError):
        batch.step()
    batch.fail(error)
    assert writer.errors == {others: error, joining: error}
    assert ended.answer.reason == "length"
    assert not writer.resident.decoder.writing


def test_a_tokenizer_that_cannot_write_a_token_of_its_model_costs_nobody_else(
    writer: Writer, tmp_path: Path
) -> None:
    """One written in Python gives no text at all for a token that it does not know."""
    vocabulary = tmp_path / "vocab.json"
    vocabulary.write_text(json.dumps({"<pad>": 0, "<unk>": 1, "a": 2}))
    broken, beside = writer.row(prompt_of(9)), writer.row(prompt_of(9))
    broken.answer.tokenizer = VitsTokenizer(vocabulary)
    writer.finish()
    assert type(writer.errors[broken]) is ModelFailure
    assert "cannot turn its tokens into text" in str(writer.errors[broken])
    assert list(writer.errors) == [broken]
    assert beside.answer.reason == "length"


def test_a_row_that_cannot_choose_its_next_token_costs_nobody_else(writer: Writer) -> None:
    """Here by a penalty for a token that the base has no score for."""
    penalised = replace(GREEDY, repetition_penalty=1.5)
    broken, beside = writer.row(prompt_of(9), options=penalised), writer.row(prompt_of(9))
    writer.step()
    assert broken.answer.tokens and not broken.is_over
    broken.sampler.seen.add(VOCABULARY_SIZE)
    writer.finish()
    assert list(writer.errors) == [broken]
    assert "IndexError" in str(writer.errors[broken])
    assert beside.answer.reason == "length"


def test_a_prompt_that_fails_while_it_is_read_ends_its_own_rows_alone(writer: Writer) -> None:
    """Here by a token that the base has not, as it would without memory for a piece."""
    others = writer.row(prompt_of(6))
    writer.step()
    unreadable = [writer.row([*prompt_of(8), VOCABULARY_SIZE]) for _ in range(2)]
    after = writer.row(prompt_of(5))
    writer.finish()
    assert list(writer.errors) == unreadable
    assert all("IndexError" in str(error) for error in writer.errors.values())
    alone = Writer(writer.resident)
    expected = [alone.row(prompt_of(length)) for length in (6, 5)]
    alone.finish()
    assert [row.answer.tokens for row in (others, after)] == [row.answer.tokens for row in expected]


def test_an_adapter_without_memory_for_its_stack_leaves_the_others_theirs(
    tiny_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What speaks is laid anew after a failure in the middle of it."""
    pool = Pool()
    llama = tiny_models / "llama"
    pool.load(spec_for(llama, tiny_models / "lora"))
    resident, _ = pool.load(spec_for(llama, tiny_models / "lora-wide"))
    wide = resident.low_rank["lora-wide"]

    def short_of_memory(name: str, adapters: Sequence[LowRank]) -> Stacked:
        if wide in adapters:
            raise MemoryError
        return stacked(name, adapters)

    writer = Writer(resident)
    others = writer.row(prompt_of(6), "lora")
    writer.step()
    failing = writer.row(prompt_of(6), "lora-wide")
    monkeypatch.setattr("adapter_ui.models.decoding.mixture.stacked", short_of_memory)
    writer.finish()
    assert list(writer.errors) == [failing]
    assert NO_MEMORY in str(writer.errors[failing])
    assert others.answer.tokens == greedy(plain_peft(llama, tiny_models / "lora"), others.prompt)


def add_tokens(tokenizer: PreTrainedTokenizerBase) -> str:
    """More of them than the embedding has room for; gives the last."""
    added = [f"<extra{number}>" for number in range(VOCABULARY_SIZE)]
    tokenizer.add_tokens(added)
    return added[-1]


def test_a_token_that_the_base_has_not_is_named_before_anything_is_read(writer: Writer) -> None:
    base = writer.resident.base
    extra = add_tokens(base.tokenizer)
    asked = (ChatMessage("user", f"What is {extra}?"),)
    with pytest.raises(InvalidInput, match=rf"“{extra}” is token \d+ of the base's tokenizer"):
        prompt_tokens(base, asked, raw=False)


def test_half_a_character_of_a_tokenizer_can_be_sent(writer: Writer, tmp_path: Path) -> None:
    vocabulary = tmp_path / "vocab.json"
    names = ["<pad>", "<unk>", *(f"\ud800{number}" for number in range(2, VOCABULARY_SIZE))]
    vocabulary.write_text(json.dumps({name: number for number, name in enumerate(names)}))
    row = writer.row(prompt_of(9))
    row.answer.tokenizer = VitsTokenizer(vocabulary)
    writer.finish()
    assert row.answer.text.startswith("?")
    assert protocol.encode(1, row.answer.finished())


def test_an_answer_that_would_not_fit_is_refused_and_costs_nobody_else(writer: Writer) -> None:
    decoder, model = writer.resident.decoder, writer.resident.bare
    row = writer.row(prompt_of(6))
    room = int(SHARE_OF_MEMORY * free_bytes(model.device) / bytes_per_token(model))
    with pytest.raises(ModelFailure, match=f"up to {room} tokens needs more memory than is free now"):
        decoder.refuse_without_memory(replace(row, most_tokens=room))
    # all rows grow as long as the longest: two of these would not fit, and the one that is there counts
    with pytest.raises(ModelFailure, match="ask for fewer tokens, or try again when others are done"):
        decoder.refuse_without_memory(replace(row, most_tokens=int(room * 0.7)))
    decoder.refuse_without_memory(replace(row, most_tokens=int(room * 0.3)))
    assert decoder.rows == 1
    writer.finish()
    assert row.answer.reason == "length"
    decoder.refuse_without_memory(replace(row, most_tokens=int(room * 0.7)))
