"""LocalEngine: one model worker on this machine, started when first needed, restarted when it dies.

Requests take turns in the order they came. A request that is given up is cancelled in the worker; a worker
that does not obey within five seconds, or says nothing for too long, is killed, and only the request it was
working on fails.
"""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from adapter_ui.domain import LoadedBase, Progress
from adapter_ui.engine import protocol
from adapter_ui.engine.worker_process import WorkerProcess
from adapter_ui.errors import WorkerHung, WorkerStopped

HEARTBEAT_SECONDS = 0.5
GRACE_SECONDS = 5.0


class LocalEngine:
    """An Engine (see engine.protocol) over one worker process; `log_file` receives what the worker prints."""

    def __init__(self, log_file: Path) -> None:
        self.log_file = log_file
        self.worker: WorkerProcess | None = None
        self.bases: tuple[LoadedBase, ...] = ()
        self.request_ids = itertools.count(1)
        self.turns: deque[object] = deque()
        self.turn_over = threading.Condition()
        self.starting = threading.Lock()

    def stream(self, request: protocol.Request, *, silence_seconds: float) -> Iterator[protocol.Event]:
        """Wait for a turn, then the request's events; see engine.protocol.Engine.

        While nothing happens a Progress comes every half second, so that a reader can give up between any
        two.
        Raises WorkerStopped, WorkerHung, or what the worker reported.
        """
        turn = object()
        with self.turn_over:
            self.turns.append(turn)
        try:
            yield from self.wait_for(turn)
            yield from self.converse(request, silence_seconds)
        finally:
            with self.turn_over:
                self.turns.remove(turn)
                self.turn_over.notify_all()

    def wait_for(self, turn: object) -> Iterator[Progress]:
        while True:
            with self.turn_over:
                if self.turns[0] is turn:
                    return
                self.turn_over.wait(HEARTBEAT_SECONDS)
                ahead = self.turns.index(turn)
            if ahead:
                yield Progress(
                    "queue",
                    f"Waiting for {ahead} earlier request{'s' if ahead > 1 else ''}",
                    ahead,
                    unit="requests",
                )

    def converse(self, request: protocol.Request, silence_seconds: float) -> Iterator[protocol.Event]:
        worker = self.running_worker()
        request_id = next(self.request_ids)
        worker.send(request_id, request)
        ended = False
        try:
            for event in self.events_of(worker, request_id, silence_seconds):
                ended = isinstance(event, (protocol.Done, protocol.Failure))
                if isinstance(event, protocol.Failure):
                    raise protocol.error_of(event)
                if not ended:
                    yield event
        finally:
            if not ended:
                self.cancel(worker, request_id)

    def events_of(
        self, worker: WorkerProcess, request_id: int, silence_seconds: float
    ) -> Iterator[protocol.Event]:
        """Events of one request up to its last, with a heartbeat; remembers what is loaded."""
        heard = time.monotonic()
        stage = Progress("start", "Starting the model worker")
        while True:
            silent = time.monotonic() - heard
            try:
                item = worker.events.get(timeout=HEARTBEAT_SECONDS)
            except queue.Empty:
                if silent > silence_seconds:
                    self.discard(worker)
                    raise WorkerHung(
                        f"The model did not answer for {silence_seconds:.0f} s and was restarted; try "
                        "again, perhaps with less text."
                    ) from None
                yield Progress(stage.stage, stage.message, int(silent), unit="seconds")
                continue
            if item is None:
                self.discard(worker)
                raise WorkerStopped(
                    f"The model worker {worker.last_words()}; it starts again with your next request, "
                    "which loads what it needs."
                )
            event_id, event = item
            if event_id != request_id:
                continue
            heard = time.monotonic()
            if isinstance(event, protocol.Loaded):
                self.bases = event.bases
            stage = event if isinstance(event, Progress) else Progress("work", "Reading the prompt")
            yield event
            if isinstance(event, (protocol.Done, protocol.Failure)):
                return

    def cancel(self, worker: WorkerProcess, request_id: int) -> None:
        """Stop a request whose reader is gone: politely, and after a grace period with force."""
        if not worker.alive:
            return
        worker.send(request_id, protocol.Cancel())
        deadline = time.monotonic() + GRACE_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            try:
                item = worker.events.get(timeout=left)
            except queue.Empty:
                break
            if item is None:
                self.discard(worker)
                return
            event_id, event = item
            if isinstance(event, protocol.Loaded):
                self.bases = event.bases
            if event_id == request_id and isinstance(event, (protocol.Done, protocol.Failure)):
                return
        self.discard(worker)

    def warm(self) -> None:
        """Start the worker ahead of the first request, which spends its first seconds on imports."""
        self.running_worker()

    def running_worker(self) -> WorkerProcess:
        with self.starting:
            if self.worker is None or not self.worker.alive:
                if self.worker is not None:
                    self.discard(self.worker)
                self.worker = WorkerProcess(self.log_file)
            return self.worker

    def discard(self, worker: WorkerProcess) -> None:
        worker.kill()
        if self.worker is worker:
            self.worker = None
            self.bases = ()

    def loaded(self) -> tuple[LoadedBase, ...]:
        return self.bases if self.worker is not None and self.worker.alive else ()

    def process_memory(self) -> int:
        return self.worker.memory if self.worker is not None else 0

    def close(self) -> None:
        if self.worker is not None:
            self.worker.close()
            self.worker = None
            self.bases = ()
