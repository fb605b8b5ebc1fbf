"""Rows decoded together: each as it would be alone, and as plain transformers and PEFT have it."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model

from adapter_ui.domain import ChatMessage, GenerationOptions, Precision
from adapter_ui.engine.protocol import ModelSpec
from adapter_ui.models.decoding.answer import GrowingAnswer
from adapter_ui.models.decoding.batch import Batch, Row, can_batch
from adapter_ui.models.decoding.decoder import Attachment
from adapter_ui.models.decoding.kept import MOST_CONVERSATIONS
from adapter_ui.models.decoding.mixture import Voice
from adapter_ui.models.decoding.prompt import prompt_text
from adapter_ui.models.decoding.sampler import Sampler
from adapter_ui.models.loading import load_tokenizer
from adapter_ui.models.pool import Pool
from adapter_ui.models.resident import Resident
from adapter_ui.models.wide import wide_products
from tests.hub.tiny_models import VOCABULARY_SIZE, build_tokenizer, save_model, token_ids
from tests.models.no_products import without_products

GREEDY = GenerationOptions(max_new_tokens=12, temperature=0)
SMALL = {"vocab_size": VOCABULARY_SIZE, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
FEED_FORWARD = {"intermediate_size": 128, "max_position_embeddings": 512}
FAMILIES: dict[str, dict[str, Any]] = {
    "Llama": SMALL | FEED_FORWARD | {"num_key_value_heads": 2},
    "Qwen2": SMALL | FEED_FORWARD | {"num_key_value_heads": 2},
    "GPTNeoX": SMALL | FEED_FORWARD,
    "GPT2": {"vocab_size": VOCABULARY_SIZE, "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 512},
    "OPT": SMALL | {"ffn_dim": 128, "max_position_embeddings": 512, "word_embed_proj_dim": 64},
    "Bloom": {"vocab_size": VOCABULARY_SIZE, "hidden_size": 64, "n_layer": 2, "n_head": 4},
    "Phi": SMALL | FEED_FORWARD,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "rank-stabilised": {"use_rslora": True},
    "ranks by module": {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {r"model\.layers\.1\..*": 32}},
    "some layers": {"layers_to_transform": [1]},
    "every linear module": {"target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "up_proj"]},
    "a pattern": {"target_modules": r".*\.layers\.0\..*(q|v)_proj"},
}


def spec_for(base: Path, adapter: Path | None = None, precision: Precision = Precision.FP32) -> ModelSpec:
    return ModelSpec(
        base=base.name,
        base_folder=str(base),
        precision=precision,
        model_class="AutoModelForCausalLM",
        adapter=adapter.name if adapter else "",
        adapter_folder=str(adapter) if adapter else "",
        task_type="CAUSAL_LM",
    )


def save_lora(base: Path, folder: Path, seed: int, **options: Any) -> Path:
    """A LoRA whose effect on the answer is large, saved by PEFT."""
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    config = LoraConfig(**{"task_type": "CAUSAL_LM", "r": 4, "lora_alpha": 8} | options)
    model = get_peft_model(model, config)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    return folder


class Writer:
    """Admits rows to a resident's decoder and steps it, as the worker does."""

    def __init__(self, resident: Resident) -> None:
        self.resident = resident
        self.errors: dict[Row, Exception] = {}

    def row(
        self,
        prompt: list[int],
        adapter: str = "",
        strength: float = 1.0,
        options: GenerationOptions = GREEDY,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Row:
        voice, attachment = self.resident.voice(adapter, strength)
        answer = GrowingAnswer(
            self.resident.loaded.tokenizer, options.stop, (), len(prompt), 0, lambda event: None
        )
        sampler = Sampler(options, prompt, options.seed or 0)
        row = Row(prompt, voice, options.max_new_tokens, sampler, answer, cancelled, self.ended)
        self.resident.decoder.admit(row, attachment)
        return row

    def ended(self, row: Row, error: Exception | None) -> None:
        if error is not None:
            self.errors[row] = error

    def step(self) -> None:
        for batch in self.resident.decoder.turns():
            batch.step()

    def finish(self) -> None:
        while self.resident.decoder.writing:
            self.step()


def prompt_of(length: int, seed: int = 0) -> list[int]:
    return torch.randint(
        5, VOCABULARY_SIZE, (length,), generator=torch.Generator().manual_seed(seed)
    ).tolist()


def greedy(model: torch.nn.Module, prompt: list[int]) -> list[int]:
    """transformers' own loop."""
    ids = torch.tensor([prompt])
    with torch.inference_mode():
        output = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=GREEDY.max_new_tokens,
            eos_token_id=[],
            pad_token_id=0,
        )
    return output[0, len(prompt) :].tolist()


