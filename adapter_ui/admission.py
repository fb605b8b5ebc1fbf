"""Fair use: how many requests of one visitor run at once, and how many may wait.

A visitor is any text that stays the same; who it is, only the page knows. The model worker shares its time
among those that run, so nobody's long request stops another visitor's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from adapter_ui.domain import Progress
from adapter_ui.errors import TooManyRequests

HEARTBEAT_SECONDS = 0.5
Item = TypeVar("Item")


def as_it_is(place: Progress) -> Progress:
    return place


class Admission:
    """Lets `running` requests of each visitor run, lets `waiting` more of them wait, and refuses the rest.

    The visitor "" is the process itself, which is never limited.
    """

    def __init__(self, running: int = 1, waiting: int = 2) -> None:
        self.running = running
        self.waiting = waiting
        self.lines: dict[str, list[object]] = {}
        self.moved = threading.Condition()

    def admitted(
        self, visitor: str, events: Iterator[Item], shown: Callable[[Progress], Item | Progress] = as_it_is
    ) -> Iterator[Item | Progress]:
        """A request's events when its turn has come, and before that its place, as `shown` shows it.

        Raises TooManyRequests. Closing the iterator stops the request, or takes it out of the line.
        """
        with self.turn(visitor) as places:
            for place in places:
                yield shown(place)
            yield from events

    @contextmanager
    def turn(self, visitor: str) -> Iterator[Iterator[Progress]]:
        """A place in the visitor's line until the block ends. What it gives ends when the turn has come."""
        if not visitor:
            yield iter(())
            return
        request = object()
        self.join(visitor, request)
        try:
            yield self.places(visitor, request)
        finally:
            self.leave(visitor, request)

    def join(self, visitor: str, request: object) -> None:
        with self.moved:
            line = self.lines.get(visitor, [])
            if len(line) >= self.running + self.waiting:
                requests = "request" if self.running == 1 else "requests"
                raise TooManyRequests(
                    f"You have {self.running} {requests} running and {self.waiting} waiting; wait for one to "
                    "end, or stop it."
                )
            self.lines[visitor] = [*line, request]

    def leave(self, visitor: str, request: object) -> None:
        with self.moved:
            self.lines[visitor].remove(request)
            if not self.lines[visitor]:
                del self.lines[visitor]
            self.moved.notify_all()

    def places(self, visitor: str, request: object) -> Iterator[Progress]:
        """The request's place at once, whenever it changes, and every half second, so that a reader can give
        up between any two.
        """
        while ahead := self.ahead_of(visitor, request):
            yield Progress("queue", waiting_for(ahead), ahead, unit="requests")
            with self.moved:
                self.moved.wait_for(
                    lambda before=ahead: self.ahead_of(visitor, request) < before, HEARTBEAT_SECONDS
                )

    def ahead_of(self, visitor: str, request: object) -> int:
        """How many of the visitor's requests have to end before this one runs."""
        with self.moved:
            return max(0, self.lines[visitor].index(request) + 1 - self.running)


def waiting_for(ahead: int) -> str:
    return "Waiting for your earlier request" if ahead == 1 else f"Waiting for your {ahead} earlier requests"
