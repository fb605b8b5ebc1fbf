"""What was downloaded and lies on this disk."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Held(StrEnum):
    """What is there of a repository."""

    ADAPTER = "adapter"
    BASE = "base"
    SMALL_FILES = "config and tokenizer"


@dataclass(frozen=True)
class Downloaded:
    """A repository of the Hub on this disk. `size_bytes` counts all its commits, and parts of files that a
    broken download left; `changed` is when something was last added.
    """

    repo_id: str
    held: Held
    size_bytes: int
    changed: str


@dataclass(frozen=True)
class DiskUse:
    """All that was downloaded, the largest first, and what is free where it lies."""

    downloaded: tuple[Downloaded, ...]
    free_bytes: int
