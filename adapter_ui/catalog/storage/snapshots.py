"""Repositories on disk: where downloaded files lie, and whether what lies there is a whole model or adapter.

The layout is the Hub cache's own (`models--ORG--NAME/snapshots/COMMIT`) with plain files instead of links,
so the Hub's client and tools read it too. Nothing here touches the network.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from adapter_ui.domain import ADAPTER_CONFIG, ADAPTER_WEIGHTS, COMMIT
from adapter_ui.domain.base_config import shard_names
from adapter_ui.errors import BaseUnavailable

MAX_INDEX_BYTES = 20_000_000
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "vocab.json",
    "vocab.txt",
)
ADAPTER_FILES = (ADAPTER_CONFIG, ADAPTER_WEIGHTS)


@dataclass(frozen=True)
class RepoCache:
    """One repository's place in a cache folder."""

    cache: Path
    repo_id: str

    @property
    def folder(self) -> Path:
        return self.cache / f"models--{self.repo_id.replace('/', '--')}"

    def snapshot(self, commit: str) -> Path:
        return self.folder / "snapshots" / commit

    def adapter(self, commit: str, folder: str | None = None) -> Path | None:
        """The adapter that was downloaded of this commit, of one of its folders where that is named."""
        place = self.snapshot(commit) / (folder or "")
        return place if has_adapter(place) else None

    @property
    def partials(self) -> Path:
        """Where files grow until they are whole and checked."""
        return self.folder / "partial"

    def commit_of(self, revision: str) -> str | None:
        """The commit that this branch, tag or commit was when it was last downloaded."""
        if COMMIT.fullmatch(revision):
            return revision
        file = self.folder / "refs" / revision
        commit = file.read_text().strip() if file.is_file() else ""
        return commit if COMMIT.fullmatch(commit) else None

    def commits(self) -> list[str]:
        """The commits that files were downloaded of, the latest first."""
        snapshots = [path for path in self.folder.glob("snapshots/*") if COMMIT.fullmatch(path.name)]
        return [path.name for path in sorted(snapshots, key=lambda path: path.stat().st_mtime, reverse=True)]

    def remember(self, revision: str, commit: str) -> None:
        if revision != commit:
            file = self.folder / "refs" / revision
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(commit)


def has_adapter(folder: Path) -> bool:
    return all((folder / name).is_file() for name in ADAPTER_FILES)


def has_base(folder: Path) -> bool:
    """Whether this is a whole model in safetensors, with a tokenizer. Raises BaseUnavailable."""
    if not (folder / "config.json").is_file() or not any(
        (folder / name).is_file() for name in TOKENIZER_FILES
    ):
        return False
    if (folder / WEIGHTS).is_file():
        return True
    return (folder / INDEX).is_file() and all(
        (folder / name).is_file() for name in read_shards(folder / INDEX)
    )


def read_shards(index: Path) -> tuple[str, ...]:
    """The file names in a sharded model's index. Raises BaseUnavailable unless all are plain names."""
    if index.stat().st_size > MAX_INDEX_BYTES:
        raise BaseUnavailable(
            "The base model's weight index is larger than 20 MB; choose another base model."
        )
    try:
        names = shard_names(json.loads(index.read_bytes()))
    except (ValueError, AttributeError, RecursionError):
        raise BaseUnavailable(
            "The base model's weight index cannot be read; choose another base model."
        ) from None
    if names is None:
        raise BaseUnavailable("The base model's weight index names unusual files; choose another base model.")
    return names
