"""The catalog: which adapters exist and what is in them, from the Hub and from this machine.

Never a tensor, never torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapter_ui.catalog.bases.facts import file_sizes
from adapter_ui.catalog.bases.reader import BaseReader
from adapter_ui.catalog.details import DetailReader
from adapter_ui.catalog.hub.client import Hub
from adapter_ui.catalog.hub.errors import no_answer
from adapter_ui.catalog.machine import machine_memory
from adapter_ui.catalog.profiles.inspection import inspect_files
from adapter_ui.catalog.search import search
from adapter_ui.catalog.storage.cache import Cache
from adapter_ui.catalog.storage.files import FolderFiles, HubFiles
from adapter_ui.catalog.storage.library import Library
from adapter_ui.catalog.storage.snapshots import RepoCache, has_adapter
from adapter_ui.domain import (
    AdapterProfile,
    AdapterRef,
    AdapterSummary,
    BaseFacts,
    Finding,
    Level,
    SearchPage,
    SearchQuery,
    Source,
)
from adapter_ui.errors import HubError, HubUnreachable, InvalidInput
from adapter_ui.settings import Settings

MAIN = "main"
DOWNLOADED_COPY = Finding(
    Level.INFO, "downloaded_copy", "The Hub cannot be reached; this is the copy that was downloaded before."
)


class Catalog:
    """Safe to use from several threads.

    `hub` and `library` may be used directly by what downloads and deletes.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.hub = Hub(settings)
        self.library = Library(settings)
        self._cache = Cache(settings.home / "cache.sqlite")
        self._bases = BaseReader(settings, self.hub, self._cache)
        self._details = DetailReader(self.hub, self._cache, self._bases)

    def close(self) -> None:
        self._cache.close()

    def search(self, query: SearchQuery) -> SearchPage:
        """One page of rows, at once. A Hub that fails is a notice. Raises InvalidInput."""
        return search(self.hub, self.library, query)

    def fill(self, adapters: Sequence[AdapterSummary]) -> Iterator[AdapterSummary]:
        """The same rows with what only files tell, each as it arrives.

        Closing the iterator stops the work.
        """
        return self._details.fill(adapters)

    def inspect(self, ref: AdapterRef) -> AdapterProfile:
        """Everything about an adapter that can be known before its weights are downloaded.

        When the Hub cannot be reached, a copy that was downloaded before is inspected. Raises HubError.
        """
        if ref.source is not Source.HUB:
            return self._inspect_folder(ref, self.library.folder(ref))
        try:
            info = self.hub.model(ref.name, ref.revision)
        except HubUnreachable:
            copy = RepoCache(self._settings.hub_cache, ref.name)
            commit = copy.commit_of(ref.revision or MAIN)
            if commit is None or not has_adapter(copy.snapshot(commit)):
                raise
            return with_finding(self._inspect_folder(ref, copy.snapshot(commit), commit), DOWNLOADED_COPY)
        return self._inspect_on_hub(ref, info)

    def _inspect_folder(self, ref: AdapterRef, folder: Path, commit: str | None = None) -> AdapterProfile:
        return inspect_files(ref, commit, FolderFiles(folder), self.base_facts, machine_memory().available)

    def _inspect_on_hub(self, ref: AdapterRef, info: Mapping[str, Any]) -> AdapterProfile:
        name, commit = info["id"], info.get("sha")
        if not isinstance(commit, str):
            raise no_answer(f"the adapter {ref}")
        if info.get("disabled"):
            raise HubError(f"The Hub has disabled access to the adapter {ref}; choose another one.")
        files = HubFiles(self.hub, self._cache, name, commit, file_sizes(info))
        profile = inspect_files(ref, commit, files, self.base_facts, machine_memory().available)
        if name == ref.name:
            return profile
        renamed = Finding(Level.INFO, "renamed", f"The repository is now called {name}; use that name.")
        return with_finding(profile, renamed)

    def base_facts(self, base_id: str) -> BaseFacts:
        """What is known of a base model; `available` and `problem` say when that is nothing."""
        return self._bases.facts(base_id)

    def folder(self, ref: AdapterRef) -> Path:
        """The folder of an adapter on this machine.

        Raises NotFoundOrPrivate, or InvalidInput for one on the Hub.
        """
        if ref.source is Source.HUB:
            raise InvalidInput(
                f"The adapter {ref} is on the Hub, not in a folder; load it first.", field="adapter"
            )
        return self.library.folder(ref)


def with_finding(profile: AdapterProfile, finding: Finding) -> AdapterProfile:
    return replace(profile, findings=(*profile.findings, finding))
