"""How adapters and repositories are named."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from adapter_ui.errors import InvalidRef

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9_][\w.-]{0,95})?", re.ASCII)
REVISION = re.compile(r"(?!.*\.\.)[\w][\w./-]{0,254}", re.ASCII)


LOCAL_NAME = re.compile(r"[A-Za-z0-9][\w-]{0,95}", re.ASCII)


def is_hub_id(text: str) -> bool:
    """Whether `text` can be a repository id on the Hub: `org/name`, or a legacy single name."""
    return bool(HUB_ID.fullmatch(text)) and ".." not in text and "--" not in text


class Source(StrEnum):
    """Where an adapter comes from."""

    HUB = "hub"
    STARTER = "starter"
    RUN = "run"
    FOLDER = "folder"


@dataclass(frozen=True)
class AdapterRef:
    """The name of an adapter, the same on the page, in the API and in a URL.

    `org/name` or `org/name@revision` on the Hub, `starter:NAME`, `run:ID`, or `folder:NAME`.
    """

    source: Source
    name: str
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> AdapterRef:
        """Read a ref as a person types it. Raises InvalidRef with the forms that are accepted."""
        text = text.strip()
        source, colon, name = text.partition(":")
        if colon and source in set(Source) - {Source.HUB}:
            if LOCAL_NAME.fullmatch(name):
                return cls(Source(source), name)
        elif not colon:
            name, at, revision = text.partition("@")
            if is_hub_id(name) and (not at or REVISION.fullmatch(revision)):
                return cls(Source.HUB, name, revision or None)
        raise InvalidRef(
            f"“{text[:120]}” is not the name of an adapter; use org/name, org/name@revision, starter:NAME, "
            "run:ID or folder:NAME.",
            field="adapter",
        )

    def __str__(self) -> str:
        if self.source is not Source.HUB:
            return f"{self.source}:{self.name}"
        return f"{self.name}@{self.revision}" if self.revision else self.name
