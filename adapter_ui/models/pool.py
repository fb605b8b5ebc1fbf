"""The models in the worker's memory: bases by name and precision, each with the adapters attached to it.

Knows what is loaded and how to load what is asked for; knows nothing of messages or of text.
"""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass, replace
from pathlib import Path

from peft import PeftType

from adapter_ui.domain import LoadedBase, LoadReport, Precision
from adapter_ui.engine.protocol import ModelSpec
from adapter_ui.errors import DoesNotFit, HalfAttached, ModelFailure
from adapter_ui.models.adapter_files import state_of
from adapter_ui.models.adapters import Attached, sharing_key, trains_biases
from adapter_ui.models.decoding.decoder import free_bytes
from adapter_ui.models.heads import labels_of, says_one_class
from adapter_ui.models.loading import is_repacked, load_base
from adapter_ui.models.placement import room_for_a_base
from adapter_ui.models.resident import TASKS_WITH_HEADS, Resident, is_learned_tokens
from adapter_ui.models.system_memory import give_memory_back
from adapter_ui.models.turns import Between


@dataclass(frozen=True)
class Key:
    """What makes two copies of a base different. `sharing` is empty while no adapter is attached, and begins
    with a method where the base itself is unchanged.
    """

    base: str
    precision: Precision
    model_class: str
    labels: tuple[str, ...] = ()
    sharing: str = ""
    folder: str = ""
    one_class: bool = False

    def is_of(self, spec: ModelSpec) -> bool:
        """Whether it is the base of `spec`, from the same files and in the same class."""
        one = self.base, self.precision, self.model_class, self.folder
        return one == (spec.base, spec.precision, spec.model_class, spec.base_folder)

    def serves_alone(self, spec: ModelSpec) -> bool:
        method, *_ = self.sharing.split(" ")
        changes_none = method in {"", *(method.value for method in PeftType)}
        return self.is_of(spec) and not self.labels and changes_none


def key_of(
    spec: ModelSpec, labels: tuple[str, ...] = (), sharing: str = "", *, one_class: bool = False
) -> Key:
    return Key(spec.base, spec.precision, spec.model_class, labels, sharing, spec.base_folder, one_class)


