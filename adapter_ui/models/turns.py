"""One long piece of work beside the answers that are being written: they take turns in this one thread.

A second thread would not do: loaders set torch's default dtype and other things that hold for all threads,
and an answer must not depend on what is loaded beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

Between = Callable[[int, int], None]
"""Called between two pieces of long work with how many are done, and of how many. May end the work by what it
raises.
"""
TELL_SECONDS = 0.25


class ReaderGone(Exception):
    """Nobody waits for this work any more."""


class Turns:
    """Gives others as much time as the long work takes, and its reader a word now and then.

    `others` does one step of what others have to do, and says whether something was written. What it takes
    beyond its time counts against the next turn; time in which nobody had anything to write is not kept.
    """

    def __init__(self, others: Callable[[], bool], tell: Callable[[int, int], None]) -> None:
        self.others = others
        self.tell = tell
        self.told = self.due = 0.0
        self.resumed = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        self.due += now - self.resumed
        if now >= self.told + TELL_SECONDS:
            self.told = now
            self.tell(done, total)
        while self.due > 0:
            began = time.monotonic()
            wrote = self.others()
            self.due = self.due - (time.monotonic() - began) if wrote else 0.0
        self.resumed = time.monotonic()
