"""An answer as it grows: its tokens, the text so far, and why it ended.

Knows a tokenizer; knows nothing of models, of sampling or of who reads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from transformers import PreTrainedTokenizerBase

from adapter_ui.domain import Generation
from adapter_ui.errors import ModelFailure
from adapter_ui.models.strangers import panics_told

EMIT_SECONDS = 0.04


class GrowingAnswer:
    """`emit` gets the text so far, at most 25 times a second. `reason` is None until the answer has ended."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        stop: Sequence[str],
        end_tokens: Collection[int],
        prompt_tokens: int,
        seed: int,
        emit: Callable[[Generation], None],
    ) -> None:
        self.tokenizer = tokenizer
        self.stop = tuple(text for text in stop if text)
        self.end_tokens = end_tokens
        self.prompt_tokens = prompt_tokens
        self.seed = seed
        self.emit = emit
        self.tokens: list[int] = []
        self.text = ""
        self.reason: str | None = None
        self.started = time.monotonic()
        self.first_token_seconds: float | None = None
        self.emitted = 0.0

    def add(self, token: int, most_tokens: int) -> None:
        """One more token; it may end the answer."""
        self.tokens.append(token)
        now = time.monotonic()
        if self.first_token_seconds is None:
            self.first_token_seconds = now - self.started
        if token in self.end_tokens:
            self.reason = "stop"
        elif len(self.tokens) >= most_tokens:
            self.reason = "length"
        due = now - self.emitted >= EMIT_SECONDS
        if self.stop or due or self.reason:
            self.read_text()
        if due and not self.reason:
            self.emitted = now
            self.emit(self.snapshot(done=False))

    def read_text(self) -> None:
        """Decode all tokens so far: pieces of one character may be spread over several tokens."""
        try:
            with panics_told():
                text = self.tokenizer.decode(self.tokens, skip_special_tokens=True)
        except Exception as error:  # a base may bring a tokenizer that knows fewer tokens than its model
            said = " ".join(str(error).split())[:200] or type(error).__name__
            raise ModelFailure(
                f"The base's tokenizer cannot turn its tokens into text ({said}); use another base."
            ) from error
        # one written in Python may give half a character, which could not be sent
        text = text.encode("utf-8", "replace").decode().rstrip("\ufffd")
        cuts = [position for stop in self.stop if (position := text.find(stop)) >= 0]
        if cuts:
            text = text[: min(cuts)]
            self.reason = "stop"
        self.text = text

    def cancel(self) -> None:
        self.reason = "cancelled"

    def finished(self) -> Generation:
        """The whole answer. Call it once `reason` is set."""
        return self.snapshot(done=True)

    def snapshot(self, *, done: bool) -> Generation:
        return Generation(
            text=self.text,
            tokens=len(self.tokens),
            prompt_tokens=self.prompt_tokens,
            seconds=time.monotonic() - self.started,
            first_token_seconds=self.first_token_seconds,
            done=done,
            reason=self.reason if done else None,
            seed=self.seed,
        )