class Pool:
    """Loads on demand and keeps until told to unload."""

    def __init__(self) -> None:
        self.residents: dict[Key, Resident] = {}

    def load(self, spec: ModelSpec, between: Between | None = None) -> tuple[Resident, LoadReport]:
        """Make sure that the base and the adapter of `spec` are in memory; gives the base that answers.

        `between` is called between the tensors of a base that has to be read, and may end that.
        """
        started = time.monotonic()
        if spec.adapter:
            self.forget_older_files(spec.adapter, Path(spec.adapter_folder))
        resident = self.resident_for(spec, between)
        self.note_use(resident)
        resident.note_use(spec.adapter)
        attached = resident.attached.get(spec.adapter, Attached(0, 0))
        report = LoadReport(
            adapter=spec.adapter,
            base=spec.base,
            precision=spec.precision,
            model_class=spec.model_class,
            device=resident.device,
            predicted_bytes=spec.predicted_bytes,
            measured_bytes=resident.base_bytes + resident.adapter_bytes.get(spec.adapter, 0),
            seconds=time.monotonic() - started,
            keys_in_file=attached.keys_in_file,
            keys_applied=attached.keys_applied,
            notices=attached.notices,
            takes_turns=resident.takes_turns(spec.adapter),
        )
        return resident, report

    def resident_for(self, spec: ModelSpec, between: Between | None) -> Resident:
        """The base in memory with the adapter of `spec` on it, loaded if there is none.

        A base alone, and a plain LoRA, is answered by any copy of it whose adapters can be switched off
        without a trace.
        """
        if not spec.adapter:
            return self.any_copy(spec, between)
        folder = Path(spec.adapter_folder)
        shares = sharing_key(folder, spec.adapter)  # its own name, where the base would be changed with it
        if spec.task_type in (None, "CAUSAL_LM") and shares == PeftType.LORA.value:
            resident = self.any_copy(spec, between)
            if spec.adapter in resident.attached or resident.take_low_rank(spec.adapter, folder):
                return resident
        resident = self.copy_to_attach_to(spec, folder, between)
        if spec.adapter not in resident.attached:
            self.attach(resident, spec)
        return resident

    def forget_older_files(self, adapter: str, folder: Path) -> None:
        """Let an adapter go whose files are other ones now: its name must not answer with older weights.

        Raises ModelFailure while somebody is still answered with them, or by a copy of the base that has to
        go with them.
        """
        now = state_of(folder)
        for key in [key for key, one in self.residents.items() if one.files.get(adapter, now) != now]:
            if self.residents[key].cannot_lose(adapter):
                raise ModelFailure(
                    f"{adapter} has changed while its base answers; ask again once its answers have ended."
                )
            if self.residents[key].is_last_in_layers(adapter):
                self.drop(key)
            else:
                self.residents[key].detach(adapter)

    def drop(self, key: Key) -> None:
        """Forget a copy of a base; whoever it was writing for is told, and its memory is given back."""
        error = ModelFailure(f"{key.base} was dropped while it answered; ask again.")
        self.residents.pop(key).decoder.fail(error)
        gc.collect()  # a resident and its decoder know each other
        give_memory_back()

    def attach(self, resident: Resident, spec: ModelSpec) -> None:
        """Put the adapter on the base. One that PEFT left half changed is forgotten, and loaded afresh when
        it is asked for again.
        """
        try:
            resident.attach(spec.adapter, Path(spec.adapter_folder))
        except HalfAttached:
            self.drop(self.key_of_resident(resident))
            raise

    def any_copy(self, spec: ModelSpec, between: Between | None) -> Resident:
        found = self.copy_that_serves_alone(spec)
        return found or self.load_base(key_of(spec), spec, between)

    def copy_that_serves_alone(self, spec: ModelSpec) -> Resident | None:
        """Of several the one that has the adapter already, else one that is writing, else the one used last:
        requests that could share a batch come together.
        """
        copies = [kept for key, kept in self.residents.items() if key.serves_alone(spec)]
        return max(
            reversed(copies),
            key=lambda one: (spec.adapter in one.attached, one.decoder.writing),
            default=None,
        )

    def at_hand(self, spec: ModelSpec) -> Resident | None:
        """The base that would answer at once, with the adapter of `spec` on it; None when one of them has to
        be loaded first, or the adapter's files are other ones now.
        """
        if not spec.adapter:
            return self.copy_that_serves_alone(spec)
        now = state_of(Path(spec.adapter_folder))
        copies = (one for key, one in self.residents.items() if key.is_of(spec))
        return next((one for one in copies if one.files.get(spec.adapter) == now), None)

    def copy_to_attach_to(self, spec: ModelSpec, folder: Path, between: Between | None) -> Resident:
        """The copy of the base that the adapter is on, or can be attached to: not one whose answers have
        repacked its 4-bit weights, which the adapter's layers may read; for an adapter that changes the base
        itself, not one that is writing.
        """
        labels = labels_of(folder, Path(spec.base_folder)) if spec.task_type in TASKS_WITH_HEADS else ()
        shares = sharing_key(folder, spec.adapter)
        one_class = bool(labels) and says_one_class(folder)
        key = key_of(spec, labels, shares, one_class=one_class)
        if key in self.residents and not self.residents[key].takes_beside_others(spec.adapter, folder):
            key = replace(key, sharing=f"{shares} {spec.adapter}")
        alone = replace(key, sharing="")
        free = self.residents.get(alone) if key not in self.residents else None
        if free is not None and free.decoder.writing and trains_biases(folder):
            free = None
        if free is not None and (is_learned_tokens(folder) or not is_repacked(free.bare)):
            self.residents[key] = self.residents.pop(alone)
        return self.residents.get(key) or self.load_base(key, spec, between)

    def make_room_for_copy(self, spec: ModelSpec) -> None:
        """Who asks for a load counts the memory of one copy of its base: for a further one, copies that
        answer nobody go, those used least recently first. Raises ModelFailure when that is not enough, and
        DoesNotFit when the first copy has no room any more.
        """
        copies = [key for key, one in self.residents.items() if one.is_copy_of(spec.base, spec.precision)]
        if not copies:
            refuse_what_does_not_fit(spec)
            return
        needed, device = self.residents[copies[0]].base_bytes, self.residents[copies[0]].loaded.device
        for key in copies:
            if free_bytes(device) >= needed:
                return
            if not self.residents[key].decoder.writing:
                self.drop(key)
        if free_bytes(device) < needed:
            raise ModelFailure(
                f"This adapter needs a copy of {spec.base} of its own, {needed / 1e9:.1f} GB, which "
                "are not free; unload what you do not need, or choose a smaller precision."
            )

    def load_base(self, key: Key, spec: ModelSpec, between: Between | None) -> Resident:
        self.make_room_for_copy(spec)
        loaded = load_base(
            Path(spec.base_folder),
            spec.precision,
            spec.model_class,
            labels=key.labels,
            one_class=key.one_class,
            fast_4bit=True,
            between=between,
        )
        self.residents[key] = Resident(spec, loaded)
        return self.residents[key]

    def note_use(self, resident: Resident) -> None:
        """Residents stand in the order of their last use."""
        key = self.key_of_resident(resident)
        self.residents[key] = self.residents.pop(key)

    def key_of_resident(self, resident: Resident) -> Key:
        return next(key for key, kept in self.residents.items() if kept is resident)

    @property
    def writing(self) -> list[Resident]:
        """The bases that write answers right now."""
        return [resident for resident in self.residents.values() if resident.decoder.writing]

    def settle(self) -> None:
        """Nothing is being written: the bases that have answered give back what only that needed."""
        for resident in self.residents.values():
            resident.settle()

    def unload(self, base: str, precision: Precision) -> None:
        """Free every copy of a base in a precision, with its adapters."""
        for key in [key for key, kept in self.residents.items() if kept.is_copy_of(base, precision)]:
            self.drop(key)

    def contents(self) -> tuple[LoadedBase, ...]:
        return tuple(
            LoadedBase(
                base=resident.spec.base,
                precision=resident.spec.precision,
                model_class=type(resident.bare).__name__,
                task_type=resident.spec.task_type,
                device=resident.device,
                measured_bytes=resident.bytes,
                adapters=tuple(resident.attached),
            )
            for resident in self.residents.values()
        )


def refuse_what_does_not_fit(spec: ModelSpec) -> None:
    """Raise DoesNotFit where the memory has gone that was there before the files were downloaded: the system
    would end this process, and everybody's answers with it. What is not known is not refused.
    """
    room = room_for_a_base(spec.precision)
    if spec.predicted_bytes > room:
        raise DoesNotFit(
            f"{spec.base} in {spec.precision.value} needs about {spec.predicted_bytes / 1e9:.1f} GB, and "
            f"{room / 1e9:.1f} GB are still free; ask again, which unloads what nobody uses, or choose a "
            "smaller precision."
        )
