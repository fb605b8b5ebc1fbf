"""A worker that runs out of memory, crashes or hangs costs the requests in flight, whoever reads them."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from adapter_ui.domain import Generation, Precision, Progress
from adapter_ui.engine import protocol
from adapter_ui.engine.local import LocalEngine
from adapter_ui.errors import AdapterUIError, WorkerHung, WorkerStopped
from tests.engine.test_local_engine import ENDLESS, HELLO, answer, spec_of, worker_pid

SILENCE_SECONDS = 5
LONG_SECONDS = 100
PATIENCE_SECONDS = 120
FAILURES = {
    "killed for memory": (signal.SIGKILL, WorkerStopped, "memory ran out"),
    "crashed": (signal.SIGSEGV, WorkerStopped, "crashed (SIGSEGV)"),
    "hung": (signal.SIGSTOP, WorkerHung, f"did not answer for {SILENCE_SECONDS} s"),
}


class Reader(threading.Thread):
    """Reads one request to its end, as a visitor's handler does; `reached` is set when it has got as far as
    it should for the test, and `last` is the last event of that kind.
    """

    def __init__(
        self, engine: LocalEngine, request: protocol.Request, until: type, silence: int = LONG_SECONDS
    ) -> None:
        super().__init__(daemon=True)
        self.engine, self.request, self.until, self.silence = engine, request, until, silence
        self.reached = threading.Event()
        self.last: object = None
        self.error: AdapterUIError | None = None

    def run(self) -> None:
        try:
            for event in self.engine.stream(self.request, silence_seconds=self.silence):
                if isinstance(event, self.until):
                    self.last = event
                    self.reached.set()
        except AdapterUIError as error:
            self.error = error


@pytest.mark.parametrize("failure", FAILURES)
def test_all_in_flight_are_told_and_the_next_requests_work(
    engine: LocalEngine, tiny_models: Path, failure: str
) -> None:
    number, kind, sentence = FAILURES[failure]
    specs = [
        spec_of(tiny_models),
        spec_of(tiny_models, adapter="ia3"),
        spec_of(tiny_models, adapter="", precision=Precision.BF16),
    ]
    before = [answer(engine, spec).text for spec in specs]
    pid = worker_pid(engine)
    endless = replace(ENDLESS, max_new_tokens=480)
    silence = SILENCE_SECONDS if kind is WorkerHung else LONG_SECONDS
    requests = [protocol.Generate(spec, HELLO, endless) for spec in specs]
    readers = [Reader(engine, request, Generation, silence) for request in requests]
    for reader in readers:
        reader.start()
        assert reader.reached.wait(PATIENCE_SECONDS)
    waits = Reader(engine, protocol.Unload("tiny/llama", Precision.FP32), Progress, silence)
    waits.start()
    assert waits.reached.wait(PATIENCE_SECONDS)
    os.kill(pid, number)

    for reader in (*readers, waits):
        reader.join(PATIENCE_SECONDS)
        assert not reader.is_alive()
        assert isinstance(reader.error, kind) and sentence in reader.error.message
    assert engine.line.readers == {}
    assert engine.loaded() == ()
    assert [answer(engine, spec).text for spec in specs] == before
    assert worker_pid(engine) != pid


def test_a_request_that_came_after_a_failure_is_not_told_of_it(
    engine: LocalEngine, tiny_models: Path
) -> None:
    """Two who ask at once after a crash share one new worker."""
    text = answer(engine, spec_of(tiny_models)).text
    os.kill(worker_pid(engine), signal.SIGKILL)
    engine.worker.process.wait()
    greedy = replace(ENDLESS, max_new_tokens=12, temperature=0)
    request = protocol.Generate(spec_of(tiny_models), HELLO, greedy)
    readers = [Reader(engine, request, Generation) for _ in range(2)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(PATIENCE_SECONDS)
        assert reader.reached.is_set() and reader.error is None
    assert answer(engine, spec_of(tiny_models)).text == text