def plain_peft(base: Path, adapter: Path | None) -> torch.nn.Module:
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    return (PeftModel.from_pretrained(model, adapter) if adapter else model).eval()


@pytest.fixture(scope="module")
def llama(tiny_models: Path) -> Path:
    return tiny_models / "llama"


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_of_every_family_come_and_go_and_answer_as_alone(tmp_path: Path, family: str):
    """Prompts of several lengths, base and two adapters; rows join while others write, and leave before."""
    kind = getattr(transformers, f"{family}ForCausalLM", None) or transformers.GPT2LMHeadModel
    tokenizer = build_tokenizer()
    config = kind.config_class(**FAMILIES[family] | token_ids(tokenizer))
    base = save_model(kind, config, tokenizer, tmp_path / "base", seed=3)
    targets = {"GPT2": ["c_attn", "c_fc"], "OPT": ["q_proj", "fc1", "fc2"]}.get(family)
    linear = targets or sorted(
        name.rsplit(".", 1)[-1]
        for name, module in kind(config).named_modules()
        if isinstance(module, torch.nn.Linear) and ".0." in name
    )
    adapters = [
        save_lora(base, tmp_path / f"lora-{seed}", seed, target_modules=linear[:count])
        for seed, count in ((1, 1), (2, len(linear)))
    ]
    pool = Pool()
    resident, _ = pool.load(spec_for(base))
    for adapter in adapters:
        assert pool.load(spec_for(base, adapter))[0] is resident
    assert set(resident.low_rank) == {adapter.name for adapter in adapters}
    writer = Writer(resident)
    asked = [(None, 9), (adapters[0], 9), (adapters[1], 4), (None, 17), (adapters[1], 30)]
    rows = []
    for number, (adapter, length) in enumerate(asked):
        rows.append(writer.row(prompt_of(length, number), adapter.name if adapter else ""))
        writer.step()
    writer.finish()
    assert writer.errors == {}
    for row, (adapter, _) in zip(rows, asked, strict=True):
        assert row.answer.tokens == greedy(plain_peft(base, adapter), row.prompt)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_lora_of_any_shape_adds_what_plain_peft_adds(tmp_path: Path, llama: Path, variant: str):
    options = {"target_modules": ["q_proj", "v_proj"]} | VARIANTS[variant]
    adapter = save_lora(llama, tmp_path / "lora", 1, **options)
    resident, report = Pool().load(spec_for(llama, adapter))
    assert adapter.name in resident.low_rank
    assert report.takes_turns == ""
    ids = torch.tensor([prompt_of(20)])
    with torch.inference_mode():
        expected = plain_peft(llama, adapter)(ids).logits
        resident.decoder.mixture.compose([Voice(resident.low_rank[adapter.name])])
        found = resident.bare(ids).logits
        resident.decoder.mixture.silence()
    assert (found - expected).abs().max() <= 1e-5 * expected.std()


