"""AdapterService: the one object that the page, the API and a script call.

Every method takes plain values and gives types of `adapter_ui.domain`. Long work is an iterator, and closing
the iterator stops the work. Errors are AdapterUIErrors. Knows nothing of Gradio, and imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from adapter_ui.admission import Admissions
from adapter_ui.answers import Answers, free_memory, unload
from adapter_ui.arms import all_waiting, check_asked, check_question, compare
from adapter_ui.catalog.catalog import Catalog
from adapter_ui.catalog.comparison.together import compare_adapters
from adapter_ui.catalog.fit import fit_devices
from adapter_ui.catalog.machine import machine_memory
from adapter_ui.catalog.profiles.config import AdapterConfig
from adapter_ui.catalog.profiles.explain import Explanation, explain
from adapter_ui.domain import (
    STRONGEST,
    AdapterProfile,
    AdapterRef,
    ArmAnswer,
    Asked,
    BaseSuggestion,
    ChatMessage,
    DiskUse,
    Fit,
    Generation,
    GenerationOptions,
    LoadedBase,
    LoadReport,
    MemoryUse,
    MixRecipe,
    ModelChoice,
    Precision,
    PrecisionChoice,
    Prediction,
    Progress,
    Revision,
    SearchPage,
    SearchQuery,
    SideBySide,
    Source,
    check_number,
)
from adapter_ui.engine import protocol
from adapter_ui.engine.local import LocalEngine
from adapter_ui.engine.machine import precision_choices
from adapter_ui.errors import InvalidInput
from adapter_ui.mixing import Mixer
from adapter_ui.on_disk import OnDisk
from adapter_ui.outgoing import Outgoing
from adapter_ui.preparation import Preparation
from adapter_ui.provision import Provision
from adapter_ui.settings import Settings
from adapter_ui.timing import Timing
from adapter_ui.training.runs import Runs
from adapter_ui.tuning import TuningService


class AdapterService(TuningService):
    """Finds, inspects, loads, tries and tunes adapters, with one catalog, one engine and one table of runs.

    What uses or makes a model, or may take long, takes the `visitor` who asks. It raises TooManyRequests when
    one asks for too much at once, and Crowded when all of them do; "" is not limited.
    """

    def __init__(self, settings: Settings, catalog: Catalog, engine: protocol.Engine) -> None:
        self.settings = settings
        self.catalog = catalog
        self.engine = engine
        self.provision = Provision(settings, catalog, partial(free_memory, engine))
        self.answers = Answers(self.provision, engine)
        self.admissions = Admissions()
        self.mixer = Mixer(settings, self.answers)
        self.preparation = Preparation(self.provision)
        self.run_table = Runs(settings.runs, self.preparation.training)
        self.outgoing = Outgoing(settings, self.provision)
        self.on_disk = OnDisk(settings, self.answers, self.run_table.all)
        self.timing = Timing(self.preparation, self.company)

    @classmethod
    def start(cls, settings: Settings) -> AdapterService:
        """The service with its ordinary parts; runs that were training before are found again."""
        return cls(settings, Catalog(settings), LocalEngine(settings.home / "worker.log"))

    def close(self) -> None:
        """Stop the model worker and close what is open. Fine-tuning runs go on by themselves."""
        self.engine.close()
        self.run_table.close()
        self.catalog.close()

    # ---- find and understand

    @property
    def hub_endpoint(self) -> str:
        """The address of the Hub, whose pages are linked to."""
        return self.settings.hub_endpoint

    def search(self, query: SearchQuery) -> SearchPage:
        """One page of adapters, at once; what only their files tell comes from `fill`."""
        return self.catalog.search(query)

    def fill(self, query: SearchQuery, page: SearchPage) -> Iterator[SearchPage]:
        """The page as it grows, whole each time: method, rank and sizes arrive, and rows that only their
        files prove to fit.
        """
        return self.catalog.fill(query, page)

    def suggest_bases(self, text: str) -> tuple[BaseSuggestion, ...]:
        """Base models that a few typed letters may mean."""
        return self.catalog.suggest_bases(text)

    def inspect(self, adapter: str, base_model: str = "") -> AdapterProfile:
        """All that can be known of an adapter before its weights are downloaded, beside `base_model`; where
        that is "", beside its own base. Raises InvalidInput and HubError.
        """
        return self.catalog.inspect(AdapterRef.parse(adapter), ModelChoice(base_model).base_model)

    def revisions(self, adapter: str) -> tuple[Revision, ...]:
        """The branches and tags to choose from, `main` first; none for an adapter on this machine."""
        return self.catalog.revisions(AdapterRef.parse(adapter))

    def explain(self, profile: AdapterProfile) -> tuple[Explanation, ...]:
        """The profile's config in words, field by field; empty when it could not be read."""
        return explain(AdapterConfig.model_validate(dict(profile.config))) if profile.config else ()

    def side_by_side(self, adapters: Sequence[str]) -> SideBySide:
        """Two to four adapters compared; one that cannot be inspected keeps its place, with its error."""
        return compare_adapters(self.catalog.inspect, adapters, self.default_precision())

    def fit(self, profile: AdapterProfile, context: int = 2048, arms: int = 1) -> Fit | None:
        """Memory to run and train the adapter, beside devices; None when its base's size is not known.

        `context` is in tokens, `arms` are answers written at once. Raises InvalidInput.
        """
        return fit_devices(profile, context, arms, self.engine.loaded())

    # ---- load

    def precisions(self) -> tuple[PrecisionChoice, ...]:
        """Every precision with its reason; one of them is this machine's default."""
        return precision_choices(has_gpu=machine_memory().device != "cpu")

    def default_precision(self) -> Precision:
        return next(choice.precision for choice in self.precisions() if choice.default)

    def load(
        self,
        adapter: str,
        precision: Precision,
        *,
        base_model: str = "",
        model_class: str = "",
        visitor: str = "",
    ) -> Iterator[Progress | LoadReport]:
        """Download what is missing and load it, with progress; the last item is the report.

        Raises DoesNotFit first when memory is too small, naming the largest precision that fits.
        """
        events = self.answers.load(adapter, precision, ModelChoice(base_model, model_class))
        return self.admissions.requests.admitted(visitor, events)

    def warm(self) -> None:
        """Start the model worker ahead of a load that is likely to come; returns at once."""
        self.engine.warm()

    def loaded(self) -> tuple[LoadedBase, ...]:
        return self.engine.loaded()

    def unload(self, base: str, precision: Precision, *, visitor: str = "") -> None:
        """Free a base and its adapters, once the answers on it have ended. Raises InvalidInput when it is not
        loaded.
        """
        with self.admissions.errands.waited(visitor):
            if not any((entry.base, entry.precision) == (base, precision) for entry in self.engine.loaded()):
                raise InvalidInput(f"{base} in {precision.value} is not loaded.", field="base")
            unload(self.engine, base, precision)

    def memory(self) -> MemoryUse:
        return replace(machine_memory(), worker=self.engine.process_memory())

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
        model_class: str = "",
        visitor: str = "",
    ) -> Iterator[Progress | Generation]:
        """Stream an answer, loading first what is not loaded. `adapter` "" is the base alone, named by
        `base_model`. Strength 0 is the base, 1 the adapter as it was trained. `base_model` and `model_class`
        "" are the adapter's own base and the class of its task.
        """
        check_number("strength", strength, 0, STRONGEST)
        check_question(messages)
        choice = ModelChoice(base_model, model_class)
        events = self.answers.generate(adapter, messages, options, precision, strength, choice)
        return self.admissions.requests.admitted(visitor, events)

    def compare(
        self,
        asked: Sequence[Asked],
        options: GenerationOptions,
        precision: Precision,
        *,
        base_model: str = "",
        visitor: str = "",
    ) -> Iterator[tuple[ArmAnswer, ...]]:
        """Ask up to eight arms at once; gives all answers so far, in their order, each time whole.

        An arm without an adapter is the base that it names, else `base_model`, else the base of the first arm
        that has one. An arm that cannot answer keeps its place, with its error.
        """
        check_asked(asked)
        answers = compare(self.answers, asked, options, precision, base_model)
        return self.admissions.requests.admitted(visitor, answers, partial(all_waiting, asked))

    def predict(
        self,
        adapter: str,
        text: str,
        text_pair: str,
        precision: Precision,
        *,
        base_model: str = "",
        model_class: str = "",
        visitor: str = "",
    ) -> Iterator[Progress | Prediction]:
        """Run an adapter on a text by its task, or by that of the class; the last item is the Prediction."""
        if not text.strip():
            raise InvalidInput("There is no text to read; write some.", field="text")
        choice = ModelChoice(base_model, model_class)
        events = self.answers.predict(adapter, text, text_pair, precision, choice)
        return self.admissions.requests.admitted(visitor, events)

    def mix(self, recipe: MixRecipe, *, visitor: str = "") -> Iterator[Progress | AdapterRef]:
        """Combine LoRAs of one base into a new adapter, with progress; the last item is its ref."""
        return self.admissions.made(visitor, self.mixer.mix(recipe))

    def delete_mix(self, name: str, *, visitor: str = "") -> None:
        """Remove a mix, once no answer is written with it. Raises NotFoundOrPrivate."""
        with self.admissions.errands.waited(visitor):
            self.mixer.delete(name)
            self.outgoing.forget(AdapterRef(Source.MIX, name))

    # ---- keep

    def disk(self) -> DiskUse:
        """What was downloaded, with its sizes, and what is free on that disk."""
        return self.on_disk.use()

    def delete_downloaded(self, repo_id: str, *, visitor: str = "") -> None:
        """Remove all that was downloaded of a repository, once no answer is written with it. Raises
        NotFoundOrPrivate, and InvalidInput while it is trained with, downloaded, merged or mixed.
        """
        with self.admissions.errands.waited(visitor):
            self.on_disk.delete(repo_id)
