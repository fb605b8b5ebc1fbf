"""The model worker: a child process that reads requests from standard input and writes events to standard
output.

One thread reads, so that a cancel arrives while a model works; the main thread works, one request at a time.
It has no network, no token and no state that outlives it: the web process may kill it at any moment.
"""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
import time
from dataclasses import replace
from typing import BinaryIO

import torch

from adapter_ui.domain import Progress
from adapter_ui.engine import protocol
from adapter_ui.errors import AdapterUIError, ModelFailure
from adapter_ui.models.adapters import speaking_as
from adapter_ui.models.generation import generate
from adapter_ui.models.loading import LoadedModel
from adapter_ui.models.pool import Pool, slot
from adapter_ui.models.tasks import predict

log = logging.getLogger(__name__)


class Worker:
    """Answers requests with the models of one Pool."""

    def __init__(self, requests: BinaryIO, events: BinaryIO) -> None:
        self.requests = requests
        self.events = events
        self.pool = Pool()
        self.waiting: queue.SimpleQueue[tuple[int, protocol.Request] | None] = queue.SimpleQueue()
        self.cancelled: set[int] = set()

    def run(self) -> None:
        """Serve until standard input ends."""
        threading.Thread(target=self.read, name="requests", daemon=True).start()
        while (item := self.waiting.get()) is not None:
            self.answer(*item)

    def read(self) -> None:
        for line in self.requests:
            request_id, request = protocol.decode(line)
            if isinstance(request, protocol.Cancel):
                self.cancelled.add(request_id)
            else:
                self.waiting.put((request_id, request))
        self.waiting.put(None)

    def send(self, request_id: int, event: protocol.Event) -> None:
        self.events.write(protocol.encode(request_id, event))
        self.events.flush()

    def answer(self, request_id: int, request: protocol.Request) -> None:
        try:
            self.dispatch(request_id, request)
        except AdapterUIError as error:
            self.send(request_id, protocol.failure_of(error))
        except Exception as error:  # the process's last line: whatever a model raises becomes a sentence
            log.exception("request %d failed", request_id)
            self.send(request_id, protocol.failure_of(in_words(error)))
        else:
            self.send(request_id, protocol.Done())
        self.cancelled.discard(request_id)

    def dispatch(self, request_id: int, request: protocol.Request) -> None:
        match request:
            case protocol.Load(spec):
                self.load(request_id, spec)
            case protocol.Generate():
                self.generate(request_id, request)
            case protocol.Predict():
                self.predict(request_id, request)
            case protocol.Unload(base, precision):
                self.pool.unload(base, precision)
                self.send(request_id, protocol.Loaded(self.pool.contents()))

    def load(self, request_id: int, spec: protocol.ModelSpec) -> LoadedModel:
        what = f"{spec.adapter} on {spec.base}" if spec.adapter else spec.base
        self.send(request_id, Progress("load", f"Loading {what} in {spec.precision.value}"))
        try:
            loaded, report = self.pool.load(spec)
        finally:  # a base stays in memory when its adapter cannot be attached
            self.send(request_id, protocol.Loaded(self.pool.contents()))
        self.send(request_id, report)
        return loaded

    def generate(self, request_id: int, request: protocol.Generate) -> None:
        loaded = self.load(request_id, request.spec)
        with speaking_as(loaded.model, self.slot_of(request.spec), request.strength):
            last = generate(
                loaded,
                request.messages,
                request.options,
                emit=lambda text: self.send(request_id, text),
                cancelled=lambda: request_id in self.cancelled,
            )
        self.send(request_id, last)

    def predict(self, request_id: int, request: protocol.Predict) -> None:
        loaded = self.load(request_id, request.spec)
        started = time.monotonic()
        with speaking_as(loaded.model, self.slot_of(request.spec)):
            prediction = predict(loaded, request.spec.task_type or "", request.text, request.text_pair)
        self.send(request_id, replace(prediction, seconds=time.monotonic() - started))

    def slot_of(self, spec: protocol.ModelSpec) -> str:
        return slot(spec.adapter) if spec.adapter else ""


def in_words(error: Exception) -> ModelFailure:
    """One sentence for what a model raised."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error):
        return ModelFailure(
            "There was not enough memory to do this; unload what you do not need or choose a smaller "
            "precision."
        )
    first_line = (str(error).strip().splitlines() or ["no message"])[0][:300]
    return ModelFailure(f"The model failed with {type(error).__name__}: {first_line}")


def main() -> None:
    """Keep the real standard output for events; whatever libraries print goes to standard error."""
    events = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    Worker(sys.stdin.buffer, events).run()


if __name__ == "__main__":
    main()
