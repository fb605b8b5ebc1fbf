"""Facts of bases that outlive the process: what the Hub said of each, in the cache, with the time it said so.

Only sound answers are kept; a failure is the business of who asked.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

from adapter_ui.catalog.storage.cache import Cache
from adapter_ui.domain import BaseFacts

# The facts are those of the base's main branch; the number grows when what is derived from it changes.
REVISION = "main"
KIND = "base-facts:2"
FRESH_SECONDS = 86_400


@dataclass(frozen=True)
class KeptBase:
    """What the Hub said of a base at `time` (seconds since 1970): facts from its metadata, and the sizes of
    its weights files in bytes.
    """

    facts: BaseFacts
    files: Mapping[str, int | None]
    time: float

    @property
    def fresh(self) -> bool:
        """Whether it is young enough to be taken for what the Hub would say now."""
        return 0 <= time.time() - self.time < FRESH_SECONDS

    @property
    def dated_facts(self) -> BaseFacts:
        """The facts with the time they are from."""
        return replace(
            self.facts, checked=datetime.fromtimestamp(self.time, UTC).isoformat(timespec="seconds")
        )


class KeptBases:
    """Bases in the cache, by the name they are asked for."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def get(self, base_id: str) -> KeptBase | None:
        text = self._cache.get(base_id, REVISION, KIND)
        if text is None:
            return None
        value = json.loads(text)
        return KeptBase(facts_from_json(value["facts"]), value["files"], value["time"])

    def put(self, base_id: str, facts: BaseFacts, files: Mapping[str, int | None]) -> KeptBase:
        kept = KeptBase(facts, files, time.time())
        self._cache.put(base_id, REVISION, KIND, json.dumps(asdict(kept)))
        return kept


def facts_from_json(values: Mapping[str, Any]) -> BaseFacts:
    """Facts as `asdict` and JSON wrote them; fields of another version are left out."""
    names = {field.name for field in fields(BaseFacts)}
    known = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if name in names
    }
    return BaseFacts(**known)
