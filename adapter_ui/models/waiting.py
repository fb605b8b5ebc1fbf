"""Requests that have come and not begun, in their order, and which of them can begin now.

Knows what each kind of request needs of the models in memory; begins nothing itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from adapter_ui.domain import Precision, Progress
from adapter_ui.engine import protocol
from adapter_ui.models.adapters import trains_biases
from adapter_ui.models.decoding.decoder import MOST_ROWS
from adapter_ui.models.pool import Pool
from adapter_ui.models.resident import Resident

Base = tuple[str, Precision]


@dataclass(frozen=True)
class Held:
    """The bases that long work has to itself, which of them answer outside of their batches, and whether the
    innermost work is a load.
    """

    bases: tuple[Base, ...] = ()
    alone: tuple[Resident, ...] = ()
    loading: bool = False

    def by_load(self, spec: protocol.ModelSpec) -> Held:
        return Held((*self.bases, (spec.base, spec.precision)), self.alone, loading=True)

    def by_answer(self, resident: Resident) -> Held:
        base = resident.spec.base, resident.spec.precision
        return Held((*self.bases, base), (*self.alone, resident))


class Waiting:
    """A first-come, first-served queue, in which a request waits for those before it on the same base."""

    def __init__(self) -> None:
        self.requests: dict[int, protocol.Request] = {}
        self.told: dict[int, int] = {}

    def __bool__(self) -> bool:
        return bool(self.requests)

    def add(self, request_id: int, request: protocol.Request) -> None:
        self.requests[request_id] = request

    def leave(self, cancelled: Collection[int]) -> list[int]:
        """Take requests whose readers have gone out of the queue; gives their ids."""
        gone = [request_id for request_id in self.requests if request_id in cancelled]
        for request_id in gone:
            del self.requests[request_id]
            self.told.pop(request_id, None)
        return gone

    def wants(self, base: Base) -> bool:
        """Whether somebody waits for this base."""
        return any(base_of(request) == base for request in self.requests.values())

    def able_to_begin(self, pool: Pool, held: Held) -> Iterator[tuple[int, protocol.Request]]:
        """The requests that can begin, one after the other: what one changes, the next one sees."""
        passed: set[Base] = set()
        for request_id, request in list(self.requests.items()):
            if request_id not in self.requests:  # begun beside what another one took long for
                continue
            base = base_of(request)
            if base in passed or not can_begin(request, base, pool, held):
                passed.add(base)
                continue
            del self.requests[request_id]
            self.told.pop(request_id, None)
            yield request_id, request

    def moved(self) -> Iterator[tuple[int, Progress]]:
        """Each request whose place has changed, with how many are before it, the running one included."""
        for ahead, request_id in enumerate(self.requests, start=1):
            if self.told.get(request_id) != ahead:
                self.told[request_id] = ahead
                requests = "request" if ahead == 1 else "requests"
                message = f"Waiting for {ahead} earlier {requests}"
                yield request_id, Progress("queue", message, ahead, unit="requests")


def base_of(request: protocol.Request) -> Base:
    if isinstance(request, protocol.Unload):
        return request.base, request.precision
    return request.spec.base, request.spec.precision


def can_begin(request: protocol.Request, base: Base, pool: Pool, held: Held) -> bool:
    """An unload waits for the answers on its base, so that none loses its model; an answer for a free row.

    Beside long work nothing else begins on its base, and no answer that would be long work itself; beside a
    load nothing but answers that join a batch.
    """
    if base in held.bases:
        return False
    if held.bases and isinstance(request, protocol.Generate) and not joins_a_batch(request, pool):
        return False
    if held.loading and not isinstance(request, protocol.Generate):
        return False
    writing = [resident for resident in pool.writing if resident.is_copy_of(*base)]
    if isinstance(request, protocol.Unload):
        return not writing
    if isinstance(request, protocol.Generate):
        return sum(resident.decoder.rows for resident in writing) < MOST_ROWS
    return True


def joins_a_batch(request: protocol.Generate, pool: Pool) -> bool:
    """Whether the model is in memory and its answers can be decoded row by row; without strength it may be
    the base alone that is asked.
    """
    specs = (request.spec,) if request.strength else (request.spec, request.spec.base_alone)
    found = [(pool.at_hand(spec), spec.adapter) for spec in specs]
    return all(resident is not None and resident.writes_in_batches(adapter) for resident, adapter in found)


def without_silent_adapter(request: protocol.Generate) -> protocol.Generate:
    """The request, of the base alone where the adapter has no strength and could not be switched off: biases
    that it trained would stay in its copy of the base.
    """
    spec = request.spec
    if request.strength or not spec.adapter or not trains_biases(Path(spec.adapter_folder)):
        return request
    return replace(request, spec=spec.base_alone)
