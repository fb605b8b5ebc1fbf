"""Logits of the learned tokens alone: the same loss and gradients as of all, and less to compute."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftConfig, PrefixTuningConfig, PromptTuningConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    PreTrainedModel,
)

from adapter_ui.models.tuning.learned import leaves_its_loss, skip_what_is_not_learned

VOCABULARY = 300
SMALL: dict[str, Any] = {"vocab_size": VOCABULARY, "hidden_size": 64, "num_hidden_layers": 2}
METHODS = {
    "lora": LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"),
    "head": LoraConfig(r=4, target_modules=["q_proj"], modules_to_save=["lm_head"], task_type="CAUSAL_LM"),
    "prompt": PromptTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM"),
    "prefix": PrefixTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM"),
}


def batch() -> dict[str, torch.Tensor]:
    """Three rows of which other parts are learned: an end, a middle, nothing."""
    ids = torch.randint(5, VOCABULARY, (3, 24), generator=torch.Generator().manual_seed(0))
    labels = torch.full_like(ids, -100)
    labels[0, 14:] = ids[0, 14:]
    labels[1, 4:9] = ids[1, 4:9]
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}


def loss_and_gradients(model: torch.nn.Module, items: int | None) -> tuple[float, dict[str, torch.Tensor]]:
    given = {} if items is None else {"num_items_in_batch": torch.tensor(items)}
    loss = model(**batch(), **given).loss
    loss.backward()
    return loss.item(), {name: one.grad for name, one in model.named_parameters() if one.grad is not None}


@pytest.mark.parametrize("items", [None, 40])
@pytest.mark.parametrize("method", METHODS)
def test_loss_and_gradients_are_those_of_all_logits(
    tiny_models: Path, method: str, items: int | None
) -> None:
    torch.manual_seed(0)
    config: PeftConfig = METHODS[method]
    usual = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_models / "llama"), copy.deepcopy(config))
    skipping = copy.deepcopy(usual)
    skip_what_is_not_learned(skipping.get_base_model())
    found = [loss_and_gradients(model.train(), items) for model in (usual, skipping)]
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-6, abs=1e-6)
    assert found[0][1].keys() == found[1][1].keys() != set()
    for name, gradient in found[0][1].items():
        torch.testing.assert_close(found[1][1][name], gradient, atol=1e-6, rtol=1e-4, msg=name)


def families() -> dict[str, PreTrainedModel]:
    gpt2 = GPT2Config(vocab_size=VOCABULARY, n_embd=64, n_layer=2, n_head=4)
    opt = OPTConfig(**SMALL, ffn_dim=128, num_attention_heads=4, word_embed_proj_dim=64)
    return {"gpt2": GPT2LMHeadModel(gpt2), "opt": OPTForCausalLM(opt)}


@pytest.mark.parametrize("family", ["gpt2", "opt"])
def test_other_families_have_the_same_loss_too(family: str) -> None:
    torch.manual_seed(0)
    usual = families()[family].eval()  # without dropout
    skipping = copy.deepcopy(usual)
    assert leaves_its_loss(skipping)
    skip_what_is_not_learned(skipping)
    usual.training = skipping.training = True
    expected, found = (loss_and_gradients(model, 40) for model in (usual, skipping))
    assert found[0] == pytest.approx(expected[0], rel=1e-6, abs=1e-6)


def test_only_learned_tokens_reach_the_output_embeddings_and_all_in_an_evaluation(tiny_models: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_models / "llama")
    skip_what_is_not_learned(model)
    assert model.train()(**batch()).logits.shape[:2] == (1, 10 + 5)
    assert model.eval()(**batch()).logits.shape[:2] == (3, 24)
    assert model.train()(input_ids=batch()["input_ids"]).logits.shape[:2] == (3, 24)


class OwnLoss(LlamaForCausalLM):
    def forward(self, *args: Any, **given: Any) -> Any:
        return super().forward(*args, **given)


def test_a_forward_that_does_not_leave_its_loss_stays_as_it_is(tiny_models: Path) -> None:
    model = OwnLoss.from_pretrained(tiny_models / "llama")
    assert not leaves_its_loss(model)
    skip_what_is_not_learned(model)
    assert model.train()(**batch()).logits.shape[:2] == (3, 24)
