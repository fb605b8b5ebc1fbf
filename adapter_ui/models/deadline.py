"""A deadline for Python code that a stranger wrote and that no thread could stop, such as a chat template.

Works where signals do: in the main thread of a process on a POSIX system. Native code is not interrupted; who
waits for the process has to have a deadline of its own.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class DeadlineExceeded(BaseException):
    """Not an Exception: the code under the deadline may catch those and go on."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise DeadlineExceeded inside the block once it has run for so long."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, exceed)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def exceed(number: int, frame: FrameType | None) -> None:
    raise DeadlineExceeded
