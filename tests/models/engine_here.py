"""The engine's worker in this process, so that a test hears the numbers behind what it answers.

The requests, their order, the pool, the decoder and the tasks are the worker's own; only the pipes are not
there.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

from adapter_ui.engine import protocol
from adapter_ui.models.decoding.mixture import Voice
from adapter_ui.models.names import slot
from adapter_ui.models.resident import Resident
from adapter_ui.models.worker import Worker

OUTPUTS = ("logits", "start_logits", "end_logits", "last_hidden_state")


def outputs_of(found: object) -> list[torch.Tensor]:
    """What a model's forward gives for its task."""
    return [found[name] for name in OUTPUTS if found.get(name) is not None]


class EngineHere:
    def __init__(self) -> None:
        self.events = io.BytesIO()
        self.worker = Worker(io.BytesIO(), self.events)

    def words(self, *requests: protocol.Request) -> list[tuple[int, protocol.Event]]:
        """All events in their order, each with its request's place; the requests are asked at once."""
        for request_id, request in enumerate(requests):
            self.worker.waiting.add(request_id, request)
        while self.worker.waiting or self.worker.pool.writing:
            self.worker.go_on()
        lines = self.events.getvalue().splitlines()
        self.events.seek(0)
        self.events.truncate()
        return [protocol.decode(line) for line in lines]

    def ask(self, *requests: protocol.Request) -> list[list[protocol.Event]]:
        """The events of each request, all of them asked at once. Raises what a Failure carries."""
        events: list[list[protocol.Event]] = [[] for _ in requests]
        for request_id, event in self.words(*requests):
            if isinstance(event, protocol.Failure):
                raise protocol.error_of(event)
            events[request_id].append(event)
        return events

    def resident(self, spec: protocol.ModelSpec) -> Resident:
        resident = self.worker.pool.at_hand(spec)
        assert resident is not None, f"{spec.adapter} is not in memory"
        return resident


@dataclass
class Heard:
    """The logits behind each token of an answer, and the tokens that the model was given to go on with."""

    logits: list[torch.Tensor] = field(default_factory=list)
    given: list[int] = field(default_factory=list)

    @property
    def tokens(self) -> list[int]:
        """All that was written, the last one by its logits: it was given to nobody."""
        return [*self.given[1:], int(self.logits[-1].argmax())]


@contextmanager
def heard_writing(resident: Resident) -> Iterator[dict[str, Heard]]:
    """What is written with each adapter, by its name, and by the base ("").

    One answer a speaker: who speaks is asked of the decoder at every forward pass.
    """
    heard: dict[str, Heard] = {}
    names = {slot(adapter): adapter for adapter in resident.attached} | {"": ""}
    beside = {factors: adapter for adapter, factors in resident.low_rank.items()}

    def hear(module: torch.nn.Module, args: object, inputs: dict, output: dict[str, torch.Tensor]) -> None:
        in_layers, _ = resident.speaker
        given = inputs["decoder_input_ids" if module.config.is_encoder_decoder else "input_ids"]
        for row, voice in enumerate(resident.decoder.mixture.voices or (Voice(),)):
            speaker = beside[voice.adapter] if voice.adapter else names[in_layers]
            said = heard.setdefault(speaker, Heard())
            said.logits.append(output["logits"][row, -1].clone())
            said.given.append(-1 if given is None else int(given[row, -1]))

    hook = resident.bare.register_forward_hook(hear, with_kwargs=True)
    try:
        yield heard
    finally:
        hook.remove()


@contextmanager
def heard_predicting(resident: Resident) -> Iterator[list[torch.Tensor]]:
    """The outputs of the whole model, adapter and head included."""
    heard: list[torch.Tensor] = []
    hook = resident.loaded.model.register_forward_hook(
        lambda module, inputs, output: heard.extend(one.clone() for one in outputs_of(output))
    )
    try:
        yield heard
    finally:
        hook.remove()
