"""An adapter that trained the base's own biases: its answers are its own, and the base's are the base's."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from adapter_ui.domain import ChatMessage, Generation, GenerationOptions
from adapter_ui.engine import protocol
from adapter_ui.models.pool import Pool
from adapter_ui.models.waiting import Held
from tests.hub.tiny_models import VOCABULARY_SIZE, build_tokenizer, save_model
from tests.models.engine_here import EngineHere
from tests.models.test_decoding import spec_for

GREEDY = GenerationOptions(max_new_tokens=12, temperature=0, raw=True)
PROMPT = "Hoist the sails"
BIASES = ("all", "lora_only")


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = GPT2Config(vocab_size=VOCABULARY_SIZE, n_embd=64, n_layer=2, n_head=4, n_positions=512)
    folder = tmp_path_factory.mktemp("bases") / "gpt2"
    return save_model(GPT2LMHeadModel, config, build_tokenizer(), folder, seed=0)


def save_biased(base: Path, folder: Path, **options: Any) -> Path:
    """A LoRA whose biases alone make another text of an answer."""
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base),
        LoraConfig(task_type="CAUSAL_LM", r=4, target_modules=["c_attn", "c_proj"], **options),
    )
    with torch.random.fork_rng():
        torch.manual_seed(3)
        for parameter in model.parameters():
            if parameter.requires_grad:
                torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    return folder


def plainly(base: Path, adapter: Path | None = None) -> str:
    """What transformers and PEFT write."""
    model, tokenizer = AutoModelForCausalLM.from_pretrained(base), build_tokenizer()
    speaking = PeftModel.from_pretrained(model, adapter) if adapter else model
    ids = tokenizer(PROMPT, return_tensors="pt")
    with torch.inference_mode():
        written = speaking.generate(**ids, do_sample=False, max_new_tokens=GREEDY.max_new_tokens)
    return tokenizer.decode(written[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)


def asked(spec: protocol.ModelSpec, strength: float = 1.0) -> protocol.Generate:
    return protocol.Generate(spec, (ChatMessage("user", PROMPT),), GREEDY, strength)


def said(engine: EngineHere, *requests: protocol.Generate) -> list[str]:
    streams = engine.ask(*requests)
    return [next(one.text for one in reversed(events) if isinstance(one, Generation)) for events in streams]


@pytest.mark.parametrize("bias", BIASES)
def test_strength_zero_is_the_base_whatever_was_asked_before(gpt2: Path, tmp_path: Path, bias: str) -> None:
    adapter = save_biased(gpt2, tmp_path / "biased", bias=bias)
    base, biased = plainly(gpt2), plainly(gpt2, adapter)
    assert base != biased
    engine, spec = EngineHere(), spec_for(gpt2, adapter)
    for strength, text in ((1.0, biased), (0.0, base), (1.0, biased), (0.0, base)):
        assert said(engine, asked(spec, strength)) == [text]
    assert said(engine, asked(spec.base_alone)) == [base]


@pytest.mark.parametrize("strengths", sorted(set(itertools.permutations((0.0, 1.0, 1.0)))))
def test_arms_that_are_asked_together_keep_what_is_theirs(
    gpt2: Path, tmp_path: Path, strengths: tuple[float, ...]
) -> None:
    adapter = save_biased(gpt2, tmp_path / "biased", bias="all")
    texts = {0.0: plainly(gpt2), 1.0: plainly(gpt2, adapter)}
    requests = [asked(spec_for(gpt2, adapter), strength) for strength in strengths]
    assert said(EngineHere(), *requests) == [texts[strength] for strength in strengths]


def test_the_base_alone_goes_on_as_itself_while_the_adapter_is_put_on(gpt2: Path, tmp_path: Path) -> None:
    spec = spec_for(gpt2, save_biased(gpt2, tmp_path / "biased", bias="all"))
    assert said(EngineHere(), asked(spec.base_alone), asked(spec))[0] == plainly(gpt2)


def test_without_strength_the_base_needs_no_adapter_where_that_would_not_leave_it_alone(
    gpt2: Path, tmp_path: Path
) -> None:
    spec = spec_for(gpt2, save_biased(gpt2, tmp_path / "biased", bias="all"))
    engine = EngineHere()
    said(engine, asked(spec, 0.0))
    assert [one.adapters for one in engine.worker.pool.contents()] == [()]


def test_trained_tokens_can_be_switched_off_in_their_own_copy(gpt2: Path, tmp_path: Path) -> None:
    spec = spec_for(gpt2, save_biased(gpt2, tmp_path / "tokens", trainable_token_indices=[276, 395]))
    tuned, base = plainly(gpt2, tmp_path / "tokens"), plainly(gpt2)
    engine = EngineHere()
    assert said(engine, asked(spec, 0.0)) == [base]
    assert [one.adapters for one in engine.worker.pool.contents()] == [("tokens",)]
    assert said(engine, asked(spec), asked(spec, 0.0)) == [tuned, base]


def test_an_answer_without_strength_waits_while_its_base_would_have_to_be_loaded(
    gpt2: Path, tmp_path: Path
) -> None:
    """Beside long work nothing is loaded for an answer."""
    spec = spec_for(gpt2, save_biased(gpt2, tmp_path / "biased", bias="all"))
    engine = EngineHere()
    said(engine, asked(spec))
    waiting, pool = engine.worker.waiting, engine.worker.pool
    elsewhere = Held(bases=(("another base", spec.precision),))
    waiting.add(1, asked(spec))
    waiting.add(2, asked(spec, 0.0))
    assert [request_id for request_id, _ in waiting.able_to_begin(pool, elsewhere)] == [1]
    assert [request_id for request_id, _ in waiting.able_to_begin(pool, Held())] == [2]


def test_a_second_request_loads_no_further_copy(gpt2: Path, tmp_path: Path) -> None:
    """No bare copy is needed to learn that the adapter is no plain LoRA."""
    spec = spec_for(gpt2, save_biased(gpt2, tmp_path / "biased", bias="all"))
    pool = Pool()
    for _ in range(2):
        pool.load(spec)
    assert len(pool.residents) == 1
