"""How adapters and repositories are named."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from adapter_ui.errors import InvalidRef

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9_][\w.-]{0,95})?", re.ASCII)
REVISION = re.compile(r"(?!.*\.\.)[\w][\w./-]{0,254}", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)
REPO_FOLDER = re.compile(r"(?!.*\.\.)\w[\w.+=-]{0,95}(?:/\w[\w.+=-]{0,95}){0,7}", re.ASCII)
LOCAL_NAME = re.compile(r"[A-Za-z0-9][\w-]{0,95}", re.ASCII)
FOLDER_NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


def is_hub_id(text: str) -> bool:
    """Whether `text` can be a repository id on the Hub: `org/name`, or a legacy single name."""
    return bool(HUB_ID.fullmatch(text)) and ".." not in text and "--" not in text


class Source(StrEnum):
    """Where an adapter comes from."""

    HUB = "hub"
    STARTER = "starter"
    RUN = "run"
    MIX = "mix"
    FOLDER = "folder"


def is_local_name(source: Source, name: str) -> bool:
    """Whether an adapter on this machine can have that name: people name their folders, we what we make."""
    return bool((FOLDER_NAME if source is Source.FOLDER else LOCAL_NAME).fullmatch(name))


@dataclass(frozen=True)
class AdapterRef:
    """The name of an adapter, the same on the page, in the API and in a URL.

    `org/name` or `org/name@revision` on the Hub, `starter:NAME`, `run:ID`, `mix:NAME`, or `folder:NAME`. An
    adapter in a folder of its repository is `org/name:checkpoint-100` or `org/name@revision:some/folder`; the
    slash before the colon tells it from the other sources.
    """

    source: Source
    name: str
    revision: str | None = None
    folder: str | None = None

    @property
    def repo_id(self) -> str:
        """The repository on the Hub, "" for an adapter of this machine."""
        return self.name if self.source is Source.HUB else ""

    @classmethod
    def parse(cls, text: str) -> AdapterRef:
        """Read a ref as a person types it. Raises InvalidRef with the forms that are accepted."""
        text = text.strip()
        ref = cls._parse_hub(text) if "/" in text.partition(":")[0] or ":" not in text else None
        ref = ref or cls._parse_local(text)
        if ref is None:
            raise InvalidRef(
                f"“{text[:120]}” is not the name of an adapter; use org/name, org/name@revision, "
                "org/name:folder, starter:NAME, run:ID, mix:NAME or folder:NAME.",
                field="adapter",
            )
        return ref

    @classmethod
    def _parse_hub(cls, text: str) -> AdapterRef | None:
        place, colon, folder = text.partition(":")
        name, at, revision = place.partition("@")
        sound = (
            is_hub_id(name)
            and (not at or REVISION.fullmatch(revision))
            and (not colon or ("/" in name and REPO_FOLDER.fullmatch(folder)))
        )
        return cls(Source.HUB, name, revision or None, folder or None) if sound else None

    @classmethod
    def _parse_local(cls, text: str) -> AdapterRef | None:
        source, _, name = text.partition(":")
        known = source in set(Source) - {Source.HUB}
        return cls(Source(source), name) if known and is_local_name(Source(source), name) else None

    def __str__(self) -> str:
        if self.source is not Source.HUB:
            return f"{self.source}:{self.name}"
        revision = f"@{self.revision}" if self.revision else ""
        return f"{self.name}{revision}:{self.folder}" if self.folder else f"{self.name}{revision}"
