"""The catalog: which adapters exist and what is in them, from the Hub and from this machine.

Never a tensor, never torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from adapter_ui.catalog.adapters import AdapterReader
from adapter_ui.catalog.bases.modules import linear_modules
from adapter_ui.catalog.bases.reader import BaseReader
from adapter_ui.catalog.hub.client import Hub
from adapter_ui.catalog.search.details import DetailReader
from adapter_ui.catalog.search.search import Search
from adapter_ui.catalog.storage.cache import Cache
from adapter_ui.catalog.storage.index import Index
from adapter_ui.catalog.storage.library import Library
from adapter_ui.domain import (
    AdapterProfile,
    AdapterRef,
    BaseFacts,
    BaseSuggestion,
    Revision,
    SearchPage,
    SearchQuery,
    Source,
)
from adapter_ui.domain.modules import LinearModules
from adapter_ui.errors import InvalidInput
from adapter_ui.settings import Settings


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
        self._index = Index(settings.home / "index.sqlite")
        self._adapters = AdapterReader(
            settings, self.hub, self._cache, self._index, self.library, self._bases
        )
        details = DetailReader(self.hub, self._cache, self._bases)
        self._search = Search(self.hub, self._index, self.library, details)

    def close(self) -> None:
        self._index.close()
        self._cache.close()

    def search(self, query: SearchQuery) -> SearchPage:
        """One page of rows, at once: at most one request for the Hub's list. When the Hub fails, adapters
        seen before are shown, with a notice. Raises InvalidInput.
        """
        return self._search.first(query)

    def fill(self, query: SearchQuery, page: SearchPage) -> Iterator[SearchPage]:
        """The same page as it grows: details arrive, rows that do not fit go, and others are found.

        Each item is the whole page so far. Closing the iterator stops the work.
        """
        return self._search.fill(query, page)

    def suggest_bases(self, text: str) -> tuple[BaseSuggestion, ...]:
        """Base models that `text` may mean, those with the most adapters known here first."""
        return self._search.suggest_bases(text)

    def inspect(self, ref: AdapterRef, base_id: str = "") -> AdapterProfile:
        """Everything about an adapter that can be known before its weights are downloaded, beside the base
        `base_id`; "" is its own.

        A Hub that is silent leaves what was known earlier, or a downloaded copy. Raises HubError.
        """
        return self._adapters.inspect(ref, base_id)

    def revisions(self, ref: AdapterRef) -> tuple[Revision, ...]:
        """The branches and tags of its repository, `main` first; none on this machine. Raises HubError."""
        return self._adapters.revisions(ref)

    def base_facts(self, base_id: str) -> BaseFacts:
        """What is known of a base model, its headers included; `available` and `problem` say when that is
        nothing.
        """
        return self._bases.exact_facts(base_id)

    def base_modules(self, base_id: str) -> tuple[LinearModules, ...]:
        """The base's linear modules by name, from the tables of its weights; none without such tables."""
        shapes = self._bases.tensors(base_id)
        return linear_modules(self._bases.facts(base_id), shapes) if shapes else ()

    def folder(self, ref: AdapterRef) -> Path:
        """The folder of an adapter on this machine.

        Raises NotFoundOrPrivate, or InvalidInput for one on the Hub.
        """
        if ref.source is Source.HUB:
            raise InvalidInput(
                f"The adapter {ref} is on the Hub, not in a folder; load it first.", field="adapter"
            )
        return self.library.folder(ref)
