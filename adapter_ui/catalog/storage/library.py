"""Adapters on this machine: the starter set, finished runs, mixes and, in local mode, a folder of folders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from adapter_ui.catalog.profiles.card import card_license, card_title, read_card
from adapter_ui.catalog.profiles.config import CONFIG_BYTES, parse_config
from adapter_ui.catalog.profiles.reading import read_card_bytes
from adapter_ui.catalog.profiles.summary import Weights, with_config, with_weights
from adapter_ui.catalog.storage.files import UNREADABLE, FileUnreadable, FolderFiles
from adapter_ui.domain import (
    ADAPTER_CONFIG,
    ADAPTER_PICKLE,
    ADAPTER_WEIGHTS,
    AdapterRef,
    AdapterSummary,
    Source,
    is_hub_id,
    is_local_name,
)
from adapter_ui.domain.tensor_table import read_tensors
from adapter_ui.errors import BadAdapter, NotFoundOrPrivate
from adapter_ui.settings import Settings

STARTER = Path(__file__).parents[2] / "starter"
LOCAL_SOURCES = (Source.STARTER, Source.RUN, Source.MIX, Source.FOLDER)
MOST_ADAPTERS = 2_000
MIXES = "mixes"


class Library:
    """What can be loaded without the Hub.

    Folders are looked at anew each time: a finished run is there at once.
    """

    def __init__(self, settings: Settings) -> None:
        self._roots = {
            Source.STARTER: STARTER,
            Source.RUN: settings.runs,
            Source.MIX: settings.home / MIXES,
        }
        if settings.folder is not None:
            self._roots[Source.FOLDER] = settings.folder

    def summaries(self, source: Source | None = None) -> list[AdapterSummary]:
        """All adapters of one source, or of all: the starter set, then the others, the newest first."""
        found: list[AdapterSummary] = []
        for one in LOCAL_SOURCES if source is None else (source,):
            rows = list(self._readable(one))
            if one is not Source.STARTER:
                rows.sort(key=lambda row: row.updated or "", reverse=True)
            found += rows
        return found

    def folder(self, ref: AdapterRef) -> Path:
        """The folder of an adapter on this machine.

        Raises NotFoundOrPrivate when there is none of this name.
        """
        root = self._roots.get(ref.source)
        folder = (
            self._adapter_folder(ref.source, root / ref.name)
            if root and is_local_name(ref.source, ref.name)
            else None
        )
        if folder is None:
            raise NotFoundOrPrivate(
                f"There is no adapter {ref} on this machine; look at the Library for those that are."
            )
        return folder

    def _readable(self, source: Source) -> Iterator[AdapterSummary]:
        """A row for each adapter but those that cannot be read, which must not hide the others."""
        for ref, folder in self._folders(source):
            try:
                yield summarize(ref, folder)
            except (FileUnreadable, *UNREADABLE):
                continue

    def _folders(self, source: Source) -> Iterator[tuple[AdapterRef, Path]]:
        root = self._roots.get(source)
        places = sorted(root.iterdir())[:MOST_ADAPTERS] if root is not None and root.is_dir() else []
        for place in places:
            folder = self._adapter_folder(source, place) if is_local_name(source, place.name) else None
            if folder is not None:
                yield AdapterRef(source, place.name), folder

    def _adapter_folder(self, source: Source, place: Path) -> Path | None:
        """The folder that holds the adapter's files, unless a link leads out of the source's root."""
        try:
            folder = (place / "adapter" if source is Source.RUN else place).resolve()
            inside = folder.is_relative_to(self._roots[source].resolve())
            return folder if inside and (folder / ADAPTER_CONFIG).is_file() else None
        except UNREADABLE:
            return None


def summarize(ref: AdapterRef, folder: Path) -> AdapterSummary:
    """One row from the adapter's own files. What cannot be read stays unknown; an inspection says why."""
    files = FolderFiles(folder)
    card = read_local_card(files)
    changed = datetime.fromtimestamp((folder / ADAPTER_CONFIG).stat().st_mtime, UTC)
    updated = changed.isoformat(timespec="seconds")
    row = AdapterSummary(
        ref, updated=updated, created=updated, title=card_title(read_card(card)), license=card_license(card)
    )
    try:
        config = parse_config(files.read(ADAPTER_CONFIG, CONFIG_BYTES))
        row = replace(with_config(row, config), base_model=config.base_model_name_or_path)
    except BadAdapter:
        config = None
    row = with_weights(row, config, read_weights(files))
    return replace(row, complete=row.base_model is None or not is_hub_id(row.base_model))


def read_local_card(files: FolderFiles) -> bytes:
    """Empty where there is none that can be read."""
    try:
        return read_card_bytes(files)
    except FileUnreadable:
        return b""


def read_weights(files: FolderFiles) -> Weights:
    sizes = files.list()
    if ADAPTER_WEIGHTS not in sizes:
        return Weights(sizes.get(ADAPTER_PICKLE), safetensors=False)
    size = sizes[ADAPTER_WEIGHTS]
    try:
        tensors = read_tensors(lambda start, end: files.read_range(ADAPTER_WEIGHTS, start, end), size)
    except BadAdapter:
        tensors = None
    return Weights(size, safetensors=True, tensors=tensors)
