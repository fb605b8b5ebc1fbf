"""How a list of files holds an adapter's weights: in one file, in several, as a pickle, or in folders (pure).

Knows the names that PEFT and Transformers write; reads no file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from adapter_ui.catalog.hub.repository import adapter_folders
from adapter_ui.domain import ADAPTER_PICKLE, ADAPTER_WEIGHTS

SHARD = re.compile(r"adapter_model-\d{5,9}-of-(\d{5,9})\.(safetensors|bin)", re.ASCII)
INDEXES = (f"{ADAPTER_WEIGHTS}.index.json", f"{ADAPTER_PICKLE}.index.json")


class Layout(StrEnum):
    """Where the weights at the top of a list of files are."""

    SAFETENSORS = "safetensors"
    PICKLE = "pickle"
    SHARDED = "sharded"
    NONE = "none"


@dataclass(frozen=True)
class WeightsLayout:
    """The layout at the top, with its files by name; `index` is that of sharded weights, if it is there.

    `shards` is how many files sharded weights say they are in. `folders` are the folders below that hold an
    adapter, each named from the top.
    """

    layout: Layout
    files: tuple[str, ...] = ()
    index: str | None = None
    shards: int | None = None
    folders: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every file of the weights is in the list."""
        return bool(self.files) and self.shards in (None, len(self.files))


def weights_layout(files: Iterable[str]) -> WeightsLayout:
    """Classify the names of a repository's or a folder's files, with their folders before them.

    Safetensors count before a pickle, one file before several: PEFT itself loads nothing but one file.
    """
    names = set(files)
    folders = adapter_folders(names)
    if ADAPTER_WEIGHTS in names:
        return WeightsLayout(Layout.SAFETENSORS, (ADAPTER_WEIGHTS,), folders=folders)
    shards = [match for name in sorted(names) if (match := SHARD.fullmatch(name))]
    safe = [match for match in shards if match[2] == "safetensors"]
    if ADAPTER_PICKLE in names and not safe:
        return WeightsLayout(Layout.PICKLE, (ADAPTER_PICKLE,), folders=folders)
    index = next((name for name in INDEXES if name in names), None)
    if shards or index:
        kept = safe or shards
        count = max((int(match[1]) for match in kept), default=None)
        return WeightsLayout(Layout.SHARDED, tuple(match[0] for match in kept), index, count, folders)
    return WeightsLayout(Layout.NONE, folders=folders)
