"""Fair use: how many requests of one visitor run at once, how many may wait, and how many of all visitors.

A visitor is any text that stays the same; who it is, only the page knows. The model worker shares its time
among those that run, so nobody's long request stops another visitor's. The page has to let in as many at once
as are taken here and a few more: who is one too many is told so, and waits nowhere unseen.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from adapter_ui.domain import Progress
from adapter_ui.errors import Crowded, TooManyRequests

HEARTBEAT_SECONDS = 0.5
MOST_REQUESTS = 48
"""Requests of all visitors, running and waiting; each has a thread of the web process, which does little."""
MOST_ERRANDS = 16
EVERYBODY = "everybody"
Item = TypeVar("Item")


def as_it_is(place: Progress) -> Progress:
    return place


class Admissions:
    """The lines of one app. A visitor has a place in each of the first two, and they do not wait for each
    other: nobody's own answer keeps them from freeing memory.

    `requests` use a model or write one; `errands` are the rest that may take long: an unload waits for the
    answers on its base, a check measures, rows are downloaded. `workshop` is one line for all visitors, since
    a merge or a mix takes as much memory as it finds.
    """

    def __init__(self) -> None:
        self.requests = Admission()
        self.errands = Admission(most=MOST_ERRANDS)
        self.workshop = Admission(waiting=MOST_REQUESTS, words=waiting_for_others)

    def made(self, visitor: str, events: Iterator[Item]) -> Iterator[Item | Progress]:
        """The events of a merge or a mix, when nothing else of the visitor and no other of its kind runs."""
        alone = self.workshop.admitted(EVERYBODY if visitor else "", events)
        return self.requests.admitted(visitor, alone)


def waiting_for_others(ahead: int) -> str:
    return f"Waiting for {ahead} earlier {'merge or mix' if ahead == 1 else 'merges or mixes'}"


def waiting_for(ahead: int) -> str:
    return "Waiting for your earlier request" if ahead == 1 else f"Waiting for your {ahead} earlier requests"


class Admission:
    """Lets `running` requests of each visitor run, lets `waiting` more of them wait, and refuses the rest; of
    all visitors together it takes `most`. `words` says how many are ahead of one that waits.

    The visitor "" is the process itself, which is never limited.
    """

    def __init__(
        self,
        running: int = 1,
        waiting: int = 2,
        most: int = MOST_REQUESTS,
        words: Callable[[int], str] = waiting_for,
    ) -> None:
        self.running = running
        self.waiting = waiting
        self.most = most
        self.words = words
        self.lines: dict[str, list[object]] = {}
        self.moved = threading.Condition()

    def admitted(
        self, visitor: str, events: Iterator[Item], shown: Callable[[Progress], Item | Progress] = as_it_is
    ) -> Iterator[Item | Progress]:
        """A request's events when its turn has come, and before that its place, as `shown` shows it.

        Raises TooManyRequests and Crowded. Closing the iterator stops the request, or takes it out of the
        line.
        """
        with self.turn(visitor) as places:
            for place in places:
                yield shown(place)
            yield from events

    @contextmanager
    def waited(self, visitor: str) -> Iterator[None]:
        """The block runs when its turn has come; for work that can show no place. Raises TooManyRequests and
        Crowded.
        """
        with self.turn(visitor) as places:
            for _ in places:
                pass
            yield

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
            if sum(map(len, self.lines.values())) >= self.most:
                raise Crowded(
                    f"{self.most} requests of all visitors are running or waiting, and no more are taken; "
                    "try again in a minute."
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
            yield Progress("queue", self.words(ahead), ahead, unit="requests")
            with self.moved:
                self.moved.wait_for(
                    lambda before=ahead: self.ahead_of(visitor, request) < before, HEARTBEAT_SECONDS
                )

    def ahead_of(self, visitor: str, request: object) -> int:
        """How many of the visitor's requests have to end before this one runs."""
        with self.moved:
            return max(0, self.lines[visitor].index(request) + 1 - self.running)
