"""What the Hub said of adapters' repositories, kept with its time, for when the Hub says nothing.

The newest answer for a repository at a branch, tag or commit is kept in the cache. Only sound answers are; a
failure is the business of who asked.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime

from adapter_ui.catalog.hub.repository import MAIN, RepositoryInfo
from adapter_ui.catalog.storage.cache import Cache
from adapter_ui.domain import AdapterRef, Finding, Level, Revision
from adapter_ui.errors import HubError, HubRateLimited

# The numbers grow when what is kept changes its form.
INFO_KIND = "info:1"
REVISIONS_KIND = "revisions:1"
MINUTE, HOUR, DAY = 60, 3_600, 86_400


class KnownRepositories:
    """Repositories in the cache, by the name and the revision they were asked for."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def keep(self, ref: AdapterRef, info: RepositoryInfo) -> None:
        self._cache.put(ref.name, ref.revision or MAIN, INFO_KIND, json.dumps(asdict(info)))

    def recall(self, ref: AdapterRef) -> RepositoryInfo | None:
        text = self._cache.get(ref.name, ref.revision or MAIN, INFO_KIND)
        return None if text is None else RepositoryInfo(**json.loads(text))

    def keep_revisions(self, ref: AdapterRef, revisions: tuple[Revision, ...]) -> None:
        self._cache.put(ref.name, MAIN, REVISIONS_KIND, json.dumps([asdict(one) for one in revisions]))

    def recall_revisions(self, ref: AdapterRef) -> tuple[Revision, ...] | None:
        text = self._cache.get(ref.name, MAIN, REVISIONS_KIND)
        return None if text is None else tuple(Revision(**one) for one in json.loads(text))


def known_earlier(checked: str, error: HubError) -> Finding:
    """Says that what is shown is what was known at `checked`, and why it is no newer."""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(checked)).total_seconds()
    reason = "The Hub cannot be reached"
    if isinstance(error, HubRateLimited):
        reason = "The Hub allows no more requests for now"
    return Finding(Level.INFO, "known_earlier", f"{reason}; this is what was known {age(seconds)}.")


def age(seconds: float) -> str:
    """A time past in one unit: a moment ago, 5 min ago, 3 h ago, 2 days ago."""
    if seconds < MINUTE:
        return "a moment ago"
    if seconds < HOUR:
        return f"{seconds // MINUTE:.0f} min ago"
    if seconds < 2 * DAY:
        return f"{seconds // HOUR:.0f} h ago"
    return f"{seconds // DAY:.0f} days ago"
