"""LocalEngine: one model worker on this machine, started when first needed, restarted when it dies.

Many requests are in the worker at once, and it decides their order. A request that is given up is cancelled
there. A worker that says nothing for too long is killed, and so is one that does not obey a cancel within
five seconds while nobody else uses it; only the requests in flight fail.
"""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adapter_ui.domain import LoadedBase, Progress
from adapter_ui.engine import protocol
from adapter_ui.engine.worker_process import WorkerProcess
from adapter_ui.errors import AdapterUIError, WorkerHung, WorkerStopped

HEARTBEAT_SECONDS = 0.5
GRACE_SECONDS = 5.0


class Retired:
    """The worker ended while it had nothing to do for anybody: what was asked meanwhile is asked again."""


@dataclass(eq=False)
class Reader:
    """Somebody who reads the events of a few requests from a line. `requests` has those that have not ended,
    each with its place among them.
    """

    line: Line
    requests: dict[int, tuple[int, protocol.Request]] = field(default_factory=dict)
    events: queue.SimpleQueue[tuple[int, protocol.Event | AdapterUIError | Retired]] = field(
        default_factory=queue.SimpleQueue
    )

    def ask(self, request_id: int, place: int, request: protocol.Request) -> None:
        self.line.ask(request_id, request, self)
        self.requests[request_id] = place, request


class Line:
    """The line to one worker process: who reads what it says, and when it last spoke."""

    def __init__(self, log_file: Path) -> None:
        self.readers: dict[int, Reader] = {}
        self.bases: tuple[LoadedBase, ...] = ()
        self.lock = threading.Lock()
        self.heard = time.monotonic()
        self.busy_seconds: float | None = None
        self.failure: AdapterUIError | None = None
        self.given_up = False
        self.last_word: AdapterUIError | Retired | None = None
        self.worker = WorkerProcess(log_file, self.deliver, self.lost)

    def deliver(self, request_id: int, event: protocol.Event) -> None:
        self.heard = time.monotonic()
        self.busy_seconds = event.seconds if isinstance(event, protocol.Busy) else None
        if isinstance(event, protocol.Loaded):
            self.bases = event.bases
        with self.lock:
            ended = isinstance(event, (protocol.Done, protocol.Failure))
            reader = self.readers.pop(request_id, None) if ended else self.readers.get(request_id)
        if reader is not None and not isinstance(event, protocol.Busy):
            reader.events.put((request_id, event))

    def lost(self, worker: WorkerProcess) -> None:
        """Tell everyone that the process has ended, and why."""
        idle = self.given_up or worker.process.returncode == protocol.RETIRED
        retired = idle and self.failure is None
        self.failure = self.failure or WorkerStopped(
            f"The model worker {worker.last_words()}; it starts again with your next request, which loads "
            "what it needs."
        )
        self.last_word = Retired() if retired else self.failure
        with self.lock:
            readers, self.readers = self.readers, {}
        for request_id, reader in readers.items():
            reader.events.put((request_id, self.last_word))

    def ask(self, request_id: int, request: protocol.Request, reader: Reader) -> None:
        line = protocol.encode(request_id, request)
        with self.lock:
            if not self.readers:
                self.heard = time.monotonic()
            self.readers[request_id] = reader
            gone = self.last_word
        self.worker.send(line)
        if gone is not None:
            reader.events.put((request_id, gone))

    def silent_for(self) -> float:
        return time.monotonic() - self.heard

    def kill(self, reason: AdapterUIError) -> None:
        self.failure = self.failure or reason
        self.worker.kill()

    def give_up(self) -> None:
        """End a worker that serves nobody any more."""
        self.given_up = True
        self.worker.kill()


