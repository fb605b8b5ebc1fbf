"""Long work that runs once however many ask for it, and stops when nobody watches any more.

The work runs in a thread and reports where it stands; each caller watches it through its own generator. It
knows nothing about what the work is: downloads and conversions bring their own function.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from adapter_ui.domain import Progress
from adapter_ui.errors import AdapterUIError, Cancelled

POLL_SECONDS = 0.2
THREAD_NAME = "adapter-ui-work"


class SharedWork:
    """One piece of work in its own thread. The function gets this object, to report and to see a cancel."""

    def __init__(self, first: Progress, function: Callable[[SharedWork], Path]) -> None:
        self.progress = first
        self.watchers = 0
        self._function = function
        self._lock = threading.Lock()
        self._cancelled = False
        self._finished = threading.Event()
        self._result: Path | None = None
        self._error: AdapterUIError | None = None

    def start(self) -> None:
        threading.Thread(target=self._run, name=THREAD_NAME, daemon=True).start()

    def report(self, progress: Progress) -> None:
        """Say where the work stands. Raises Cancelled when nobody waits for it any more."""
        with self.wanted():
            self.progress = progress

    @contextmanager
    def wanted(self) -> Iterator[None]:
        """Hold off a cancel while something is written. Raises Cancelled when it came first."""
        with self._lock:
            if self._cancelled:
                raise Cancelled("The work was stopped; start it again to go on.")
            yield

    def cancel(self) -> None:
        """After this returns, nothing is written any more, though the thread may still end a read."""
        with self._lock:
            self._cancelled = True

    def watch(self) -> Generator[Progress, None, Path]:
        """Yield the progress a few times a second, return the result, raise the work's error."""
        while not self._finished.wait(POLL_SECONDS):
            yield self.progress
        if self._result is None:
            raise self._error or AdapterUIError(
                "The work stopped without a result; see the log, then try again."
            )
        yield self.progress
        return self._result

    def _run(self) -> None:
        try:
            self._result = self._function(self)
        except AdapterUIError as error:
            self._error = error
        except OSError as error:
            reason = error.strerror or type(error).__name__
            self._error = AdapterUIError(
                f"Writing to the data folder failed: {reason}; free space, then try again."
            )
        finally:
            self._finished.set()


_running: dict[str, SharedWork] = {}
_running_lock = threading.Lock()


def share(
    key: str, first: Progress, function: Callable[[SharedWork], Path]
) -> Generator[Progress, None, Path]:
    """Join the work that runs under `key`, or start it. Closing the last generator cancels it."""
    with _running_lock:
        work = _running.get(key)
        if work is None:
            work = _running[key] = SharedWork(first, function)
            work.start()
        work.watchers += 1
    try:
        return (yield from work.watch())
    finally:
        leave(key, work)


def is_any_running() -> bool:
    with _running_lock:
        return bool(_running)


def leave(key: str, work: SharedWork) -> None:
    with _running_lock:
        work.watchers -= 1
        if work.watchers == 0:
            work.cancel()
            if _running.get(key) is work:
                del _running[key]
