"""A long prompt is read by transformers' own loop piece by piece, so that it can be left and others go on.

In one pass, a sliding window's mask would hold a number for every pair of tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

import torch
from peft import PeftModel
from transformers import PreTrainedModel

from adapter_ui.models.decoding.answer import GrowingAnswer
from adapter_ui.models.decoding.prompt import virtual_tokens

TOKENS = 1024


class Left(Exception):
    """Nobody waits for this answer any more."""


class Pieces:
    """The way of a prompt of so many `tokens` through the model: tells `reading` how far it is, and is left
    when it is `cancelled`. `piece` is how many are read at once, None for all.
    """

    def __init__(
        self,
        tokens: int,
        piece: int | None,
        cancelled: Callable[[], bool],
        reading: Callable[[int, int], None],
    ) -> None:
        self.tokens, self.piece = tokens, piece or tokens
        self.cancelled, self.reading = cancelled, reading
        self.done = 0

    def __call__(self, *_: object) -> None:
        """Before each forward pass, those that write the answer too. Raises Left."""
        if 0 < self.done < self.tokens:
            self.reading(self.tokens, self.done)
            if self.cancelled():
                raise Left
        self.done += self.piece


def piece_of(model: torch.nn.Module, tokens: int) -> int | None:
    """How many of so many tokens are read at once; None for all, where more is left behind than keys and
    values, or where learned tokens are put before the prompt.
    """
    base = transformers_model(model)
    keeps_keys = base._supports_default_dynamic_cache() and not base._is_stateful
    apart = keeps_keys and not base.config.is_encoder_decoder and not virtual_tokens(model)
    return TOKENS if apart and tokens > TOKENS else None


def transformers_model(model: torch.nn.Module) -> PreTrainedModel:
    return model.get_base_model() if isinstance(model, PeftModel) else model


@contextmanager
def heard_between_pieces(model: torch.nn.Module, pieces: Pieces) -> Generator[None]:
    hook = transformers_model(model).register_forward_pre_hook(pieces)
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def left_when_asked(answer: GrowingAnswer) -> Generator[None]:
    """An answer that is left while its prompt is read ends as a cancelled one."""
    try:
        yield
    except Left:
        answer.cancel()
