"""The model worker: a child process that reads requests from standard input and writes events to standard
output.

One thread reads, so that a cancel arrives while a model works; the main thread works. It begins what it can,
then lets every answer that is being written take one step, and so on: answers join and leave while others are
written. It has no network, no token and no state that outlives it: the web process may kill it at any moment.
"""

from __future__ import annotations

import logging
import os
import queue
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import BinaryIO

import torch

from adapter_ui.domain import Progress
from adapter_ui.engine import protocol
from adapter_ui.errors import AdapterUIError, BadAdapter
from adapter_ui.models.decoding.alone import generate
from adapter_ui.models.decoding.answer import GrowingAnswer
from adapter_ui.models.decoding.batch import Row
from adapter_ui.models.decoding.prompt import PROMPT_SECONDS, end_tokens, longest_answer, prompt_tokens
from adapter_ui.models.decoding.sampler import Sampler
from adapter_ui.models.failures import in_words
from adapter_ui.models.pool import Pool
from adapter_ui.models.resident import Resident
from adapter_ui.models.strangers import stuck
from adapter_ui.models.tasks import predict
from adapter_ui.models.turns import ReaderGone, Turns
from adapter_ui.models.waiting import Held, Waiting, without_silent_adapter

log = logging.getLogger(__name__)

LOAD_SECONDS = 900.0
READ_SECONDS = 900.0


