"""A log of every request the Hub answered, for tests that count requests and bytes."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass
class RequestRecord:
    """One request. `path` is as sent (percent-encoded); `file` is (repo id, path) where one was served."""

    method: str
    path: str
    query: str
    origin: str
    bucket: str | None
    range: str | None
    had_authorization: bool
    status: int | None = None
    bytes_sent: int = 0
    file: tuple[str, str] | None = None


class RequestLog:
    def __init__(self) -> None:
        self._records: list[RequestRecord] = []
        self._lock = threading.Lock()

    def append(self, record: RequestRecord) -> None:
        with self._lock:
            self._records.append(record)

    def clear(self) -> None:
        with self._lock:
            self._records.clear()

    def __iter__(self) -> Iterator[RequestRecord]:
        with self._lock:
            return iter(list(self._records))

    def __len__(self) -> int:
        return len(self._records)

    def matching(
        self,
        path: str = "*",
        *,
        method: str | None = None,
        origin: str | None = None,
        bucket: str | None = None,
        status: int | None = None,
    ) -> list[RequestRecord]:
        """The records whose path fits the shell-style pattern and whose other given fields are equal."""
        wanted = {"method": method, "origin": origin, "bucket": bucket, "status": status}
        asked = {name: value for name, value in wanted.items() if value is not None}
        return [
            record
            for record in self
            if fnmatchcase(record.path, path) and all(getattr(record, name) == asked[name] for name in asked)
        ]

    def count(self, path: str = "*", **wanted: str | int | None) -> int:
        return len(self.matching(path, **wanted))

    def bytes_served(self, repo_id: str, path: str) -> int:
        """Body bytes sent of one file, over all requests, ranges included."""
        return sum(record.bytes_sent for record in self if record.file == (repo_id, path))

    def __str__(self) -> str:
        return "\n".join(
            f"{record.origin:3} {record.status} {record.method} {record.path}"
            f"{'?' + record.query if record.query else ''} ({record.bytes_sent} B)"
            for record in self
        )
