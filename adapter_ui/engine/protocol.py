"""What an engine can do, and the messages between the web process and the model worker.

A message is one line of JSON: `{"id": …, "kind": …, "body": {…}}`, where `kind` names one of the types
below. No object is ever unpickled, so a worker that a hostile model took over can say wrong things but not
run code in the web process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Protocol

import pydantic
from pydantic_core import PydanticSerializationError

from adapter_ui.domain import (
    ChatMessage,
    Generation,
    GenerationOptions,
    LoadedBase,
    LoadReport,
    Precision,
    Prediction,
    Progress,
)
from adapter_ui.errors import AdapterUIError, InvalidInput, ModelFailure, without_local_names

RETIRED = 75
"""The exit code of a worker that ended by itself while it had nothing to do; EX_TEMPFAIL of sysexits.h."""
HALF_CHARACTER = "The text holds half of a character (a lone surrogate); delete it and try again."


@dataclass(frozen=True)
class ModelSpec:
    """A base in a precision, with an adapter or without one (`adapter` ""). Folders are local paths.

    `base` and `adapter` are the names that people see; `model_class` is a class of transformers.
    """

    base: str
    base_folder: str
    precision: Precision
    model_class: str
    adapter: str = ""
    adapter_folder: str = ""
    task_type: str | None = None
    predicted_bytes: int = 0

    @property
    def base_alone(self) -> ModelSpec:
        return replace(self, adapter="", adapter_folder="", task_type=None)


@dataclass(frozen=True)
class Load:
    """Ask for a model in memory; ends with a LoadReport."""

    spec: ModelSpec


@dataclass(frozen=True)
class Generate:
    """Ask for text; a stream of Generation, the last with `done`. Strength 0 is the base, 1 the adapter as
    trained.
    """

    spec: ModelSpec
    messages: tuple[ChatMessage, ...]
    options: GenerationOptions
    strength: float = 1.0


@dataclass(frozen=True)
class Predict:
    """Ask a classifier, tagger, reader or encoder; ends with a Prediction."""

    spec: ModelSpec
    text: str
    text_pair: str = ""


@dataclass(frozen=True)
class Unload:
    """Free a base and its adapters; ends with Loaded."""

    base: str
    precision: Precision


@dataclass(frozen=True)
class Cancel:
    """Stop the request with this message's id, within one token."""


@dataclass(frozen=True)
class Loaded:
    """What is in the worker's memory now; sent after every load and unload."""

    bases: tuple[LoadedBase, ...]


@dataclass(frozen=True)
class Busy:
    """The worker may say nothing for so long: it loads, or runs what it cannot interrupt. Holds until its
    next word.
    """

    seconds: float


@dataclass(frozen=True)
class Failure:
    """The request failed: an error's `code` of adapter_ui.errors and its sentence. Ends the stream."""

    code: str
    message: str


@dataclass(frozen=True)
class Done:
    """The request is finished. Ends the stream."""


Request = Load | Generate | Predict | Unload | Cancel
Event = Progress | LoadReport | Generation | Prediction | Loaded | Busy | Failure | Done
KINDS = {kind.__name__: kind for kind in (*Request.__args__, *Event.__args__)}


class Engine(Protocol):
    """The door to loaded models. A stream is an iterator; closing it stops the work."""

    def stream(self, request: Request, *, silence_seconds: float) -> Iterator[Event]:
        """The request's events without Done; raises what a Failure carries.

        `silence_seconds` is how long the worker may say nothing before it counts as hung.
        """
        ...

    def streams(
        self, requests: Sequence[Request], *, silence_seconds: float
    ) -> Iterator[tuple[int, Event | AdapterUIError]]:
        """The events of several requests at once, each with its request's place among them; an error ends its
        request.
        """
        ...

    def warm(self) -> None:
        """Get ready for a first request that is likely to come."""
        ...

    def loaded(self) -> tuple[LoadedBase, ...]:
        """What is in memory, by the worker's last word."""
        ...

    def process_memory(self) -> int:
        """Resident memory of the worker, in bytes; 0 when none runs."""
        ...

    def close(self) -> None: ...


@cache
def adapter_for(kind: str) -> pydantic.TypeAdapter:
    return pydantic.TypeAdapter(KINDS[kind])


def encode(request_id: int, message: Request | Event) -> bytes:
    """One line of JSON with its newline. Raises InvalidInput for text that UTF-8 cannot hold."""
    kind = type(message).__name__
    try:
        body = adapter_for(kind).dump_json(message)
    except PydanticSerializationError as error:
        raise InvalidInput(HALF_CHARACTER) from error
    return b'{"id":%d,"kind":"%s","body":%s}\n' % (request_id, kind.encode(), body)


def decode(line: bytes) -> tuple[int, Request | Event]:
    """The id and the message of one line. Raises ModelFailure when the line is no message, or when what it
    says is beyond what the types of this app allow themselves.
    """
    try:
        envelope = ENVELOPE.validate_json(line)
        return envelope.id, adapter_for(envelope.kind).validate_python(envelope.body)
    except (pydantic.ValidationError, KeyError, AdapterUIError) as error:
        raise ModelFailure("The model worker sent a message that is none; it will be restarted.") from error


@dataclass(frozen=True)
class Envelope:
    id: int
    kind: str
    body: dict


ENVELOPE = pydantic.TypeAdapter(Envelope)


def failure_of(error: AdapterUIError) -> Failure:
    """What the worker says of an error: libraries put this machine's paths into their messages, and quote
    strangers' files, of which half a character could not be sent.
    """
    message = error.message.encode("utf-8", "replace").decode()
    return Failure(error.code, without_local_names(message))


def error_of(failure: Failure) -> AdapterUIError:
    """The error that a Failure carries, as its own type again."""
    return error_types().get(failure.code, ModelFailure)(failure.message)


@cache
def error_types() -> dict[str, type[AdapterUIError]]:
    found: dict[str, type[AdapterUIError]] = {}
    pending = [AdapterUIError]
    while pending:
        kind = pending.pop()
        found[kind.code] = kind
        pending.extend(kind.__subclasses__())
    return found
