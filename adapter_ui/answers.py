"""Models by name: what to load for an adapter, and what it answers.

Between the service, which checks what people ask for, and the engine, which knows folders only.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial

from adapter_ui.catalog.machine import room_for_a_model
from adapter_ui.domain import (
    MODEL_CLASS_OF_TASK,
    AdapterRef,
    ChatMessage,
    Generation,
    GenerationOptions,
    LoadedBase,
    LoadReport,
    ModelChoice,
    Precision,
    Prediction,
    Progress,
)
from adapter_ui.engine import protocol
from adapter_ui.engine.room import to_unload
from adapter_ui.errors import AdapterUIError, InvalidInput
from adapter_ui.provision import Provision

LOAD_SILENCE_SECONDS = 900.0
ANSWER_SILENCE_SECONDS = 300.0
TEXT_TASKS = ("CAUSAL_LM", "SEQ_2_SEQ_LM")


class Answers:
    """Asks the engine by names, and remembers how each adapter was loaded, by the model chosen for it."""

    def __init__(self, provision: Provision, engine: protocol.Engine) -> None:
        self.provision = provision
        self.engine = engine
        self.specs: dict[tuple[AdapterRef, Precision, ModelChoice], protocol.ModelSpec] = {}

    def load(
        self, adapter: str, precision: Precision, choice: ModelChoice
    ) -> Iterator[Progress | LoadReport]:
        spec = yield from self.look_up(adapter, precision, choice)
        for event in self.ask(protocol.Load(spec), LOAD_SILENCE_SECONDS, remember_as=choice):
            if isinstance(event, (Progress, LoadReport)):
                yield event

    def generate(
        self,
        adapter: str,
        messages: Sequence[ChatMessage],
        options: GenerationOptions,
        precision: Precision,
        strength: float,
        choice: ModelChoice,
    ) -> Iterator[Progress | Generation]:
        spec = yield from self.writer(adapter, precision, choice)
        request = protocol.Generate(spec, tuple(messages), options, strength)
        for event in self.ask(request, ANSWER_SILENCE_SECONDS, remember_as=choice):
            if isinstance(event, (Progress, Generation)):
                yield event

    def predict(
        self, adapter: str, text: str, text_pair: str, precision: Precision, choice: ModelChoice
    ) -> Iterator[Progress | Prediction]:
        spec = yield from self.model(adapter, precision, choice)
        if spec.task_type in TEXT_TASKS:
            yield from self.write(spec, text, choice)
            return
        request = protocol.Predict(spec, text, text_pair)
        for event in self.ask(request, ANSWER_SILENCE_SECONDS, remember_as=choice):
            if isinstance(event, (Progress, Prediction)):
                yield event

    def forget(self, adapter: AdapterRef) -> None:
        """What was known of an adapter that is gone."""
        self.forget_where(lambda ref, _: ref == adapter)

    def forget_repo(self, repo_id: str) -> None:
        """What was known of an adapter or base of the Hub whose files are gone."""
        self.forget_where(lambda ref, spec: repo_id in (spec.base, ref.repo_id))

    def forget_where(self, is_gone: Callable[[AdapterRef, protocol.ModelSpec], bool]) -> None:
        for key, spec in list(self.specs.items()):  # others may be remembered meanwhile
            if is_gone(key[0], spec):
                self.specs.pop(key, None)

    def model(
        self, adapter: str, precision: Precision, choice: ModelChoice
    ) -> Generator[Progress, None, protocol.ModelSpec]:
        """What to ask the engine for; an adapter in memory answers as it was last loaded, with no look-up."""
        known = self.specs.get((AdapterRef.parse(adapter), precision, choice)) if adapter else None
        if known and known.base in self.in_memory(precision):
            return known
        return (yield from self.look_up(adapter, precision, choice))

    def writer(
        self, adapter: str, precision: Precision, choice: ModelChoice
    ) -> Generator[Progress, None, protocol.ModelSpec]:
        """What to ask for text. Raises InvalidInput where the adapter's task is another; of a base alone only
        the worker knows.
        """
        spec = yield from self.model(adapter, precision, choice)
        if spec.task_type in MODEL_CLASS_OF_TASK and spec.task_type not in TEXT_TASKS:
            raise InvalidInput(
                f"{spec.adapter} is for {spec.task_type} and writes no text; use the prediction (/predict) "
                "instead.",
                field="adapter",
            )
        return spec

    def look_up(
        self, adapter: str, precision: Precision, choice: ModelChoice
    ) -> Generator[Progress, None, protocol.ModelSpec]:
        here = partial(self.in_memory, precision)
        if adapter:
            ref = AdapterRef.parse(adapter)
            return (yield from self.provision.adapter_on_base(ref, precision, choice, in_memory=here))
        return (yield from self.provision.base_alone(precision, choice, in_memory=here))

    def in_memory(self, precision: Precision) -> set[str]:
        return {entry.base for entry in self.engine.loaded() if entry.precision is precision}

    def ask(
        self,
        request: protocol.Load | protocol.Generate | protocol.Predict,
        silence_seconds: float,
        *,
        remember_as: ModelChoice | None,
    ) -> Iterator[protocol.Event]:
        """The engine's events of one request. `remember_as` is the model that was asked for, None for what
        counts for this request alone.
        """
        for event in self.engine.stream(request, silence_seconds=silence_seconds):
            self.remember(request.spec, remember_as, event)
            yield event

    def ask_all(
        self, requests: Sequence[protocol.Generate], remember_as: Sequence[ModelChoice | None]
    ) -> Iterator[tuple[int, protocol.Event | AdapterUIError]]:
        """The engine's events of several requests at once, each with its request's place."""
        for place, event in self.engine.streams(requests, silence_seconds=ANSWER_SILENCE_SECONDS):
            self.remember(requests[place].spec, remember_as[place], event)
            yield place, event

    def remember(
        self, spec: protocol.ModelSpec, choice: ModelChoice | None, event: protocol.Event | AdapterUIError
    ) -> None:
        """Only what proved to load is remembered: the rest would fail again. An adapter without strength may
        have been left out.
        """
        if isinstance(event, LoadReport) and event.adapter and choice is not None:
            self.specs[AdapterRef.parse(spec.adapter), spec.precision, choice] = spec

    def write(
        self, spec: protocol.ModelSpec, text: str, choice: ModelChoice
    ) -> Iterator[Progress | Prediction]:
        request = protocol.Generate(spec, (ChatMessage("user", text),), GenerationOptions(temperature=0))
        for event in self.ask(request, ANSWER_SILENCE_SECONDS, remember_as=choice):
            if isinstance(event, Progress):
                yield event
            elif isinstance(event, Generation) and event.done:
                yield Prediction(spec.task_type, text=event.text, seconds=event.seconds)


def free_memory(engine: protocol.Engine, needed: int) -> Iterator[Progress]:
    """Unload what was used least recently until `needed` bytes are free; nothing when that is not enough.

    An unload waits for its turn like every request, so no running answer loses its model.
    """
    for base in to_unload(engine.loaded(), needed, room_for_a_model()):
        yield Progress("unload", f"Unloading {base.base} in {base.precision.value} to make room")
        yield from unloading(engine, base.base, base.precision)


def unload(engine: protocol.Engine, base: str, precision: Precision) -> None:
    for _ in unloading(engine, base, precision):
        pass


def unload_where(engine: protocol.Engine, is_meant: Callable[[LoadedBase], bool]) -> None:
    for base in engine.loaded():
        if is_meant(base):
            unload(engine, base.base, base.precision)


def unloading(engine: protocol.Engine, base: str, precision: Precision) -> Iterator[Progress]:
    """Free a base once nobody is answered by it; what has to be waited for is told."""
    request = protocol.Unload(base, precision)
    for event in engine.stream(request, silence_seconds=ANSWER_SILENCE_SECONDS):
        if isinstance(event, Progress):
            yield event