@pytest.mark.parametrize("adapter", ["dora", "ia3"])
def test_what_is_no_plain_lora_is_left_to_peft_and_answers_in_a_batch_of_its_own(
    tiny_models: Path, llama: Path, adapter: str
):
    resident, report = Pool().load(spec_for(llama, tiny_models / adapter))
    assert resident.low_rank == {}
    assert "takes turns" in report.takes_turns
    writer = Writer(resident)
    prompt = prompt_of(9)
    rows = {name: writer.row(prompt, name) for name in (adapter, "")}
    writer.finish()
    assert rows[adapter].answer.tokens == greedy(plain_peft(llama, tiny_models / adapter), prompt)
    assert rows[""].answer.tokens == greedy(plain_peft(llama, None), prompt)


@pytest.mark.parametrize("precision", list(Precision), ids=str)
def test_the_base_row_is_the_base_to_the_bit_whoever_shares_the_batch(
    tiny_models: Path, llama: Path, precision: Precision
):
    pool = Pool()
    resident, _ = pool.load(spec_for(llama, tiny_models / "lora-wide", precision))
    lora = Voice(resident.low_rank["lora-wide"])
    ids = torch.tensor([prompt_of(12)] * 4)
    with torch.inference_mode():
        alone = resident.bare(ids).logits
        resident.decoder.mixture.compose([Voice(), lora, replace(lora, strength=0.5), Voice()])
        mixed = resident.bare(ids).logits
        resident.decoder.mixture.silence()
        after = resident.bare(ids).logits
    assert torch.equal(mixed[[0, 3]], alone[[0, 3]])
    assert not torch.equal(mixed[1], alone[1])
    assert not torch.equal(mixed[2], mixed[1])
    assert torch.equal(after, alone)


def test_a_seed_repeats_an_answer_whatever_else_is_written(llama: Path):
    options = GenerationOptions(max_new_tokens=24, temperature=1.3, top_p=0.9, top_k=40, seed=7)
    resident, _ = Pool().load(spec_for(llama))
    alone = Writer(resident).row(prompt_of(9), options=options)
    Writer(resident).finish()
    crowd = Writer(resident)
    others = [crowd.row(prompt_of(9 + seed, seed), options=replace(options, seed=seed)) for seed in range(5)]
    row = crowd.row(prompt_of(9), options=options)
    crowd.finish()
    assert row.answer.tokens == alone.answer.tokens
    assert len({tuple(other.answer.tokens) for other in others}) == 5


def test_a_cancelled_row_leaves_at_the_next_token_and_the_others_go_on(llama: Path):
    gone: set[str] = set()
    resident, _ = Pool().load(spec_for(llama))
    writer = Writer(resident)
    staying = writer.row(prompt_of(9))
    leaving = writer.row(prompt_of(9), cancelled=lambda: bool(gone))
    writer.step()
    writer.step()
    written = len(leaving.answer.tokens)
    gone.add("reader")
    writer.step()
    assert leaving.answer.reason == "cancelled"
    assert len(leaving.answer.tokens) == written
    assert resident.decoder.rows == 1
    writer.finish()
    assert staying.answer.tokens == greedy(plain_peft(llama, None), staying.prompt)


def test_a_long_prompt_is_read_in_pieces_between_the_tokens_of_others(llama: Path, monkeypatch):
    monkeypatch.setattr("adapter_ui.models.decoding.batch.PREFILL_TOKENS", 16)
    resident, _ = Pool().load(spec_for(llama))
    writer = Writer(resident)
    first = writer.row(prompt_of(8))
    writer.step()
    long = writer.row(prompt_of(100, 1))
    before = len(first.answer.tokens)
    for _ in range(4):
        writer.step()
    assert len(first.answer.tokens) == before + 4
    assert long.answer.tokens == []
    writer.finish()
    assert long.answer.tokens == greedy(plain_peft(llama, None), long.prompt)


