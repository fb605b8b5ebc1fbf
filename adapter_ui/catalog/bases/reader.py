"""Facts of base models: asked of the Hub once, kept for a while, and had from this machine when the Hub is
silent.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from adapter_ui.catalog.bases.facts import (
    CONFIG_BYTES,
    CONFIG_NAME,
    facts_from_metadata,
    file_sizes,
    local_base_facts,
)
from adapter_ui.catalog.hub.client import Hub
from adapter_ui.catalog.storage.bases import find_base
from adapter_ui.catalog.storage.cache import Cache
from adapter_ui.catalog.storage.files import HubFiles
from adapter_ui.domain import BaseFacts
from adapter_ui.errors import BadAdapter, BaseUnavailable, HubError
from adapter_ui.settings import Settings

PACKAGED = Path(__file__).parents[2] / "starter" / "base.json"
KEPT_SECONDS = 600
FAILURE_SECONDS = 20


class BaseReader:
    """Facts by base id. Several threads that ask for one base at once cost one question to the Hub."""

    def __init__(self, settings: Settings, hub: Hub, cache: Cache) -> None:
        self._settings = settings
        self._hub = hub
        self._cache = cache
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._known: dict[str, tuple[float, BaseFacts]] = {}

    def facts(self, base_id: str) -> BaseFacts:
        """What is known of a base.

        An error is no exception here: `available` is False and `problem` says why.
        """
        with self._lock:
            lock = self._locks.setdefault(base_id, threading.Lock())
        with lock:
            until, facts = self._known.get(base_id, (0.0, BaseFacts(base_id)))
            if time.monotonic() < until:
                return facts
            facts = self._find(base_id)
            kept = KEPT_SECONDS if facts.problem_code is None else FAILURE_SECONDS
            self._known[base_id] = (time.monotonic() + kept, facts)
        return facts

    def _find(self, base_id: str) -> BaseFacts:
        try:
            return self._ask_hub(base_id)
        except HubError as error:
            local = self._look_here(base_id)
            if local is not None:
                return local
            return BaseFacts(base_id, available=False, problem=error.message, problem_code=error.code)

    def _ask_hub(self, base_id: str) -> BaseFacts:
        info = self._hub.model(base_id)
        facts = facts_from_metadata(info, None)
        if facts.commit is None or CONFIG_NAME not in (sizes := file_sizes(info)):
            return facts
        files = HubFiles(self._hub, self._cache, facts.id, facts.commit, sizes)
        try:
            config = json.loads(files.read(CONFIG_NAME, CONFIG_BYTES))
        except HubError as error:
            return replace(facts, available=False, problem=error.message, problem_code=error.code)
        except (ValueError, RecursionError, BadAdapter):
            return replace(
                facts,
                available=False,
                problem=f"The config.json of the base {base_id} cannot be read; choose another copy of it.",
                problem_code=BaseUnavailable.code,
            )
        return facts_from_metadata(info, config if isinstance(config, dict) else None)

    def _look_here(self, base_id: str) -> BaseFacts | None:
        """The base's files on this machine, else the facts of the embedded base that come with this app."""
        try:
            found = find_base(self._settings, base_id)
            if found is not None:
                return replace(local_base_facts(found.folder, base_id), commit=found.commit)
        except BaseUnavailable as error:
            return BaseFacts(base_id, available=False, problem=error.message, problem_code=error.code)
        packaged = packaged_facts(PACKAGED)
        return packaged if packaged is not None and packaged.id == base_id else None


def packaged_facts(path: Path) -> BaseFacts | None:
    """Facts of the embedded base, written when the starter adapters were made."""
    if not path.is_file():
        return None
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    names = {field.name for field in fields(BaseFacts)}
    known = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if name in names
    }
    return BaseFacts(**known)
