"""The Hub's lists as a search needs them: each page asked for once, its answer remembered for a minute.

So the filling that follows a search begins with the page that the search has just seen, and does not ask
again what has just failed.
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapter_ui.catalog.hub.client import Hub
from adapter_ui.catalog.hub.rows import Listed, count_of, read_row, tags_of
from adapter_ui.domain import is_hub_id
from adapter_ui.errors import HubError, HubRateLimited, HubUnreachable

ANSWER_SECONDS, FAILURE_SECONDS = 60.0, 5.0
VARIANTS_SECONDS = 600.0
MOST_ANSWERS = 64
MOST_VARIANTS = 10
VARIANT_TAGS = ("base_model:finetune:", "base_model:quantized:")
BASE_EXPAND = ["downloads", "tags"]


@dataclass(frozen=True)
class ListPage:
    """One page of a list: its rows, and the Hub's cursor of the next one."""

    rows: tuple[dict[str, Any], ...]
    following: str | None

    def adapters(self) -> list[Listed]:
        return [listed for row in self.rows if (listed := read_row(row)) is not None]


class HubLists:
    """Safe to use from several threads."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._lock = threading.Lock()
        self._failed: tuple[float, HubError] | None = None
        self._answers: OrderedDict[str, tuple[float, ListPage | HubError]] = OrderedDict()

    def ask(self, parameters: Mapping[str, Any]) -> ListPage:
        """One request. Raises HubError."""
        return self._answer(parameters, ANSWER_SECONDS)

    def recall(self, parameters: Mapping[str, Any], seconds: float = ANSWER_SECONDS) -> ListPage:
        """What the Hub has just answered or refused, else one request. Raises HubError."""
        with self._lock:
            until, answer = self._answers.get(json.dumps(parameters), (0.0, None))
        if answer is None or until < time.monotonic():
            return self._answer(parameters, seconds)
        if isinstance(answer, HubError):
            raise answer
        return answer

    def failure(self) -> HubError | None:
        """Why the Hub answered nobody a moment ago; a refusal of one request says nothing of the others."""
        failed = self._failed
        return failed[1] if failed is not None and failed[0] > time.monotonic() else None

    def variants(self, base: str) -> tuple[str, ...]:
        """The base's finetunes and quantised copies, the most downloaded first. Raises HubError."""
        found: dict[str, int] = {}
        for tag in VARIANT_TAGS:
            asked = {
                "filter": [tag + base],
                "sort": "downloads",
                "limit": MOST_VARIANTS,
                "expand": BASE_EXPAND,
            }
            found |= bases_of(self.recall(asked, VARIANTS_SECONDS))
        found.pop(base, None)
        return tuple(sorted(found, key=lambda name: (-found[name], name))[:MOST_VARIANTS])

    def named(self, text: str, limit: int) -> dict[str, int]:
        """Bases whose id holds `text`, with their downloads, the most first. Raises HubError."""
        asked = {"search": text, "sort": "downloads", "limit": limit, "expand": BASE_EXPAND}
        return bases_of(self.recall(asked))

    def _answer(self, parameters: Mapping[str, Any], seconds: float) -> ListPage:
        try:
            rows, following = self._hub.list_models(parameters)
        except HubError as error:
            if isinstance(error, HubUnreachable | HubRateLimited):
                self._failed = (time.monotonic() + FAILURE_SECONDS, error)
            self._remember(parameters, error, FAILURE_SECONDS)
            raise
        self._failed = None
        page = ListPage(tuple(rows), following)
        self._remember(parameters, page, seconds)
        return page

    def _remember(self, parameters: Mapping[str, Any], answer: ListPage | HubError, seconds: float) -> None:
        key = json.dumps(parameters)
        with self._lock:
            self._answers[key] = (time.monotonic() + seconds, answer)
            self._answers.move_to_end(key)
            while len(self._answers) > MOST_ANSWERS:
                self._answers.popitem(last=False)


def bases_of(page: ListPage) -> dict[str, int]:
    """The models of a list that are no adapters, with their downloads."""
    return {
        row["id"]: count_of(row.get("downloads")) or 0
        for row in page.rows
        if isinstance(row.get("id"), str) and is_hub_id(row["id"]) and "peft" not in tags_of(row)
    }
