"""Logits of the learned tokens alone.

A causal LM's forward makes logits of every token, and its loss then throws those away whose label is
ignored: the prompt's and the padding's. With a vocabulary of 50,000 that is a fifth of a small model's work
and much of its memory. Here only the learned tokens reach the output embeddings while it trains; the loss is
the same. Knows a base's forward pass; nothing of adapters or of the Trainer.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.loss.loss_utils import ForCausalLMLoss

from adapter_ui.models.tuning.data import IGNORED


def skip_what_is_not_learned(base: PreTrainedModel) -> None:
    """From now on `base` makes logits of the learned tokens only, while it trains. A base whose forward does
    not leave its loss to transformers' ForCausalLMLoss stays as it is.
    """
    if leaves_its_loss(base):
        LearnedTokens(base)


def leaves_its_loss(base: PreTrainedModel) -> bool:
    own_loss = "self.loss_function(" not in inspect.getsource(type(base).forward)
    return not own_loss and base.loss_function is ForCausalLMLoss and base.get_output_embeddings() is not None


class LearnedTokens:
    """Hooks of one base: its labels are seen before a forward pass, hidden states are chosen before the
    output embeddings, and the loss meets the logits with the labels that were chosen.
    """

    def __init__(self, base: PreTrainedModel) -> None:
        self.labels: torch.Tensor | None = None
        base.register_forward_pre_hook(self.see_labels, with_kwargs=True)
        base.get_output_embeddings().register_forward_pre_hook(self.choose)
        base.loss_function = self.loss

    def see_labels(self, base: torch.nn.Module, args: tuple[Any, ...], given: dict[str, Any]) -> None:
        """The label of each token is the token after it."""
        labels = given.get("labels") if base.training else None
        self.labels = (
            None if labels is None else torch.nn.functional.pad(labels[:, 1:], (0, 1), value=IGNORED)
        )

    def choose(self, head: torch.nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """[rows, tokens, width] becomes [1, learned tokens, width]."""
        if self.labels is None:
            return args
        hidden, *others = args
        return hidden[self.labels.to(hidden.device) != IGNORED].unsqueeze(0), *others

    def loss(
        self, logits: torch.Tensor, labels: torch.Tensor, vocab_size: int, **options: Any
    ) -> torch.Tensor:
        if self.labels is not None:
            options["shift_labels"] = self.labels[self.labels != IGNORED].unsqueeze(0)
        return ForCausalLMLoss(logits, labels, vocab_size, **options)