def test_a_continued_conversation_reads_only_what_is_new(llama: Path, tiny_models: Path, monkeypatch):
    read: list[int] = []
    forward = Batch.forward

    def counted(self: Batch, rows: Any, cache: Any, tokens: list[list[int]]) -> torch.Tensor:
        read.append(len(tokens[0]))
        return forward(self, rows, cache, tokens)

    pool = Pool()
    resident, _ = pool.load(spec_for(llama, tiny_models / "lora"))
    writer = Writer(resident)
    first = writer.row(prompt_of(40), "lora")
    writer.finish()
    monkeypatch.setattr(Batch, "forward", counted)
    longer = [*first.prompt, *first.answer.tokens, *prompt_of(6, 1)]
    continued = writer.row(longer, "lora")
    writer.finish()
    assert read[0] == len(longer) - len(first.cached_tokens)
    assert continued.answer.tokens == greedy(plain_peft(llama, tiny_models / "lora"), longer)
    for adapter, prompt in (("", longer), ("lora", first.prompt)):  # the base, and the same question again
        read.clear()
        writer.row(prompt, adapter)
        writer.finish()
        assert read[0] == len(prompt)


def test_scores_that_are_no_numbers_end_their_row_alone(tiny_models: Path, llama: Path):
    resident, _ = Pool().load(spec_for(llama, tiny_models / "lora"))
    for pair in resident.low_rank["lora"].factors.values():
        pair.down.fill_(1e38)
    writer = Writer(resident)
    broken, base = writer.row(prompt_of(9), "lora"), writer.row(prompt_of(9))
    writer.finish()
    assert "no numbers" in str(writer.errors[broken])
    assert base.answer.tokens == greedy(plain_peft(llama, None), base.prompt)


def test_bases_with_other_state_than_keys_and_values_are_written_alone():
    gemma = transformers.Gemma2Config(**SMALL | FEED_FORWARD, num_key_value_heads=2, head_dim=16)
    mamba = transformers.MambaConfig(vocab_size=VOCABULARY_SIZE, hidden_size=64, num_hidden_layers=2)
    t5 = transformers.T5Config(vocab_size=VOCABULARY_SIZE, d_model=64, d_ff=128, num_layers=2, num_heads=4)
    assert not can_batch(transformers.Gemma2ForCausalLM(gemma))
    assert not can_batch(transformers.MambaForCausalLM(mamba))
    assert not can_batch(transformers.T5ForConditionalGeneration(t5))


def test_strength_zero_of_an_attached_adapter_is_a_row_of_the_base(tiny_models: Path, llama: Path):
    resident, _ = Pool().load(spec_for(llama, tiny_models / "ia3"))
    writer = Writer(resident)
    row = writer.row(prompt_of(9), "ia3", strength=0.0)
    assert set(resident.decoder.batches) == {Attachment()}
    writer.finish()
    assert row.answer.tokens == greedy(plain_peft(llama, None), row.prompt)


@pytest.mark.parametrize(
    ("precision", "rows", "has_bf16", "expected"),
    [
        (Precision.BF16, 1, True, [True, False, False]),
        (Precision.BF16, 1, False, [True, True, True]),
        (Precision.BF16, 2, True, [True, True, True]),
        (Precision.FP32, 1, True, [True, True, True]),
        (Precision.INT8, 1, True, [True, True, True]),
    ],
    ids=str,
)
def test_a_lone_token_goes_without_onednn_only_in_bf16_where_the_cpu_has_it(
    llama: Path,
    monkeypatch: pytest.MonkeyPatch,
    precision: Precision,
    rows: int,
    has_bf16: bool,
    expected: list[bool],
):
    monkeypatch.setattr("adapter_ui.models.decoding.lone.can_multiply", lambda dtype: has_bf16)
    resident, _ = Pool().load(spec_for(llama, precision=precision))
    seen: list[bool] = []
    resident.bare.register_forward_pre_hook(lambda *_: seen.append(torch.backends.mkldnn.enabled))
    writer = Writer(resident)
    for _ in range(rows):
        writer.row(prompt_of(9), options=replace(GREEDY, max_new_tokens=3))
    writer.finish()
    assert seen == expected  # the prompt, then two tokens
    assert torch.backends.mkldnn.enabled


