"""File contents and how git and LFS name them. Knows nothing about repositories or HTTP."""

import hashlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

LARGE_FILE_SUFFIXES = (
    *(".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".h5", ".onnx", ".msgpack", ".model"),
    *(".npz", ".npy", ".parquet", ".arrow", ".pkl", ".zip", ".gz", ".tar"),
)
LARGE_FILE_BYTES = 10_000_000
CHUNK_BYTES = 256 * 1024


class Content:
    """The bytes of one file, held in memory or left on disk until they are asked for."""

    def __init__(self, source: bytes | str | Path) -> None:
        self._path = source if isinstance(source, Path) else None
        self._data = (
            source.encode() if isinstance(source, str) else source if isinstance(source, bytes) else b""
        )
        self.size = self._path.stat().st_size if self._path else len(self._data)

    def read(self, start: int = 0, stop: int | None = None) -> bytes:
        return b"".join(self.chunks(start, self.size if stop is None else stop))

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        if self._path is None:
            for offset in range(start, stop, CHUNK_BYTES):
                yield self._data[offset : min(offset + CHUNK_BYTES, stop)]
            return
        with self._path.open("rb") as file:
            file.seek(start)
            while (left := stop - file.tell()) > 0:
                yield file.read(min(CHUNK_BYTES, left))

    @cached_property
    def sha256(self) -> str:
        digest = hashlib.sha256()
        for chunk in self.chunks(0, self.size):
            digest.update(chunk)
        return digest.hexdigest()

    @cached_property
    def git_oid(self) -> str:
        digest = hashlib.sha1(b"blob %d\0" % self.size)
        for chunk in self.chunks(0, self.size):
            digest.update(chunk)
        return digest.hexdigest()


class TrackedFile:
    """A content under a path, stored as a plain git blob or through LFS."""

    def __init__(self, path: str, content: Content) -> None:
        self.path = path
        self.content = content
        self.is_lfs = belongs_in_lfs(path, content.size)

    @cached_property
    def pointer(self) -> bytes:
        lines = [
            "version https://git-lfs.github.com/spec/v1",
            f"oid sha256:{self.content.sha256}",
            f"size {self.content.size}",
        ]
        return ("\n".join(lines) + "\n").encode()

    @cached_property
    def oid(self) -> str:
        """What git stores for this path: the blob itself, or the LFS pointer to it."""
        return Content(self.pointer).git_oid if self.is_lfs else self.content.git_oid

    @property
    def etag(self) -> str:
        return self.content.sha256 if self.is_lfs else self.content.git_oid


def belongs_in_lfs(path: str, size: int) -> bool:
    large = size >= LARGE_FILE_BYTES or Path(path).suffix.lower() in LARGE_FILE_SUFFIXES
    return size > 0 and large
