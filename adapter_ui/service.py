"""AdapterService: the one object that the page, the API and a script call.

Every method takes plain values and gives types of `adapter_ui.domain`. Long work is an iterator, and closing
the iterator stops the work. Errors are AdapterUIErrors. Knows nothing of Gradio, and imports no torch.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapter_ui.catalog.catalog import Catalog
from adapter_ui.catalog.machine import machine_memory
from adapter_ui.catalog.profiles.config import AdapterConfig
from adapter_ui.catalog.profiles.explain import Explanation, explain
from adapter_ui.domain import (
    AdapterProfile,
    AdapterRef,
    AdapterSummary,
    ChatMessage,
    Generation,
    GenerationOptions,
    LoadedBase,
    LoadReport,
    MemoryUse,
    Precision,
    PrecisionChoice,
    Prediction,
    Preflight,
    Progress,
    RunStatus,
    SearchPage,
    SearchQuery,
    Source,
    Table,
    check_number,
)
from adapter_ui.engine import protocol
from adapter_ui.engine.local import LocalEngine
from adapter_ui.engine.machine import precision_choices
from adapter_ui.errors import DoesNotFit, InvalidInput
from adapter_ui.provision import Provision
from adapter_ui.settings import Settings
from adapter_ui.training.data import read_table
from adapter_ui.training.examples import Examples, to_examples
from adapter_ui.training.measuring import measure
from adapter_ui.training.preflight import check
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.runs import Runs

LOAD_SILENCE_SECONDS = 900.0
ANSWER_SILENCE_SECONDS = 300.0
STRONGEST = 4.0
TEXT_TASKS = ("CAUSAL_LM", "SEQ_2_SEQ_LM")


class AdapterService:
    """Finds, inspects, loads, tries and tunes adapters, with one catalog, one engine and one table of
    runs.
    """

    def __init__(self, settings: Settings, catalog: Catalog, engine: protocol.Engine) -> None:
        self.settings = settings
        self.catalog = catalog
        self.engine = engine
        self.provision = Provision(settings, catalog)
        self.specs: dict[tuple[AdapterRef, Precision], protocol.ModelSpec] = {}
        self.run_table = Runs(settings.runs, self.provision.training)

    @classmethod
    def start(cls, settings: Settings) -> AdapterService:
        """The service with its ordinary parts; runs that were training before are found again."""
        return cls(settings, Catalog(settings), LocalEngine(settings.home / "worker.log"))

    def close(self) -> None:
        """Stop the model worker. Fine-tuning runs go on by themselves."""
        self.engine.close()
        self.run_table.close()

    # ---- find and understand

    def search(self, query: SearchQuery) -> SearchPage:
        """One page of adapters, at once; what only their files tell comes from `fill`."""
        return self.catalog.search(query)

    def fill(self, adapters: Sequence[AdapterSummary]) -> Iterator[AdapterSummary]:
        """The same rows with method, rank and sizes, each as soon as it is known."""
        return self.catalog.fill(adapters)

    def inspect(self, adapter: str) -> AdapterProfile:
        """All that can be known of an adapter before its weights are downloaded."""
        return self.catalog.inspect(AdapterRef.parse(adapter))

    def explain(self, profile: AdapterProfile) -> tuple[Explanation, ...]:
        """The profile's config in words, field by field; empty when it could not be read."""
        return explain(AdapterConfig.model_validate(dict(profile.config))) if profile.config else ()

    # ---- load

    def precisions(self) -> tuple[PrecisionChoice, ...]:
        """Every precision with its reason; one of them is this machine's default."""
        return precision_choices(has_gpu=machine_memory().device != "cpu")

    def default_precision(self) -> Precision:
        return next(choice.precision for choice in self.precisions() if choice.default)

    def load(
        self, adapter: str, precision: Precision, *, base_model: str = "", model_class: str = ""
    ) -> Iterator[Progress | LoadReport]:
        """Download what is missing and load it, with progress; the last item is the report.

        Raises DoesNotFit before anything starts when memory is too small, naming the largest precision that
        fits.
        """
        spec = yield from self.look_up(adapter, precision, base_model, model_class)
        for event in self.ask(protocol.Load(spec), LOAD_SILENCE_SECONDS):
            if isinstance(event, (Progress, LoadReport)):
                yield event

    def warm(self) -> None:
        """Start the model worker ahead of a load that is likely to come; returns at once."""
        self.engine.warm()

    def loaded(self) -> tuple[LoadedBase, ...]:
        return self.engine.loaded()

    def unload(self, base: str, precision: Precision) -> None:
        """Free a base and its adapters. Raises InvalidInput when it is not loaded."""
        if not any((entry.base, entry.precision) == (base, precision) for entry in self.engine.loaded()):
            raise InvalidInput(f"{base} in {precision.value} is not loaded.", field="base")
        for _ in self.engine.stream(protocol.Unload(base, precision), silence_seconds=ANSWER_SILENCE_SECONDS):
            pass

    def memory(self) -> MemoryUse:
        return replace(machine_memory(), worker=self.engine.process_memory())

    def model(
        self, adapter: str, precision: Precision, base_model: str = ""
    ) -> Generator[Progress, None, protocol.ModelSpec]:
        """What to ask the engine for; an adapter in memory answers as it was last loaded, with no look-up."""
        known = self.specs.get((AdapterRef.parse(adapter), precision)) if adapter else None
        if known and base_model in ("", known.base) and known.base in self.in_memory(precision):
            return known
        return (yield from self.look_up(adapter, precision, base_model))

    def look_up(
        self, adapter: str, precision: Precision, base_model: str = "", model_class: str = ""
    ) -> Generator[Progress, None, protocol.ModelSpec]:
        here = self.in_memory(precision)
        if adapter:
            return (
                yield from self.provision.adapter_on_base(
                    AdapterRef.parse(adapter),
                    precision,
                    base_model=base_model,
                    model_class=model_class,
                    in_memory=here,
                )
            )
        return (
            yield from self.provision.base_alone(
                base_model, precision, model_class=model_class, in_memory=here
            )
        )

    def in_memory(self, precision: Precision) -> set[str]:
        return {entry.base for entry in self.engine.loaded() if entry.precision is precision}

    def ask(
        self,
        request: protocol.Load | protocol.Generate | protocol.Predict,
        silence_seconds: float,
        *,
        remember: bool = True,
    ) -> Iterator[protocol.Event]:
        """The engine's events. Only what proved to load is remembered: the rest would fail again."""
        for event in self.engine.stream(request, silence_seconds=silence_seconds):
            if remember and isinstance(event, LoadReport) and request.spec.adapter:
                self.specs[AdapterRef.parse(request.spec.adapter), request.spec.precision] = request.spec
            yield event

    # ---- try

    def generate(
        self,
        adapter: str,
        messages: Sequence[ChatMessage],
        options: GenerationOptions,
        precision: Precision,
        *,
        strength: float = 1.0,
        base_model: str = "",
    ) -> Iterator[Progress | Generation]:
        """Stream an answer, loading first what is not loaded. `adapter` "" is the base alone, named by
        `base_model`.

        Strength 0 is the base, 1 the adapter as it was trained.
        """
        check_number("strength", strength, 0, STRONGEST)
        if not any(message.role == "user" and message.content.strip() for message in messages):
            raise InvalidInput("The prompt is empty; write something to answer.", field="prompt")
        spec = yield from self.model(adapter, precision, base_model)
        request = protocol.Generate(spec, tuple(messages), options, strength)
        for event in self.ask(request, ANSWER_SILENCE_SECONDS, remember=not base_model):
            if isinstance(event, (Progress, Generation)):
                yield event

    def predict(
        self, adapter: str, text: str, text_pair: str, precision: Precision
    ) -> Iterator[Progress | Prediction]:
        """Run an adapter on a text by its task, loading first what is not loaded; the last item is the
        Prediction.
        """
        if not text.strip():
            raise InvalidInput("There is no text to read; write some.", field="text")
        spec = yield from self.model(adapter, precision)
        if spec.task_type in TEXT_TASKS:
            yield from self.write(spec, text)
            return
        request = protocol.Predict(spec, text, text_pair)
        for event in self.ask(request, ANSWER_SILENCE_SECONDS):
            if isinstance(event, (Progress, Prediction)):
                yield event

    def write(self, spec: protocol.ModelSpec, text: str) -> Iterator[Progress | Prediction]:
        request = protocol.Generate(spec, (ChatMessage("user", text),), GenerationOptions(temperature=0))
        for event in self.ask(request, ANSWER_SILENCE_SECONDS):
            if isinstance(event, Progress):
                yield event
            elif isinstance(event, Generation) and event.done:
                yield Prediction(spec.task_type, text=event.text, seconds=event.seconds)

    # ---- tune

    def read_table(self, source: str | Path) -> Table:
        """Rows of pasted text or of an uploaded CSV, TSV, JSON or JSONL file."""
        return read_table(source)

    def check_finetune(self, recipe: Mapping[str, Any], data: str | Path) -> Preflight:
        """What a fine-tune would do and need, without starting it.

        Tokens and trainable parameters are counted by a short child process once the base is on this machine.
        """
        return self.preflight(*self.read_recipe(recipe, data))

    def finetune(self, recipe: Mapping[str, Any], data: str | Path) -> str:
        """Start a run and give its id. Raises InvalidRecipe or DoesNotFit when it cannot start."""
        parsed, examples = self.read_recipe(recipe, data)
        if refusal := self.preflight(parsed, examples).refusal:
            raise DoesNotFit(refusal)
        return self.run_table.start(parsed, examples)

    def preflight(self, recipe: Recipe, examples: Examples) -> Preflight:
        base_id = self.provision.base_of(recipe)
        here = self.provision.already_here(recipe, base_id)
        figures = measure(recipe, examples, here) if here else None
        facts = self.catalog.base_facts(base_id)
        return check(recipe, examples, facts, machine_memory().available, figures)

    def runs(self) -> tuple[RunStatus, ...]:
        """All runs, newest first."""
        return self.run_table.all()

    def run(self, run_id: str) -> RunStatus:
        return self.run_table.status(run_id)

    def stop_run(self, run_id: str) -> RunStatus:
        return self.run_table.stop(run_id)

    def delete_run(self, run_id: str) -> None:
        self.run_table.delete(run_id)
        deleted = AdapterRef(Source.RUN, run_id)
        self.specs = {key: spec for key, spec in self.specs.items() if key[0] != deleted}

    def read_recipe(self, recipe: Mapping[str, Any], data: str | Path) -> tuple[Recipe, Examples]:
        parsed = Recipe.parse(recipe)
        return parsed, to_examples(read_table(data), parsed.columns, parsed.task_type)
