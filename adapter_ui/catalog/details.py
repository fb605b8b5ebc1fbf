"""What a row of the Hub's list does not say: method, rank and sizes, read from the files, eight rows at a
time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import replace

from adapter_ui.catalog.bases.reader import BaseReader
from adapter_ui.catalog.hub.client import Hub
from adapter_ui.catalog.profiles.config import CONFIG_BYTES, AdapterConfig, parse_config
from adapter_ui.catalog.storage.cache import Cache
from adapter_ui.catalog.storage.files import HubFiles
from adapter_ui.domain import (
    ADAPTER_CONFIG,
    ADAPTER_PICKLE,
    ADAPTER_WEIGHTS,
    AdapterSummary,
    Source,
    is_hub_id,
)
from adapter_ui.errors import BadAdapter, HubError, HubRateLimited, HubUnreachable, NotFoundOrPrivate

WORKERS = 8


class DetailReader:
    """Fills rows.

    After the Hub was unreachable or refused more requests, no further one is made for this list.
    """

    def __init__(self, hub: Hub, cache: Cache, bases: BaseReader) -> None:
        self._hub = hub
        self._cache = cache
        self._bases = bases

    def fill(self, adapters: Sequence[AdapterSummary]) -> Iterator[AdapterSummary]:
        """Each row once, as soon as its details are known, in any order.

        Closing the iterator stops the work.
        """
        stopped = threading.Event()
        pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="details")
        try:
            futures: list[Future[AdapterSummary]] = [
                pool.submit(self._fill_row, row, stopped) for row in adapters
            ]
            for future in as_completed(futures):
                yield future.result()
        finally:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)

    def _fill_row(self, row: AdapterSummary, stopped: threading.Event) -> AdapterSummary:
        for step in (self._with_config, self._with_size, self._with_base):
            if stopped.is_set():
                return row
            try:
                row = step(row)
            except (HubUnreachable, HubRateLimited):
                stopped.set()
            except (HubError, BadAdapter):
                # Gated, deleted meanwhile or unsound: the row stays as it is, and an inspection says why.
                continue
        return row

    def _with_config(self, row: AdapterSummary) -> AdapterSummary:
        if row.ref.source is not Source.HUB or row.commit is None:
            return row
        config: AdapterConfig = parse_config(self._files(row, row.commit).read(ADAPTER_CONFIG, CONFIG_BYTES))
        named = config.base_model_name_or_path
        return replace(
            row,
            method=config.peft_type,
            rank=config.r or row.rank,
            task_type=config.task_type or row.task_type,
            base_model=named if named and is_hub_id(named) else row.base_model,
        )

    def _with_size(self, row: AdapterSummary) -> AdapterSummary:
        if row.ref.source is not Source.HUB or row.commit is None:
            return row
        files = self._files(row, row.commit)
        try:
            return replace(row, size_bytes=files.size(ADAPTER_WEIGHTS))
        except NotFoundOrPrivate:
            return replace(row, size_bytes=files.size(ADAPTER_PICKLE))

    def _with_base(self, row: AdapterSummary) -> AdapterSummary:
        if row.base_model is None or not is_hub_id(row.base_model):
            return row
        return replace(row, base_size_bytes=self._bases.facts(row.base_model).size_bytes)

    def _files(self, row: AdapterSummary, commit: str) -> HubFiles:
        return HubFiles(self._hub, self._cache, row.ref.name, commit, {})
