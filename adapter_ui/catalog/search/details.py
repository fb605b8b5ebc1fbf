"""What a row of the Hub's list does not say, read from its files: method, rank, parameters, dtype and sizes.

Many rows are read at once; each costs one read of the config and one of the header. Nothing here knows which
rows are wanted, or keeps what it found.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from queue import SimpleQueue
from typing import TypeVar

from adapter_ui.catalog.bases.reader import BaseReader
from adapter_ui.catalog.hub.client import Hub
from adapter_ui.catalog.profiles.config import CONFIG_BYTES, parse_config
from adapter_ui.catalog.profiles.summary import Weights, with_config, with_weights
from adapter_ui.catalog.storage.cache import Cache
from adapter_ui.catalog.storage.files import HubFiles
from adapter_ui.catalog.storage.index_rows import Details
from adapter_ui.domain import (
    ADAPTER_CONFIG,
    ADAPTER_PICKLE,
    ADAPTER_WEIGHTS,
    AdapterSummary,
    Source,
    is_hub_id,
)
from adapter_ui.domain.tensor_table import FIRST_READ_BYTES, read_tensors
from adapter_ui.errors import (
    BadAdapter,
    Cancelled,
    HubError,
    HubRateLimited,
    HubUnreachable,
    NotFoundOrPrivate,
)

WORKERS = 24
DAY, HOUR = 86_400, 3_600
MOST_FAILURES = 3
PASSING = (HubUnreachable.code, HubRateLimited.code)

Result = TypeVar("Result")


class DetailReader:
    """Reads rows, for as many at once as ask."""

    def __init__(self, hub: Hub, cache: Cache, bases: BaseReader) -> None:
        self._hub = hub
        self._cache = cache
        self._bases = bases

    def read(self, rows: Sequence[AdapterSummary]) -> Iterator[Details]:
        """Each row as soon as its files are known, and again with the size of its base, in any order.

        Closing the iterator stops the work. A row that the Hub fails to tell of is left out; when it refuses
        more requests, or fails several times, no further one is made, and HubUnreachable or HubRateLimited is
        raised after what had arrived.
        """
        job = Job(self._hub, self._cache, self._bases)
        try:
            yield from job.run(rows)
        finally:
            job.stop()


class Job:
    """One reading of some rows: their files in one pool of threads, their bases in another."""

    def __init__(self, hub: Hub, cache: Cache, bases: BaseReader) -> None:
        self._hub = hub
        self._cache = cache
        self._base_reader = bases
        self._files = ThreadPoolExecutor(WORKERS, thread_name_prefix="details")
        self._bases = ThreadPoolExecutor(WORKERS, thread_name_prefix="details")
        self._done: SimpleQueue[Future[Details | None]] = SimpleQueue()
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._failures: list[HubError] = []

    def run(self, rows: Sequence[AdapterSummary]) -> Iterator[Details]:
        reading = {self._submit(self._files, lambda row=row: self._read_files(row)) for row in rows}
        # The list names most bases: their look-up need not wait for the rows that will ask for them.
        for base in {row.base_model for row in rows if has_base(row)}:
            self._bases.submit(self._attempt, lambda base=base: self._base_reader.facts(base))
        left = len(reading)
        while left:
            future = self._done.get()
            details = future.result()
            if details is not None and future in reading and has_base(details.row):
                yield replace(details, fresh_seconds=0)
                self._submit(self._bases, lambda details=details: self._read_base(details))
                continue
            left -= 1
            if details is not None:
                yield details
        if self._stopped.is_set():
            raise self._failures[-1]

    def stop(self) -> None:
        """No further request is made; those on their way end by themselves."""
        self._stopped.set()
        for pool in (self._files, self._bases):
            pool.shutdown(wait=False, cancel_futures=True)

    def _submit(self, pool: ThreadPoolExecutor, work: Callable[[], Details | None]) -> Future[Details | None]:
        future = pool.submit(self._attempt, work)
        future.add_done_callback(self._done.put)
        return future

    def _attempt(self, work: Callable[[], Result]) -> Result | None:
        """What `work` gives; None when the work is stopped, or the Hub fails it."""
        try:
            self._go_on()
            return work()
        except Cancelled:
            return None
        except (HubUnreachable, HubRateLimited) as error:
            with self._lock:
                self._failures.append(error)
                if isinstance(error, HubRateLimited) or len(self._failures) >= MOST_FAILURES:
                    self._stopped.set()
            return None

    def _go_on(self) -> None:
        if self._stopped.is_set():
            raise Cancelled("The details are not wanted any more; search again.")

    def _read_files(self, row: AdapterSummary) -> Details:
        if row.ref.source is not Source.HUB or row.commit is None:
            return Details(row, known=True, fresh_seconds=DAY)
        files = HubFiles(self._hub, self._cache, row.ref.name, row.commit, {})
        config = None
        try:
            try:
                config = parse_config(files.read(ADAPTER_CONFIG, CONFIG_BYTES))
                row = with_config(row, config)
            except BadAdapter:
                # Unsound, and an inspection says why; its weights may still tell their size.
                row = replace(row, method=None)
            self._go_on()
            return Details(with_weights(row, config, read_weights(files)), known=True, fresh_seconds=DAY)
        except (HubUnreachable, HubRateLimited):
            raise
        except HubError:
            # Gated, deleted meanwhile, or no adapter at its top: asked again when that may have changed.
            return Details(row, known=True, fresh_seconds=HOUR)

    def _read_base(self, details: Details) -> Details:
        facts = self._base_reader.facts(details.row.base_model or "")
        row = replace(details.row, base_size_bytes=facts.size_bytes)
        return replace(
            details, row=row, fresh_seconds=0 if facts.problem_code in PASSING else details.fresh_seconds
        )


def has_base(row: AdapterSummary) -> bool:
    return row.base_model is not None and is_hub_id(row.base_model)


def read_weights(files: HubFiles) -> Weights:
    """The header of the weights, or the size of a pickle. Raises HubError when there is neither."""
    try:
        files.read_range(ADAPTER_WEIGHTS, 0, FIRST_READ_BYTES)
    except NotFoundOrPrivate:
        return Weights(files.size(ADAPTER_PICKLE), safetensors=False)
    size = files.size(ADAPTER_WEIGHTS)
    try:
        tensors = read_tensors(lambda start, end: files.read_range(ADAPTER_WEIGHTS, start, end), size)
    except BadAdapter:
        tensors = None
    return Weights(size, safetensors=True, tensors=tensors)
