"""The models in the worker's memory: bases by name and precision, each with the adapters attached to it.

Knows what is loaded and how to load what is asked for; knows nothing of messages or of text.
"""

from __future__ import annotations

import ctypes
import gc
import hashlib
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from peft import PeftModel, PeftType

from adapter_ui.domain import LoadedBase, LoadReport, Precision
from adapter_ui.engine.protocol import ModelSpec
from adapter_ui.errors import HalfAttached
from adapter_ui.models.adapters import Attached, attach, sharing_key
from adapter_ui.models.heads import labels_of
from adapter_ui.models.loading import LoadedModel, load_base, tensor_bytes

# Tasks whose head comes with the adapter: a base seldom has one.
TASKS_WITH_HEADS = ("SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS")


@dataclass
class Resident:
    """One base in memory. `attached` maps a person's name for an adapter to what was applied of it, and
    `adapter_bytes` to its memory."""

    spec: ModelSpec
    loaded: LoadedModel
    base_bytes: int
    attached: dict[str, Attached] = field(default_factory=dict)
    adapter_bytes: dict[str, int] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        return self.base_bytes + sum(self.adapter_bytes.values())

    def attach(self, adapter: str, folder: Path) -> None:
        model, self.attached[adapter] = attach(self.loaded.model, folder, slot(adapter))
        self.loaded.model = model
        self.adapter_bytes[adapter] = tensor_bytes(model) - self.bytes


@dataclass(frozen=True)
class Key:
    """What makes two copies of a base different. `sharing` is empty while no adapter is attached."""

    base: str
    precision: Precision
    model_class: str
    labels: tuple[str, ...] = ()
    sharing: str = ""

    def serves_alone(self, spec: ModelSpec) -> bool:
        same = (self.base, self.precision, self.model_class) == (spec.base, spec.precision, spec.model_class)
        return same and not self.labels and self.sharing in {"", *(method.value for method in PeftType)}


class Pool:
    """Loads on demand and keeps until told to unload."""

    def __init__(self) -> None:
        self.residents: dict[Key, Resident] = {}

    def load(self, spec: ModelSpec) -> tuple[LoadedModel, LoadReport]:
        """Make sure that the base and the adapter of `spec` are in memory; gives the model that answers."""
        started = time.monotonic()
        resident = self.base_for(spec)
        self.note_use(resident)
        if spec.adapter and spec.adapter not in resident.attached:
            self.attach(resident, spec)
        attached = resident.attached.get(spec.adapter, Attached(0, 0))
        report = LoadReport(
            adapter=spec.adapter,
            base=spec.base,
            precision=spec.precision,
            model_class=spec.model_class,
            device=str(resident.loaded.device),
            predicted_bytes=spec.predicted_bytes,
            measured_bytes=resident.base_bytes + resident.adapter_bytes.get(spec.adapter, 0),
            seconds=time.monotonic() - started,
            keys_in_file=attached.keys_in_file,
            keys_applied=attached.keys_applied,
            notices=attached.notices,
        )
        return resident.loaded, report

    def attach(self, resident: Resident, spec: ModelSpec) -> None:
        """Put the adapter on the base. One that PEFT left half changed is forgotten, and loaded afresh when
        it is asked for again.
        """
        try:
            resident.attach(spec.adapter, Path(spec.adapter_folder))
        except HalfAttached:
            self.residents = {key: kept for key, kept in self.residents.items() if kept is not resident}
            raise

    def base_for(self, spec: ModelSpec) -> Resident:
        """The base in memory that the adapter of `spec` is or can be attached to, loaded if there is none.

        A base alone is answered by any copy of it whose adapters can be switched off without a trace.
        """
        if not spec.adapter:
            found = (self.residents[key] for key in self.residents if key.serves_alone(spec))
            return next(found, None) or self.load_base(Key(spec.base, spec.precision, spec.model_class), spec)
        folder = Path(spec.adapter_folder)
        labels = labels_of(folder) if spec.task_type in TASKS_WITH_HEADS else ()
        key = Key(spec.base, spec.precision, spec.model_class, labels, sharing_key(folder, spec.adapter))
        alone = Key(spec.base, spec.precision, spec.model_class, labels)
        if key not in self.residents and alone in self.residents:
            self.residents[key] = self.residents.pop(alone)
        return self.residents.get(key) or self.load_base(key, spec)

    def load_base(self, key: Key, spec: ModelSpec) -> Resident:
        folder = Path(spec.base_folder)
        loaded = load_base(folder, spec.precision, spec.model_class, labels=key.labels, fast_4bit=True)
        self.residents[key] = Resident(spec, loaded, tensor_bytes(loaded.model))
        return self.residents[key]

    def note_use(self, resident: Resident) -> None:
        """Residents stand in the order of their last use."""
        key = next(key for key, kept in self.residents.items() if kept is resident)
        self.residents[key] = self.residents.pop(key)

    def unload(self, base: str, precision: Precision) -> None:
        """Free every copy of a base in a precision, with its adapters."""
        for key in [key for key in self.residents if (key.base, key.precision) == (base, precision)]:
            del self.residents[key]
        gc.collect()
        give_memory_back()

    def contents(self) -> tuple[LoadedBase, ...]:
        return tuple(
            LoadedBase(
                base=resident.spec.base,
                precision=resident.spec.precision,
                model_class=type(unwrapped(resident.loaded)).__name__,
                task_type=resident.spec.task_type,
                device=str(resident.loaded.device),
                measured_bytes=resident.bytes,
                adapters=tuple(resident.attached),
            )
            for resident in self.residents.values()
        )


def give_memory_back() -> None:
    """glibc keeps freed memory for later, so the system would not see that a model has gone."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if hasattr(libc, "malloc_trim"):  # musl has none
        libc.malloc_trim(0)


def slot(adapter: str) -> str:
    """PEFT's name for an adapter: ours, since a name from outside could hold dots or PEFT's own prefixes."""
    return "a_" + hashlib.sha256(adapter.encode()).hexdigest()[:12]


def unwrapped(loaded: LoadedModel) -> object:
    return loaded.model.get_base_model() if isinstance(loaded.model, PeftModel) else loaded.model
