"""Running a program that came with a base, such as a chat template or a tokenizer, within bounds.

It runs in a thread of its own, so that its caller can go on with other work and can give up on it. Python
code is interrupted; native code cannot be, and then `stuck()` says that this process should end when it can.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

import psutil

Result = TypeVar("Result")
THREAD_NAME = "stranger"
LOOK_SECONDS = 0.002
INTERRUPT_SECONDS = 0.5


class TookTooLong(Exception):
    """The program was not done in time."""


class Crashed(Exception):
    """The program failed in native code: a panic in Rust is no Exception, and would end this process."""


class Interrupted(BaseException):
    """Raised inside the program; not an Exception, since those it may catch and go on."""


class Attempt(Generic[Result]):
    """One run of a program."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self.work = work
        self.result: Result
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self.run, name=THREAD_NAME, daemon=True)

    def run(self) -> None:
        try:
            self.result = self.work()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
            self.error = error

    def interrupt(self) -> None:
        exception = ctypes.py_object(Interrupted)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.thread.ident), exception)


def within(seconds: float, work: Callable[[], Result], meanwhile: Callable[[], bool] | None = None) -> Result:
    """The result of `work`, or what it raised. `meanwhile` does a piece of other work, if there is some.

    Raises TookTooLong, and Crashed for a panic.
    """
    attempt = Attempt(work)
    attempt.thread.start()
    deadline = time.monotonic() + seconds
    while attempt.thread.is_alive() and time.monotonic() < deadline:
        if meanwhile is None or not meanwhile():
            attempt.thread.join(LOOK_SECONDS)
    if attempt.thread.is_alive():
        attempt.interrupt()
        attempt.thread.join(INTERRUPT_SECONDS)
        raise TookTooLong
    return result_of(attempt)


def result_of(attempt: Attempt[Result]) -> Result:
    error = attempt.error
    if error is None:
        return attempt.result
    if isinstance(error, Interrupted):
        raise TookTooLong from error
    with panics_told():
        raise error


@contextmanager
def panics_told() -> Iterator[None]:
    """Raise Crashed for a panic of Rust code, whose type cannot be imported."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise Crashed(" ".join(str(error).split())[:200]) from error


def stuck() -> bool:
    """Whether a program that was given up and could not be interrupted is still running here."""
    return any(thread.name == THREAD_NAME for thread in threading.enumerate())


@contextmanager
def memory_bound(most_bytes: int) -> Iterator[None]:
    """Let this process take no more than so many further bytes in the block: a MemoryError comes first.

    Only for Python code: native code of other libraries ends the process when it gets no memory.
    """
    if sys.platform == "win32":
        yield
        return
    import resource  # not there on Windows

    before = resource.getrlimit(resource.RLIMIT_AS)
    bound = psutil.Process().memory_info().vms + most_bytes
    if before[0] != resource.RLIM_INFINITY:
        bound = min(bound, before[0])
    resource.setrlimit(resource.RLIMIT_AS, (bound, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
