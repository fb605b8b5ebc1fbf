"""Facts of base models: asked of the Hub once a day, and had from this machine when the Hub is silent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from adapter_ui.catalog.bases.facts import (
    CONFIG_BYTES,
    CONFIG_NAME,
    facts_from_metadata,
    file_sizes,
    local_base_facts,
)
from adapter_ui.catalog.bases.headers import INDEX, folder_tensors, hub_tensors
from adapter_ui.catalog.bases.kept import KeptBase, KeptBases, facts_from_json
from adapter_ui.catalog.bases.memo import Memo
from adapter_ui.catalog.bases.weights import Stored, facts_with_tensors
from adapter_ui.catalog.hub.client import Hub
from adapter_ui.catalog.storage.bases import find_base
from adapter_ui.catalog.storage.cache import Cache
from adapter_ui.catalog.storage.files import HubFiles
from adapter_ui.domain import BaseFacts
from adapter_ui.domain.base_config import is_plain_safetensors
from adapter_ui.errors import BadAdapter, BaseUnavailable, HubError, HubRateLimited, HubUnreachable
from adapter_ui.settings import Settings

PACKAGED = Path(__file__).parents[2] / "starter" / "base.json"
KEPT_SECONDS = 600
FAILURE_SECONDS = 20
MOST_BASES = 2_000
MOST_TABLES = 16


@dataclass(frozen=True)
class Base:
    """What is known of one base. Its weights are `files` of the Hub at the facts' commit, or in `folder`."""

    facts: BaseFacts
    files: Mapping[str, int | None] = field(default_factory=dict)
    folder: Path | None = None


@dataclass(frozen=True)
class Tables:
    """A base's tensors by name; None when it has none in safetensors, or when they cannot be read."""

    tensors: Mapping[str, Stored] | None


class BaseReader:
    """Facts by base id. Several threads that ask for one base at once cost one question to the Hub."""

    def __init__(self, settings: Settings, hub: Hub, cache: Cache) -> None:
        self._settings = settings
        self._hub = hub
        self._cache = cache
        self._kept = KeptBases(cache)
        self._bases: Memo[Base] = Memo(MOST_BASES)
        self._tables: Memo[Tables] = Memo(MOST_TABLES)

    def facts(self, base_id: str) -> BaseFacts:
        """What the metadata and config.json of a base say: at most one request to the Hub's API a day.

        An error is no exception here: `available` is False and `problem` says why.
        """
        return self._base(base_id).facts

    def exact_facts(self, base_id: str) -> BaseFacts:
        """The same with what the headers of its weights add, where they can be read."""
        facts = self.facts(base_id)
        if facts.linear_parameters is not None:
            return facts
        tensors = self._tensors(base_id)
        return facts if tensors is None else facts_with_tensors(facts, tensors)

    def tensors(self, base_id: str) -> Mapping[str, tuple[int, ...]] | None:
        """Shapes by tensor name; None when the base has no safetensors weights or they cannot be read."""
        tensors = self._tensors(base_id)
        return None if tensors is None else {name: one.shape for name, one in tensors.items()}

    def _tensors(self, base_id: str) -> Mapping[str, Stored] | None:
        base = self._base(base_id)
        return self._tables.get(f"{base.facts.id}@{base.facts.commit}", lambda: self._read(base)).tensors

    def _base(self, base_id: str) -> Base:
        return self._bases.get(base_id, lambda: self._find(base_id))

    def _read(self, base: Base) -> tuple[Tables, float]:
        try:
            if base.folder is not None:
                return Tables(folder_tensors(base.folder)), KEPT_SECONDS
            if not base.facts.available or base.facts.commit is None:
                return Tables(None), FAILURE_SECONDS
            files = HubFiles(self._hub, self._cache, base.facts.id, base.facts.commit, base.files)
            return Tables(hub_tensors(files) or None), KEPT_SECONDS
        except (HubError, BadAdapter, OSError):
            # Figures from the metadata alone stay good enough to show.
            return Tables(None), FAILURE_SECONDS

    def _find(self, base_id: str) -> tuple[Base, float]:
        kept = self._kept.get(base_id)
        if kept is not None and kept.fresh:
            return Base(kept.facts, kept.files), KEPT_SECONDS
        try:
            base = self._ask_hub(base_id)
        except HubError as error:
            return self._without_hub(base_id, kept, error), FAILURE_SECONDS
        if not base.facts.available:
            return base, FAILURE_SECONDS
        self._kept.put(base_id, base.facts, base.files)
        return base, KEPT_SECONDS

    def _without_hub(self, base_id: str, kept: KeptBase | None, error: HubError) -> Base:
        """What this machine has of it; older facts only where the Hub did not say no."""
        here = self._look_here(base_id)
        if here is not None:
            return replace(here, facts=with_license(here.facts, kept))
        if kept is not None and isinstance(error, (HubUnreachable, HubRateLimited)):
            return Base(kept.dated_facts, kept.files)
        return Base(BaseFacts(base_id, available=False, problem=error.message, problem_code=error.code))

    def _ask_hub(self, base_id: str) -> Base:
        info = self._hub.model(base_id)
        sizes = file_sizes(info)
        weights = {name: size for name, size in sizes.items() if name == INDEX or is_plain_safetensors(name)}
        facts = facts_from_metadata(info, None)
        if facts.commit is None or CONFIG_NAME not in sizes:
            return Base(facts, weights)
        files = HubFiles(self._hub, self._cache, facts.id, facts.commit, sizes)
        try:
            config = json.loads(files.read(CONFIG_NAME, CONFIG_BYTES))
        except (HubUnreachable, HubRateLimited):
            raise
        except HubError as error:
            problem = replace(facts, available=False, problem=error.message, problem_code=error.code)
            return Base(problem, weights)
        except (ValueError, RecursionError, BadAdapter):
            sentence = f"The config.json of the base {base_id} cannot be read; choose another copy of it."
            code = BaseUnavailable.code
            return Base(replace(facts, available=False, problem=sentence, problem_code=code), weights)
        return Base(facts_from_metadata(info, config if isinstance(config, dict) else None), weights)

    def _look_here(self, base_id: str) -> Base | None:
        """The base's files on this machine, else the facts of the embedded base that come with this app."""
        try:
            found = find_base(self._settings, base_id)
            if found is not None:
                facts = replace(local_base_facts(found.folder, base_id), commit=found.commit)
                return Base(facts, folder=found.folder)
        except BaseUnavailable as error:
            return Base(BaseFacts(base_id, available=False, problem=error.message, problem_code=error.code))
        packaged = packaged_facts(PACKAGED)
        return Base(packaged) if packaged is not None and packaged.id == base_id else None


def with_license(facts: BaseFacts, kept: KeptBase | None) -> BaseFacts:
    """The facts of a folder, which names no licence, with the one that the Hub named or that comes with this
    app.
    """
    packaged = packaged_facts(PACKAGED)
    known = kept.facts if kept else packaged if packaged and packaged.id == facts.id else None
    return replace(facts, license=known.license) if known and not facts.license else facts


def packaged_facts(path: Path) -> BaseFacts | None:
    """Facts of the embedded base, written when the starter adapters were made."""
    return facts_from_json(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None
