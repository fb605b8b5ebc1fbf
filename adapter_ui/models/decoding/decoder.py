"""All answers that one base writes at once, in as few forward passes as its adapters allow.

The base and its plain LoRAs share one batch. An adapter that PEFT put into the base's layers has a batch of
its own, and the batches take turns, a token each. Knows rows and voices; nothing of requests.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from transformers import PreTrainedModel

from adapter_ui.errors import AdapterUIError, ModelFailure
from adapter_ui.models.decoding.batch import Batch, Row
from adapter_ui.models.decoding.kept import KeptConversations
from adapter_ui.models.decoding.low_rank import LowRank
from adapter_ui.models.decoding.mixture import Mixture, Voice
from adapter_ui.models.failures import in_words
from adapter_ui.models.placement import free_on_gpu
from adapter_ui.ram import ram

log = logging.getLogger(__name__)

MOST_ROWS = 16
SHARE_OF_MEMORY = 0.5


@dataclass(frozen=True)
class Attachment:
    """Which adapter of PEFT's answers for a whole batch, and how strongly; "" is none."""

    name: str = ""
    strength: float = 1.0


class Decoder:
    """`speak_as` lets one of PEFT's adapters answer, or none, from now on."""

    def __init__(
        self,
        model: PreTrainedModel,
        modules: Mapping[str, torch.nn.Module],
        speak_as: Callable[[str, float], None],
    ) -> None:
        self.model = model
        self.speak_as = speak_as
        self.mixture = Mixture(modules)
        self.batches: dict[Attachment, Batch] = {}
        self.kept = KeptConversations()

    @property
    def writing(self) -> bool:
        return bool(self.turns())

    @property
    def rows(self) -> int:
        """How many answers are being written."""
        return sum(len(batch.everyone) for batch in self.batches.values())

    def refuse_without_memory(self, row: Row) -> None:
        """Raise ModelFailure when the row's keys and values would not fit beside those that are there."""
        rows = [other for batch in self.batches.values() for other in batch.everyone]
        longest = max(len(one.prompt) + one.most_tokens for one in (*rows, row))
        needed = (len(rows) + 1) * longest * bytes_per_token(self.model)
        if needed > SHARE_OF_MEMORY * free_bytes(self.model.device):
            raise ModelFailure(
                f"An answer of up to {row.most_tokens} tokens needs more memory than is free now; ask for "
                "fewer tokens, or try again when others are done."
            )

    def admit(self, row: Row, attachment: Attachment) -> None:
        self.refuse_without_memory(row)
        if attachment.strength == 0:
            attachment = Attachment()
        if attachment not in self.batches:
            self.batches[attachment] = Batch(
                self.model,
                partial(self.compose, attachment),
                partial(self.kept.keep, attachment),
                partial(self.kept.known, attachment),
            )
        self.batches[attachment].admit(row)

    def turns(self) -> list[Batch]:
        """The batches that have something to write, each of which may take a step now."""
        self.batches = {one: batch for one, batch in self.batches.items() if batch.everyone}
        return list(self.batches.values())

    def step(self) -> None:
        """One step of every batch. What a model raises ends the rows of its batch, and no others."""
        for batch in self.turns():
            try:
                batch.step()
            except AdapterUIError as error:
                batch.fail(error)
            except Exception as error:  # whatever a model raises becomes a sentence
                log.exception("a batch failed")
                batch.fail(in_words(error))

    def fail(self, error: Exception) -> None:
        """End all answers with an error."""
        for batch in self.turns():
            batch.fail(error)

    def compose(self, attachment: Attachment, voices: Sequence[Voice]) -> None:
        self.speak_as(attachment.name, attachment.strength)
        self.mixture.compose(voices)

    def writes_with(self, adapter: LowRank | None, name: str) -> bool:
        """Whether an answer is being written with this plain LoRA, or with PEFT's adapter `name`."""
        return any(
            attachment.name == name if name else any(row.voice.adapter is adapter for row in batch.everyone)
            for attachment, batch in self.batches.items()
            if batch.everyone
        )

    def forget(self, adapter: LowRank | None, name: str) -> None:
        """Drop what is kept of a plain LoRA, or of PEFT's adapter `name`, with which nothing is written."""
        if adapter is not None:
            self.mixture.forget(adapter)
        self.kept.forget(lambda speaker, voice: speaker.name == name if name else voice.adapter is adapter)


def bytes_per_token(model: PreTrainedModel) -> int:
    """Keys and values of one token in all layers."""
    config = model.config.get_text_config(decoder=True)
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return 2 * config.num_hidden_layers * heads * size * model.dtype.itemsize


def free_bytes(device: torch.device) -> int:
    """What a model on this device can still take."""
    return free_on_gpu(device) if device.type == "cuda" else ram()[1]
