"""Values that are dear to get, each kept for a while; threads that ask for one at once share the work."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Value = TypeVar("Value")


@dataclass
class Slot(Generic[Value]):
    """One value until a time of `time.monotonic`."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    until: float = 0.0
    value: Value | None = None


class Memo(Generic[Value]):
    """At most `most` values by key; the one that was asked for longest ago goes first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._slots: OrderedDict[str, Slot[Value]] = OrderedDict()

    def get(self, key: str, make: Callable[[], tuple[Value, float]]) -> Value:
        """The kept value, else what `make` gives, with the seconds to keep it for."""
        with self._lock:
            slot = self._slots.setdefault(key, Slot())
            self._slots.move_to_end(key)
            while len(self._slots) > self._most:
                self._slots.popitem(last=False)
        with slot.lock:
            if slot.value is None or time.monotonic() >= slot.until:
                slot.value, seconds = make()
                slot.until = time.monotonic() + seconds
            return slot.value
