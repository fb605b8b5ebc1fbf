"""Profiles of adapters: read from the Hub, else from what was known of them earlier, else from a copy that
was downloaded.

No question to the Hub is waited for longer than INSPECTION_SECONDS, all those of one inspection together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from adapter_ui.catalog.bases.reader import BaseReader
from adapter_ui.catalog.hub.client import Hub
from adapter_ui.catalog.hub.errors import no_answer
from adapter_ui.catalog.hub.repository import (
    MAIN,
    RepositoryInfo,
    adapter_folders,
    read_info,
    read_revisions,
)
from adapter_ui.catalog.known import KnownRepositories, known_earlier
from adapter_ui.catalog.machine import room_for_a_model
from adapter_ui.catalog.profiles.card import CARD_NAME
from adapter_ui.catalog.profiles.inspection import Bases, inspect_files
from adapter_ui.catalog.storage.cache import Cache
from adapter_ui.catalog.storage.files import FilesBelow, FolderFiles, HubFiles
from adapter_ui.catalog.storage.index import Index
from adapter_ui.catalog.storage.library import Library
from adapter_ui.catalog.storage.snapshots import RepoCache
from adapter_ui.domain import (
    ADAPTER_CONFIG,
    AdapterProfile,
    AdapterRef,
    BaseFacts,
    Finding,
    Level,
    Revision,
    Source,
)
from adapter_ui.errors import DisabledRepo, HubError, HubRateLimited, HubUnreachable, NotFoundOrPrivate
from adapter_ui.settings import Settings

INSPECTION_SECONDS = 15.0
SHORTEST_WAIT_SECONDS = 0.5
MOST_BASES_AT_ONCE = 16
MOST_KNOWN = 8
SILENT = (HubUnreachable, HubRateLimited)
SLOW_BASE = "The Hub has not told the facts of the base model {} yet; inspect the adapter again in a moment."
DOWNLOADED_COPY = Finding(
    Level.INFO, "downloaded_copy", "The Hub cannot be reached; this is the copy that was downloaded before."
)

Known = TypeVar("Known")


class AdapterReader:
    """Safe to use from several threads."""

    def __init__(
        self, settings: Settings, hub: Hub, cache: Cache, index: Index, library: Library, bases: BaseReader
    ) -> None:
        self._settings = settings
        self._hub = hub
        self._cache = cache
        self._index = index
        self._library = library
        self._bases = bases
        self._known = KnownRepositories(cache)
        self._threads = ThreadPoolExecutor(MOST_BASES_AT_ONCE, thread_name_prefix="bases")

    def inspect(self, ref: AdapterRef, base_id: str = "") -> AdapterProfile:
        """Everything about an adapter that can be known before its weights are downloaded, beside the base
        `base_id`; "" is its own.

        A Hub that is silent, or refuses more requests, leaves what was known earlier, with a finding that
        says so. Raises HubError.
        """
        until = time.monotonic() + INSPECTION_SECONDS
        bases = self._bases_until(until, base_id)
        if ref.source is not Source.HUB:
            return self._inspect_folder(ref, self._library.folder(ref), bases)
        try:
            info = ask(self._hub.until(until), ref)
            profile = self._inspect_on_hub(ref, info, self._hub.until(until), bases)
        except SILENT as error:
            earlier = self._inspect_earlier(ref, error, bases) or self._inspect_copy(ref, bases)
            if earlier is None:
                raise
            return earlier
        self._known.keep(ref, info)
        return profile

    def revisions(self, ref: AdapterRef) -> tuple[Revision, ...]:
        """The branches and tags of an adapter's repository, `main` first; none for one on this machine.

        A silent Hub leaves those that were known earlier. Raises HubError.
        """
        if ref.source is not Source.HUB:
            return ()
        try:
            found = read_revisions(self._hub.refs(ref.name))
        except SILENT:
            known = self._known.recall_revisions(ref)
            if known is None:
                raise
            return known
        self._known.keep_revisions(ref, found)
        return found

    def _inspect_on_hub(
        self, ref: AdapterRef, info: RepositoryInfo, hub: Hub, bases: Bases
    ) -> AdapterProfile:
        if info.disabled:
            raise DisabledRepo(f"The Hub has disabled access to the adapter {ref}; choose another one.")
        whole = HubFiles(hub, self._cache, info.id, info.commit, info.files)
        files = FilesBelow(whole, ref.folder) if ref.folder else whole
        if ref.folder and not files.list():
            raise missing_folder(ref, info)
        cards = files if CARD_NAME in files.list() else whole
        profile = inspect_files(ref, info.commit, files, bases, room_for_a_model(), cards, info.license)
        profile = with_info(profile, info)
        if info.id == ref.name:
            return profile
        renamed = Finding(Level.INFO, "renamed", f"The repository is now called {info.id}; use that name.")
        return with_finding(profile, renamed)

    def _inspect_earlier(self, ref: AdapterRef, error: HubError, bases: Bases) -> AdapterProfile | None:
        """What was known, from the cache alone: the Hub has just failed and is not asked again."""
        info = self._known.recall(ref)
        if info is None:
            return None
        try:
            profile = self._inspect_on_hub(ref, info, self._hub.until(time.monotonic()), bases)
        except SILENT:
            return None
        return with_finding(profile, known_earlier(info.checked, error))

    def _inspect_copy(self, ref: AdapterRef, bases: Bases) -> AdapterProfile | None:
        place = RepoCache(self._settings.hub_cache, ref.name)
        commit = place.commit_of(ref.revision or MAIN)
        folder = place.adapter(commit, ref.folder) if commit else None
        if folder is None:
            return None
        profile = with_finding(self._inspect_folder(ref, folder, bases, commit), DOWNLOADED_COPY)
        downloaded = datetime.fromtimestamp((folder / ADAPTER_CONFIG).stat().st_mtime, UTC)
        return replace(profile, checked=downloaded.isoformat(timespec="seconds"))

    def _inspect_folder(
        self, ref: AdapterRef, folder: Path, bases: Bases, commit: str | None = None
    ) -> AdapterProfile:
        return inspect_files(ref, commit, FolderFiles(folder), bases, room_for_a_model())

    def _bases_until(self, until: float, chosen: str) -> Bases:
        """What is known of bases, if it comes in time; else the work goes on, and is done the next time."""

        def in_time(work: Callable[[str], Known], base_id: str, otherwise: Known) -> Known:
            try:
                started = self._threads.submit(work, base_id)
                return started.result(max(until - time.monotonic(), SHORTEST_WAIT_SECONDS))
            except TimeoutError:
                return otherwise

        def facts_of(base_id: str) -> BaseFacts:
            problem, code = SLOW_BASE.format(base_id), HubUnreachable.code
            slow = BaseFacts(base_id, available=False, problem=problem, problem_code=code)
            return in_time(self._bases.exact_facts, base_id, slow)

        def tensors_of(base_id: str) -> Mapping[str, tuple[int, ...]] | None:
            return in_time(self._bases.tensors, base_id, None)

        def known(text: str) -> list[str]:
            return [base_id for base_id, _ in self._index.bases(text, MOST_KNOWN)]

        return Bases(facts_of, tensors_of, known, chosen)


def ask(hub: Hub, ref: AdapterRef) -> RepositoryInfo:
    """What the Hub says of the adapter's repository now. Raises HubError."""
    info = read_info(hub.model(ref.name, ref.revision))
    if info is None:
        raise no_answer(f"the adapter {ref}")
    return info


def missing_folder(ref: AdapterRef, info: RepositoryInfo) -> NotFoundOrPrivate:
    folders = adapter_folders(info.files)
    there = f"it has adapters in {', '.join(folders[:5])}" if folders else "look at the files its page lists"
    return NotFoundOrPrivate(f"There is no folder {ref.folder} in {ref.name}; {there}.")


def with_info(profile: AdapterProfile, info: RepositoryInfo) -> AdapterProfile:
    return replace(
        profile,
        downloads=info.downloads,
        likes=info.likes,
        updated=info.updated,
        folders=adapter_folders(info.files) if "/" in info.id else (),
        checked=info.checked,
    )


def with_finding(profile: AdapterProfile, finding: Finding) -> AdapterProfile:
    return replace(profile, findings=(*profile.findings, finding))