class Worker:
    """Answers requests with the models of one Pool."""

    def __init__(self, requests: BinaryIO, events: BinaryIO) -> None:
        self.requests = requests
        self.events = events
        self.pool = Pool()
        self.arrived: queue.SimpleQueue[tuple[int, protocol.Request] | None] = queue.SimpleQueue()
        self.waiting = Waiting()
        self.cancelled: set[int] = set()
        self.held = Held()
        self.ended = False
        self.silence: float | None = None

    def run(self) -> None:
        """Serve until standard input ends."""
        reader = threading.Thread(target=self.read, name="requests", daemon=True)
        reader.start()
        while not self.ended:
            idle = not self.waiting and not self.pool.writing
            if idle and stuck():
                # at once: the threads of a process that ends in order would wait for the stuck one
                os._exit(protocol.RETIRED)
            if idle:
                self.pool.settle()
            self.take_in(wait=idle)
            self.go_on()
        reader.join()  # it may be telling why it ends, and Python aborts where a thread still writes

    def read(self) -> None:
        try:
            for line in self.requests:
                request_id, request = protocol.decode(line)
                if isinstance(request, protocol.Cancel):
                    self.cancelled.add(request_id)
                else:
                    self.arrived.put((request_id, request))
        finally:  # also after a line that is no message: a worker that hears nothing must not go on
            self.arrived.put(None)

    def take_in(self, *, wait: bool) -> None:
        """Take what has arrived; wait for a first one when there is nothing else to do."""
        while wait or not self.arrived.empty():
            item = self.arrived.get()
            wait = False
            if item is None:
                self.ended = True
                return
            self.waiting.add(*item)

    def go_on(self) -> bool:
        """Begin what can begin, and let every answer take a step; whether one did."""
        for request_id in self.waiting.leave(self.cancelled):
            self.end(request_id)
        for request_id, request in self.waiting.able_to_begin(self.pool, self.held):
            self.begin(request_id, request)
        for request_id, place in self.waiting.moved():
            self.send(request_id, place)
        return self.write()

    def write(self) -> bool:
        """One step of every batch, but not on a base that answers alone meanwhile; whether there was one."""
        free = [resident for resident in self.pool.writing if resident not in self.held.alone]
        for resident in free:
            resident.decoder.step()
        return bool(free)

    def send(self, request_id: int, event: protocol.Event) -> None:
        self.events.write(protocol.encode(request_id, event))
        self.events.flush()
        self.silence = event.seconds if isinstance(event, protocol.Busy) else None

    def stay_silent(self, request_id: int, seconds: float) -> None:
        """Say that nothing may be said for so long now, unless the last word did: anybody's word ends it."""
        if self.silence != seconds:
            self.send(request_id, protocol.Busy(seconds))

    def go_on_beside(self) -> bool:
        """What others have to do, in the middle of long work; whether something was written."""
        self.take_in(wait=False)
        # what is loaded now will outlive that work, and must not draw from its random numbers
        with torch.inference_mode(False), torch.random.fork_rng():
            return self.go_on()

    def turns(
        self, request_id: int, progress: Progress, silence: float, wanted: Callable[[], bool] = lambda: False
    ) -> Turns:
        """How the pieces of a request's long work are told, and make room for others; after each of them it
        may go on in `silence`. Raises ReaderGone when its reader has gone and nobody else has `wanted` it.
        """

        def others() -> bool:
            wrote = self.go_on_beside()
            if request_id in self.cancelled and not wanted():
                raise ReaderGone
            self.stay_silent(request_id, silence)
            return wrote

        def tell(done: int, total: int) -> None:
            self.send(request_id, replace(progress, done=done, total=total))
            self.stay_silent(request_id, silence)

        return Turns(others, tell)

    @contextmanager
    def holding(self, held: Held) -> Iterator[None]:
        before, self.held = self.held, held
        try:
            yield
        finally:
            self.held = before

    def begin(self, request_id: int, request: protocol.Request) -> None:
        if request_id in self.cancelled:
            self.end(request_id)
            return
        try:
            ended = self.dispatch(request_id, request)
        except ReaderGone:
            self.end(request_id)
        except AdapterUIError as error:
            self.end(request_id, error)
        except Exception as error:  # whatever a model raises becomes a sentence
            log.exception("request %d failed", request_id)
            self.end(request_id, in_words(error))
        else:
            if ended:
                self.end(request_id)

    def end(self, request_id: int, error: AdapterUIError | None = None) -> None:
        self.send(request_id, protocol.failure_of(error) if error else protocol.Done())
        self.cancelled.discard(request_id)

    def dispatch(self, request_id: int, request: protocol.Request) -> bool:
        """Begin a request; whether it has ended already."""
        match request:
            case protocol.Load(spec):
                self.load(request_id, spec)
            case protocol.Generate():
                return self.generate(request_id, request)
            case protocol.Predict():
                self.predict(request_id, request)
            case protocol.Unload(base, precision):
                self.pool.unload(base, precision)
                self.send(request_id, protocol.Loaded(self.pool.contents()))
        return True

    def load(self, request_id: int, spec: protocol.ModelSpec) -> Resident:
        what = f"{spec.adapter} on {spec.base}" if spec.adapter else spec.base
        progress = Progress("load", f"Loading {what} in {spec.precision.value}", unit="tensors")
        self.send(request_id, progress)
        self.send(request_id, protocol.Busy(LOAD_SECONDS))
        wanted = partial(self.waiting.wants, (spec.base, spec.precision))
        turns = self.turns(request_id, progress, LOAD_SECONDS, wanted)
        try:
            with self.holding(self.held.by_load(spec)):
                resident, report = self.pool.load(spec, turns)
        finally:  # a base stays in memory when its adapter cannot be attached
            self.send(request_id, protocol.Loaded(self.pool.contents()))
        self.send(request_id, report)
        return resident

    def generate(self, request_id: int, request: protocol.Generate) -> bool:
        """Let an answer join those being written, or write it alone. Without strength it is the base's, also
        where the adapter is refused.
        """
        try:
            request = without_silent_adapter(request)
            resident = self.load(request_id, request.spec)
        except BadAdapter:
            if request.strength:
                raise
            request = replace(request, spec=request.spec.base_alone)
            resident = self.load(request_id, request.spec)
        resident.check_writes()
        if resident.writes_in_batches(request.spec.adapter):
            self.join(request_id, request, resident)
            return False
        self.write_alone(request_id, request, resident)
        return True

    def join(self, request_id: int, request: protocol.Generate, resident: Resident) -> None:
        if not self.pool.writing:  # a step of other answers may take longer than a tokenizer is allowed
            self.send(request_id, protocol.Busy(2 * PROMPT_SECONDS))
        options = request.options
        prompt = prompt_tokens(resident.base, request.messages, raw=options.raw, meanwhile=self.write)
        voice, attachment = resident.voice(request.spec.adapter, request.strength)
        seed = options.seed if options.seed is not None else secrets.randbelow(2**31)
        emit = partial(self.send, request_id)
        ends = end_tokens(resident.base)
        row = Row(
            prompt=prompt,
            voice=voice,
            most_tokens=min(options.max_new_tokens, longest_answer(resident.base, len(prompt))),
            sampler=Sampler(options, prompt, seed),
            answer=GrowingAnswer(resident.base.tokenizer, options.stop, ends, len(prompt), seed, emit),
            cancelled=lambda: request_id in self.cancelled,
            ended=partial(self.row_ended, request_id),
            reading=partial(self.tell_reading, request_id, len(prompt)),
        )
        row.reading(0)  # a word that ends the short silence which a tokenizer is allowed
        resident.decoder.admit(row, attachment)

    def tell_reading(self, request_id: int, prompt_tokens: int, done: int = 0) -> None:
        self.send(request_id, Progress("read", "Reading the prompt", done, prompt_tokens, unit="tokens"))

    def row_ended(self, request_id: int, row: Row, error: AdapterUIError | None) -> None:
        if error is None:
            self.send(request_id, row.answer.finished())
        self.end(request_id, error)

    def write_alone(self, request_id: int, request: protocol.Generate, resident: Resident) -> None:
        """Write an answer with transformers' own loop; other bases go on between its tokens."""

        def cancelled() -> bool:
            self.go_on_beside()
            return request_id in self.cancelled

        def reading(tokens: int, done: int) -> None:
            self.tell_reading(request_id, tokens, done)
            self.stay_silent(request_id, READ_SECONDS)

        speaker = resident.speak_alone(request.spec.adapter, request.strength)
        self.send(request_id, protocol.Busy(2 * PROMPT_SECONDS))
        emit = partial(self.send, request_id)
        with self.holding(self.held.by_answer(resident)):
            answer = generate(speaker, request.messages, request.options, emit, cancelled, reading)
        self.send(request_id, answer)

    def predict(self, request_id: int, request: protocol.Predict) -> None:
        resident = self.load(request_id, request.spec)
        started = time.monotonic()
        speaker = resident.speak_alone(request.spec.adapter)
        turns = self.turns(request_id, Progress("read", "Reading the text", unit="windows"), READ_SECONDS)
        self.send(request_id, protocol.Busy(READ_SECONDS))
        with self.holding(self.held.by_answer(resident)):
            prediction = predict(
                speaker, request.spec.task_type or "", request.text, request.text_pair, turns
            )
        self.send(request_id, replace(prediction, seconds=time.monotonic() - started))


def main() -> None:
    """Keep the real standard output for events; whatever libraries print goes to standard error."""
    events = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    Worker(sys.stdin.buffer, events).run()


if __name__ == "__main__":
    main()
