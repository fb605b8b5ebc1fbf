"""Faults to inject: what a test asks the Hub to get wrong, for which requests and how often."""

import threading
from dataclasses import dataclass, field
from fnmatch import fnmatchcase


@dataclass
class Fault:
    """What goes wrong for the requests whose method and path fit.

    `path` is a shell-style pattern over the raw path. Without `status`, `html`, `invalid_json`, `body` or
    `stream_bytes` (a body of so many bytes, made while it is sent) the request is answered as usual, only
    late (`delay` seconds), slowly (`bytes_per_second`) or cut short (after `cut_after` body bytes). A 429
    carries a spent RateLimit header that resets in `reset_seconds`.
    """

    path: str = "*"
    method: str = "*"
    origin: str = "*"
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | str | None = None
    stream_bytes: int | None = None
    reset_seconds: int = 1
    html: bool = False
    invalid_json: bool = False
    delay: float = 0
    cut_after: int | None = None
    bytes_per_second: float | None = None
    times: int | None = None
    hits: int = 0

    def fits(self, method: str, path: str, origin: str) -> bool:
        if self.times is not None and self.hits >= self.times:
            return False
        subjects = (method, self.method), (path, self.path), (origin, self.origin)
        return all(fnmatchcase(text, pattern) for text, pattern in subjects)

    @property
    def replaces_answer(self) -> bool:
        given = (self.status, self.body, self.stream_bytes)
        return self.html or self.invalid_json or any(one is not None for one in given)


class Faults:
    """The faults in force; the first one that fits a request is used, `times` times (None: for ever)."""

    def __init__(self) -> None:
        self.latency: float = 0
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def inject(
        self, path: str = "*", *, method: str = "*", times: int | None = None, **what: object
    ) -> Fault:
        """Add a fault; `what` are the other fields of `Fault`. The returned fault counts its `hits`."""
        fault = Fault(path=path, method=method, times=times, **what)  # type: ignore[arg-type]
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()
            self.latency = 0

    def take(self, method: str, path: str, origin: str) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.fits(method, path, origin):
                    fault.hits += 1
                    return fault
        return None
