"""A worker and its reader that do not understand each other: one ends, and whoever waits is told."""

from __future__ import annotations

import queue
from pathlib import Path

from adapter_ui.domain import Precision
from adapter_ui.engine import protocol
from adapter_ui.engine.worker_process import WorkerProcess


def test_who_reads_a_worker_is_told_that_it_is_gone_whatever_ends_the_reading(tmp_path: Path) -> None:
    told: queue.SimpleQueue[WorkerProcess] = queue.SimpleQueue()

    def refuse(request_id: int, event: protocol.Event) -> None:
        raise LookupError("Nobody takes this.")

    worker = WorkerProcess(tmp_path / "worker.log", refuse, told.put)
    worker.send(protocol.encode(1, protocol.Unload("tiny/llama", Precision.FP32)))
    assert told.get(timeout=60) is worker
    assert not worker.alive
    assert worker.last_words() == "sent a message that cannot be read, and was stopped"


def test_a_worker_that_cannot_read_its_requests_ends(tmp_path: Path) -> None:
    told: queue.SimpleQueue[WorkerProcess] = queue.SimpleQueue()
    worker = WorkerProcess(tmp_path / "worker.log", lambda *_: None, told.put)
    worker.send(b"nonsense\n")
    assert told.get(timeout=60) is worker
    assert worker.last_words() == "ended unexpectedly (exit code 0)"
