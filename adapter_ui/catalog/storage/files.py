"""The files of one adapter at one commit, on the Hub or in a folder: list, read, read a range.

Never weights whole. What the Hub sends is kept only if it is as long as the Hub lists it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from adapter_ui.catalog.hub.client import Hub
from adapter_ui.catalog.hub.errors import no_answer
from adapter_ui.catalog.storage.cache import Cache
from adapter_ui.errors import BadAdapter, NotFoundOrPrivate

MOST_FILES = 10_000
LENGTH_BYTES = 8
UNREADABLE = (OSError, RuntimeError)
"""What a folder that cannot be read raises; the second is a circle of links, before Python 3.13."""


class FileTooLarge(BadAdapter):
    """A file that should be small is not."""

    code = "file_too_large"


class FileUnreadable(BadAdapter):
    """This machine does not give a file, or the list of a folder."""

    code = "file_unreadable"


class AdapterFiles(Protocol):
    """What can be asked of an adapter's files. Reads raise NotFoundOrPrivate for a name that is not there."""

    def list(self) -> Mapping[str, int | None]:
        """Names with their sizes in bytes."""
        ...

    def read(self, name: str, limit: int) -> bytes:
        """A whole file. Raises FileTooLarge when it is longer than `limit` bytes."""
        ...

    def read_range(self, name: str, start: int, end: int) -> bytes:
        """Bytes `start` to `end`, fewer where the file ends before.

        From the start of a safetensors file, what lies behind its table of tensors may be left out.
        """
        ...


class HubFiles:
    """Files at one commit on the Hub.

    What a commit holds never changes, so every read is kept in the cache.
    """

    def __init__(
        self, hub: Hub, cache: Cache, repo_id: str, commit: str, sizes: Mapping[str, int | None]
    ) -> None:
        self._hub = hub
        self._cache = cache
        self._repo_id = repo_id
        self._commit = commit
        self._sizes = sizes

    def list(self) -> Mapping[str, int | None]:
        return self._sizes

    def read(self, name: str, limit: int) -> bytes:
        check_length(name, self._sizes.get(name) or 0, limit)
        kind = f"file:{name}"
        data = self._cached(kind)
        if data is None:
            data = self._hub.read(self._repo_id, self._commit, name, limit)
            self._check_sent(name, len(data), 0, limit + 1)
            check_length(name, len(data), limit)
            self._keep(kind, data)
        check_length(name, len(data), limit)
        return data

    def read_range(self, name: str, start: int, end: int) -> bytes:
        if self._sizes.get(name) == 0:
            # A range of an empty file is an error for a server.
            return b""
        kind = f"range:{start}-{end}:{name}"
        data = self._cached(kind)
        if data is None:
            part = self._hub.read_part(self._repo_id, self._commit, name, start, end)
            self._check_sent(name, len(part.data), start, end)
            data = without_weights(name, start, part.data)
            self._keep(kind, data)
            self._keep_size(name, part.size)
        return data

    def size(self, name: str) -> int | None:
        """The size of a file that the list may lack: one request without a body, or none after a read."""
        text = self._cache.get(self._repo_id, self._commit, f"size:{name}")
        if text is None:
            size = self._hub.size(self._repo_id, self._commit, name)
            self._keep_size(name, size)
            return size
        return int(text)

    def _check_sent(self, name: str, length: int, start: int, end: int) -> None:
        """Raise HubUnreachable for an answer of another length than the listed size allows."""
        size = self._sizes.get(name)
        if size is not None and length != max(0, min(end, size) - start):
            raise no_answer(f"the file {name} of {self._repo_id}")

    def _cached(self, kind: str) -> bytes | None:
        text = self._cache.get(self._repo_id, self._commit, kind)
        return None if text is None else base64.b64decode(json.loads(text))

    def _keep_size(self, name: str, size: int | None) -> None:
        if size is not None:
            self._cache.put(self._repo_id, self._commit, f"size:{name}", str(size))

    def _keep(self, kind: str, data: bytes) -> None:
        self._cache.put(self._repo_id, self._commit, kind, json.dumps(base64.b64encode(data).decode()))


class FilesBelow:
    """The files in one folder of others, by their names inside it."""

    def __init__(self, files: AdapterFiles, folder: str) -> None:
        self._files = files
        self._prefix = f"{folder}/"

    def list(self) -> Mapping[str, int | None]:
        start = len(self._prefix)
        sizes = self._files.list().items()
        return {name[start:]: size for name, size in sizes if name.startswith(self._prefix)}

    def read(self, name: str, limit: int) -> bytes:
        return self._files.read(self._prefix + name, limit)

    def read_range(self, name: str, start: int, end: int) -> bytes:
        return self._files.read_range(self._prefix + name, start, end)


class FolderFiles:
    """Files in a folder of this machine. A link that leaves the folder is not one of its files.

    What the machine does not give raises FileUnreadable.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def list(self) -> Mapping[str, int | None]:
        found: dict[str, int | None] = {}
        with readable("this folder"):
            for path in sorted(self._folder.rglob("*")):
                if len(found) >= MOST_FILES:
                    break
                if self._is_inside(path) and path.is_file():
                    found[path.relative_to(self._folder).as_posix()] = path.stat().st_size
        return found

    def read(self, name: str, limit: int) -> bytes:
        with readable(name), self._path(name).open("rb") as file:
            data = file.read(limit + 1)
        check_length(name, len(data), limit)
        return data

    def read_range(self, name: str, start: int, end: int) -> bytes:
        with readable(name), self._path(name).open("rb") as file:
            file.seek(start)
            return file.read(end - start)

    def _path(self, name: str) -> Path:
        path = self._folder / name
        if not self._is_inside(path) or not path.is_file():
            raise NotFoundOrPrivate(f"There is no file {name} in this folder; look at its list of files.")
        return path

    def _is_inside(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self._folder)


@contextmanager
def readable(what: str) -> Iterator[None]:
    try:
        yield
    except UNREADABLE as error:
        why = getattr(error, "strerror", None) or "its links lead round in a circle"
        message = f"This machine cannot read {what} ({why}); look at its permissions and links."
        raise FileUnreadable(message) from error


def without_weights(name: str, start: int, data: bytes) -> bytes:
    """What a read at the start of a safetensors file is for: the table of tensors, without the weights behind
    it, which are long and compress badly.
    """
    length = int.from_bytes(data[:LENGTH_BYTES], "little")
    if start or not name.endswith(".safetensors") or len(data) < LENGTH_BYTES + length:
        return data
    return data[: LENGTH_BYTES + length]


def check_length(name: str, length: int, limit: int) -> None:
    if length > limit:
        raise FileTooLarge(
            f"{name} is larger than {limit:,} bytes, which no sound adapter needs; do not use it."
        )
