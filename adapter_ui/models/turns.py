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


class Turns:
    """Gives others as much time as the long work has taken since their last turn, and its reader a word now
    and then.
    """

    def __init__(self, others: Callable[[], None], tell: Callable[[int, int], None]) -> None:
        self.others = others
        self.tell = tell
        self.next_turn = self.told = 0.0

    def __call__(self, done: int, total: int) -> None:
        began = time.monotonic()
        if began >= self.told + TELL_SECONDS:
            self.told = began
            self.tell(done, total)
        if began >= self.next_turn:
            self.others()
            ended = time.monotonic()
            self.next_turn = ended + (ended - began)