def test_the_kept_conversations_of_all_adapters_and_strengths_have_one_bound(
    tiny_models: Path, llama: Path, monkeypatch: pytest.MonkeyPatch
):
    resident, _ = Pool().load(spec_for(llama, tiny_models / "dora"))
    writer = Writer(resident)
    for strength in range(1, 13):
        writer.row(prompt_of(9), "dora", strength=strength / 4)
        writer.finish()
    kept = resident.decoder.kept.conversations
    assert len(kept) == MOST_CONVERSATIONS
    assert [one.speaker.strength for one in kept] == [strength / 4 for strength in range(5, 13)]


def test_a_request_goes_to_the_copy_that_has_its_adapter(tiny_models: Path, llama: Path):
    pool = Pool()
    pool.load(spec_for(llama, tiny_models / "ia3"))
    first, _ = pool.load(spec_for(llama, tiny_models / "lora"))
    pool.load(spec_for(llama, tiny_models / "dora"))  # a copy of its own, used last
    assert len(pool.residents) == 2
    for _ in range(3):
        assert pool.load(spec_for(llama, tiny_models / "lora"))[0] is first
    assert sum("lora" in resident.attached for resident in pool.residents.values()) == 1


def test_how_far_a_prompt_is_read_is_told_piece_by_piece(llama: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("adapter_ui.models.decoding.batch.PREFILL_TOKENS", 16)
    resident, _ = Pool().load(spec_for(llama))
    writer = Writer(resident)
    told: list[int] = []
    writer.row(prompt_of(40)).reading = told.append
    writer.finish()
    assert told == [16, 32, 40]


def test_a_prompt_in_bf16_is_read_in_fp32_where_the_cpu_has_no_bf16(
    llama: Path, monkeypatch: pytest.MonkeyPatch
):
    """The base's own products are no less exact then than torch's bf16 ones."""
    resident, _ = Pool().load(spec_for(llama, precision=Precision.BF16))
    exact, _ = Pool().load(spec_for(llama))
    ids = torch.tensor([prompt_of(40)])
    with torch.inference_mode():
        truth = exact.bare(ids).logits
        usual = resident.bare(ids).logits
        read = without_products(monkeypatch)
        with wide_products():
            found = resident.bare(ids).logits
    assert {tuple(rows) for *rows, _ in read} == {(1, 40)}
    assert (found - truth).norm() <= 1.1 * (usual - truth).norm()


def test_prompts_and_tokens_of_many_rows_in_bf16_are_read_in_fp32_and_alike_rows_write_alike(
    tiny_models: Path, llama: Path, monkeypatch: pytest.MonkeyPatch
):
    read = without_products(monkeypatch)
    resident, _ = Pool().load(spec_for(llama, tiny_models / "lora", precision=Precision.BF16))
    writer = Writer(resident)
    rows = [writer.row(prompt_of(9), adapter) for adapter in ("", "lora") * 4]
    writer.finish()
    assert {8, 72} <= {math.prod(rows) for *rows, _ in read}  # a token of each row, and their prompts
    for adapter in (0, 1):
        assert len({tuple(row.answer.tokens) for row in rows[adapter::2]}) == 1
    assert all(len(row.answer.tokens) == len(rows[0].answer.tokens) for row in rows)


def test_of_several_chat_templates_the_default_is_asked_in(llama: Path, tmp_path: Path):
    """transformers keeps such a list of a tokenizer_config.json as a table by names."""
    folder = shutil.copytree(llama, tmp_path / "llama")
    (folder / "chat_template.jinja").unlink()
    config = json.loads((folder / "tokenizer_config.json").read_text())
    one = load_tokenizer(llama)
    config["chat_template"] = [
        {"name": "default", "template": one.chat_template},
        {"name": "tool_use", "template": "{{ messages | length }}"},
    ]
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    asked = (ChatMessage("user", "Hello there"),)
    several = load_tokenizer(folder)
    assert (
        prompt_text(several, asked, raw=False) == prompt_text(one, asked, raw=False) != ("Hello there", False)
    )
    several.chat_template = {"tool_use": one.chat_template}
    assert prompt_text(several, asked, raw=False) == ("Hello there", False)
