"""Fifty readers open streams and vanish: no work, no thread and no memory is left of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil

from adapter_ui.domain import Generation, Progress
from adapter_ui.engine import protocol
from adapter_ui.engine.local import LocalEngine
from adapter_ui.models.decoding.decoder import MOST_ROWS
from tests.engine.test_local_engine import ENDLESS, HELLO, answer, spec_of

READERS = 50
MOST_LEFT_BYTES = 4 * 1024 * 1024
"""What a worker may have grown by, once one such crowd has been there."""
MOST_IDLE_PERCENT = 20
ADAPTERS = ("", "lora", "ia3", "lora")


def open_streams(
    engine: LocalEngine, models: Path, count: int, until: type[Generation | Progress]
) -> list[Iterator[protocol.Event]]:
    """So many long answers, the last of which has got as far as `until`."""
    streams = []
    for number in range(count):
        spec = spec_of(models, ADAPTERS[number % len(ADAPTERS)])
        request = protocol.Generate(spec, HELLO, replace(ENDLESS, seed=number))
        streams.append(engine.stream(request, silence_seconds=60))
        event = next(event for event in streams[-1] if isinstance(event, until))
    assert event.stage == "queue" if isinstance(event, Progress) else not event.done
    return streams


def a_crowd_vanishes(engine: LocalEngine, models: Path) -> None:
    """As many as the worker writes for at once vanish in their answers, and the rest in the queue."""
    writing = open_streams(engine, models, MOST_ROWS, Generation)
    queued = open_streams(engine, models, READERS - MOST_ROWS, Progress)
    for stream in writing + queued:
        stream.close()


def requests_heard(engine: LocalEngine) -> set[int]:
    """The ids of the requests that the worker speaks of from now on; it grows."""
    heard: set[int] = set()
    deliver = engine.worker.deliver

    def listen(request_id: int, event: protocol.Event) -> None:
        heard.add(request_id)
        deliver(request_id, event)

    engine.worker.deliver = listen
    return heard


def test_nothing_is_left_of_fifty_readers_that_vanish(engine, tiny_models):
    own = answer(engine, spec_of(tiny_models)).text
    a_crowd_vanishes(engine, tiny_models)
    assert answer(engine, spec_of(tiny_models)).text == own
    worker = psutil.Process(engine.worker.process.pid)
    before = worker.memory_info().rss, worker.num_threads(), threading.active_count()

    a_crowd_vanishes(engine, tiny_models)
    assert engine.line.readers == {}
    assert worker.cpu_percent(interval=1.0) < MOST_IDLE_PERCENT
    heard = requests_heard(engine)
    assert answer(engine, spec_of(tiny_models)).text == own
    assert len(heard) == 1  # nothing is still written for anybody else

    memory, *threads = worker.memory_info().rss, worker.num_threads(), threading.active_count()
    assert memory - before[0] < MOST_LEFT_BYTES
    assert tuple(threads) == before[1:]
    assert worker.pid == engine.worker.process.pid
