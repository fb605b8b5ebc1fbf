"""Everything on disk that a load needs: checks first, then downloads, then folders to hand on.

Part of the service layer: knows the catalog and the engine's messages; knows nothing of processes or of the
page.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from pathlib import Path

from adapter_ui.catalog.catalog import Catalog
from adapter_ui.catalog.machine import room_for_a_load
from adapter_ui.catalog.memory import estimate_memory
from adapter_ui.catalog.methods.plain import is_plain_lora
from adapter_ui.catalog.storage.bases import (
    fetch_adapter,
    fetch_base,
)
from adapter_ui.domain import (
    MODEL_CLASS_OF_TASK,
    AdapterProfile,
    AdapterRef,
    BaseFacts,
    MemoryEstimate,
    ModelChoice,
    Precision,
    Progress,
    Source,
)
from adapter_ui.domain.classes import task_of
from adapter_ui.domain.loadable import supported, unsupported_precision
from adapter_ui.engine.protocol import ModelSpec
from adapter_ui.errors import DoesNotFit, InvalidInput, UnsupportedAdapter
from adapter_ui.settings import Settings


class Provision:
    """Turns names into local folders. Each method is a generator of Progress that returns its result.

    `free` unloads what can be spared until as many bytes are free as it is told.
    """

    def __init__(
        self, settings: Settings, catalog: Catalog, free: Callable[[int], Iterator[Progress]]
    ) -> None:
        self.free = free
        self.settings = settings
        self.catalog = catalog

    def adapter_on_base(
        self,
        ref: AdapterRef,
        precision: Precision,
        choice: ModelChoice,
        *,
        in_memory: Callable[[], Collection[str]],
    ) -> Generator[Progress, None, ModelSpec]:
        """Files of an adapter and of its base, or of the base that was chosen instead.

        `in_memory` names the bases that are loaded now and need no more memory. Raises UnsupportedAdapter
        with the finding that forbids a load, InvalidInput, DoesNotFit, BaseUnavailable and HubError.
        """
        yield Progress("inspect", f"Inspecting {ref}")
        profile = self.catalog.inspect(ref, choice.base_model)
        facts = loadable_base(profile)
        if reason := unsupported_precision(profile.method, precision):
            raise UnsupportedAdapter(reason)
        task_type = task_of(profile.task_type, profile.config, choice.model_class)
        memory = estimate_memory(
            facts,
            profile.parameters,
            plain_lora=is_plain_lora(profile.method, profile.config),
            task_type=task_type,
        )
        memory = supported(profile.method, memory)  # what fits but does not work is no way out
        if facts.id not in in_memory():
            yield from self.make_room(facts.id, precision, memory)
        folder = yield from self.adapter_folder(ref, profile.commit)
        base = yield from fetch_base(self.settings, self.catalog.hub, facts.id, facts.commit)
        if facts.id not in in_memory():
            yield from self.unload_others(precision, memory)
        return ModelSpec(
            base=facts.id,
            base_folder=str(base.folder),
            precision=precision,
            model_class=choice.model_class or class_for(task_type, facts),
            adapter=str(ref),
            adapter_folder=str(folder),
            task_type=task_type,
            predicted_bytes=predicted_bytes(memory, precision),
        )

    def make_room(
        self, base_id: str, precision: Precision, memory: Mapping[Precision, MemoryEstimate]
    ) -> Iterator[Progress]:
        yield from self.unload_others(precision, memory)
        refuse_what_does_not_fit(base_id, precision, memory)

    def unload_others(
        self, precision: Precision, memory: Mapping[Precision, MemoryEstimate]
    ) -> Iterator[Progress]:
        """Done once more after the downloads, during which others may have loaded theirs."""
        if estimate := memory.get(precision):
            yield from self.free(estimate.total)

    def adapter_folder(self, ref: AdapterRef, commit: str | None = None) -> Generator[Progress, None, Path]:
        if ref.source is Source.HUB:
            return (yield from fetch_adapter(self.settings, self.catalog.hub, ref, commit))
        return self.catalog.folder(ref)

    def base_alone(
        self, precision: Precision, choice: ModelChoice, *, in_memory: Callable[[], Collection[str]]
    ) -> Generator[Progress, None, ModelSpec]:
        """Files of a base without an adapter, by its own name: the one that was asked for may be an older
        one. Raises InvalidInput, DoesNotFit, BaseUnavailable and HubError.
        """
        if not choice.base_model:
            raise InvalidInput("Name an adapter, or a base model as org/name.", field="base_model")
        facts = self.catalog.base_facts(choice.base_model)
        memory = estimate_memory(facts, None)
        if facts.id not in in_memory():
            yield from self.make_room(facts.id, precision, memory)
        base = yield from fetch_base(self.settings, self.catalog.hub, facts.id, facts.commit)
        if facts.id not in in_memory():
            yield from self.unload_others(precision, memory)
        return ModelSpec(
            base=facts.id,
            base_folder=str(base.folder),
            precision=precision,
            model_class=choice.model_class or class_for(None, facts),
            predicted_bytes=predicted_bytes(memory, precision),
        )


def loadable_base(profile: AdapterProfile) -> BaseFacts:
    """The base that the profile was read beside; what forbids a load is refused here, before any download.

    Raises UnsupportedAdapter with the finding, and InvalidInput where there is no base.
    """
    for blocker in profile.blockers:
        raise UnsupportedAdapter(blocker.message)
    if profile.base is None:
        raise InvalidInput(
            "The adapter's config names no base model; say which one to load it on.", field="base_model"
        )
    return profile.base


def class_for(task_type: str | None, base: BaseFacts) -> str:
    """The transformers class for a task; without a task, by what the base itself was saved as."""
    if task_type in MODEL_CLASS_OF_TASK:
        return MODEL_CLASS_OF_TASK[task_type]
    if any("ForConditionalGeneration" in name for name in base.architectures):
        return "AutoModelForSeq2SeqLM"
    if not base.architectures or any("CausalLM" in name or "LMHead" in name for name in base.architectures):
        return "AutoModelForCausalLM"
    return "AutoModel"


def predicted_bytes(memory: Mapping[Precision, MemoryEstimate], precision: Precision) -> int:
    """Weights and adapter, the part of an estimate that a load can measure; 0 when nothing is known."""
    estimate = memory.get(precision)
    return estimate.weights + estimate.adapter if estimate else 0


def refuse_what_does_not_fit(
    base_id: str, precision: Precision, memory: Mapping[Precision, MemoryEstimate]
) -> None:
    """Raise DoesNotFit, with the largest precision that would fit. What is not known is not refused."""
    estimate = memory.get(precision)
    available = room_for_a_load(precision)
    if estimate is None or estimate.total <= available:
        return
    fitting = (one for one in Precision if one in memory and memory[one].total <= room_for_a_load(one))
    largest = next(fitting, None)
    way_out = (
        f"{largest.value} would fit."
        if largest
        else "no precision fits, so unload what you do not need or choose a smaller base."
    )
    raise DoesNotFit(
        f"{base_id} in {precision.value} needs about {estimate.total / 1e9:.1f} GB and "
        f"{available / 1e9:.1f} GB are free; {way_out}",
        largest.value if largest else None,
    )