class LocalEngine:
    """An Engine (see engine.protocol) over one worker process; `log_file` receives what the worker prints."""

    def __init__(self, log_file: Path) -> None:
        self.log_file = log_file
        self.line: Line | None = None
        self.request_ids = itertools.count(1)
        self.starting = threading.Lock()

    def stream(self, request: protocol.Request, *, silence_seconds: float) -> Iterator[protocol.Event]:
        """The request's events; see engine.protocol.Engine.

        While nothing happens a Progress comes every half second, so that a reader can give up between any
        two. Raises WorkerStopped, WorkerHung, or what the worker reported.
        """
        for _, event in self.streams([request], silence_seconds=silence_seconds):
            if isinstance(event, AdapterUIError):
                raise event
            yield event

    def streams(
        self, requests: Sequence[protocol.Request], *, silence_seconds: float
    ) -> Iterator[tuple[int, protocol.Event | AdapterUIError]]:
        """The events of several requests at once; see engine.protocol.Engine."""
        reader = Reader(self.running_line())
        try:
            for place, request in enumerate(requests):
                reader.ask(next(self.request_ids), place, request)
            yield from self.read(reader, silence_seconds)
        finally:
            if reader.requests:
                self.cancel(reader)

    def read(
        self, reader: Reader, silence_seconds: float
    ) -> Iterator[tuple[int, protocol.Event | AdapterUIError]]:
        """Events until all requests have ended, with heartbeats."""
        stage = Progress("start", "Waiting for the model worker")
        quiet_since = time.monotonic()
        while reader.requests:
            try:
                request_id, event = reader.events.get(timeout=HEARTBEAT_SECONDS)
            except queue.Empty:
                self.kill_if_hung(reader.line, silence_seconds)
                quiet = int(time.monotonic() - quiet_since)
                place, _ = next(iter(reader.requests.values()))
                yield place, Progress(stage.stage, stage.message, quiet, unit="seconds")
                continue
            if request_id not in reader.requests:  # told twice that the worker is gone
                continue
            quiet_since = time.monotonic()
            place, request = reader.requests[request_id]
            if isinstance(event, Retired):
                reader.line = self.running_line()
                reader.ask(request_id, place, request)
                continue
            if isinstance(event, (protocol.Done, protocol.Failure, AdapterUIError)):
                del reader.requests[request_id]
            if isinstance(event, protocol.Failure):
                event = protocol.error_of(event)
            if not isinstance(event, protocol.Done):
                stage = event if isinstance(event, Progress) else Progress("work", "Reading the prompt")
                yield place, event

    def kill_if_hung(self, line: Line, silence_seconds: float) -> None:
        allowed = line.busy_seconds or silence_seconds
        if line.silent_for() > allowed:
            line.kill(
                WorkerHung(
                    f"The model did not answer for {allowed:.0f} s and was restarted; try again, perhaps "
                    "with less text."
                )
            )

    def cancel(self, reader: Reader) -> None:
        """Stop the requests of a reader who is gone: politely, and after a grace period with force, unless
        others use the worker too.
        """
        line = reader.line
        for request_id in reader.requests:
            line.worker.send(protocol.encode(request_id, protocol.Cancel()))
        deadline = time.monotonic() + GRACE_SECONDS
        while reader.requests and (left := deadline - time.monotonic()) > 0:
            try:
                request_id, event = reader.events.get(timeout=left)
            except queue.Empty:
                break
            if isinstance(event, (protocol.Done, protocol.Failure, AdapterUIError, Retired)):
                reader.requests.pop(request_id, None)
        with line.lock:
            alone = all(other is reader for other in line.readers.values())
            for request_id in reader.requests:
                line.readers.pop(request_id, None)
        if reader.requests and alone:
            line.give_up()

    def warm(self) -> None:
        """Start the worker ahead of the first request, which spends its first seconds on imports."""
        self.running_line()

    def running_line(self) -> Line:
        with self.starting:
            if self.line is None or not self.line.worker.alive:
                self.line = Line(self.log_file)
            return self.line

    @property
    def worker(self) -> WorkerProcess | None:
        return self.line.worker if self.line is not None else None

    def loaded(self) -> tuple[LoadedBase, ...]:
        return self.line.bases if self.line is not None and self.line.worker.alive else ()

    def process_memory(self) -> int:
        return self.line.worker.memory if self.line is not None else 0

    def close(self) -> None:
        if self.line is not None:
            self.line.worker.close()
            self.line = None
