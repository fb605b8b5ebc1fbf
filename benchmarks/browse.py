"""How soon a page of adapters is filled in, beside the plain loop that asks and downloads row by row.

    python benchmarks/browse.py [--adapters 50] [--bases 3] [--latency 0.08]

Both ask the same loopback Hub, in a process of its own, that answers every request after the latency. The
plain loop is one list, then model_info and hf_hub_download of the config and the weights for each row, into
an empty cache. Targets: ours at least 15 times faster, at most 1 + bases requests in the Hub's API bucket,
the first rows after one request, and one request for a second view, also after a restart.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
os.environ["HF_HUB_DISABLE_XET"] = os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

from huggingface_hub import HfApi, hf_hub_download  # noqa: E402 - reads the environment when imported

from adapter_ui.catalog.catalog import Catalog  # noqa: E402
from adapter_ui.domain import ADAPTER_CONFIG, ADAPTER_WEIGHTS, SearchQuery, Source  # noqa: E402
from adapter_ui.settings import Settings  # noqa: E402
from tests.hub import LoopbackHub  # noqa: E402
from tests.hub.light_adapters import BASE_IDS, add_light_adapters, add_light_bases  # noqa: E402

RATIO = 15


@dataclass(frozen=True)
class View:
    """One way to see the page: seconds until the first rows and until all is filled in, and the requests by
    bucket (the CDN has none).
    """

    seconds: float
    requests: Counter[str]
    first_seconds: float = 0.0
    first_requests: int = 0


class Hub:
    """The Hub in the other process."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self.endpoint: str = pipe.recv()

    def requests(self) -> Counter[str]:
        """The requests since the last time this was asked."""
        self._pipe.send("requests")
        return Counter(self._pipe.recv())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--adapters", type=int, default=50)
    parser.add_argument("--bases", type=int, default=3, choices=range(1, len(BASE_IDS) + 1))
    parser.add_argument("--latency", type=float, default=0.08, help="seconds per request")
    arguments = parser.parse_args()
    with running_hub(arguments) as hub, tempfile.TemporaryDirectory() as folder:
        plain = plain_loop(hub, Path(folder) / "plain", arguments.adapters)
        settings = Settings(home=Path(folder) / "home", hub_endpoint=hub.endpoint)
        catalog = Catalog(settings)
        ours = view(hub, catalog, arguments.adapters)
        second = view(hub, catalog, arguments.adapters)
        catalog.close()
        again = Catalog(settings)
        restarted = view(hub, again, arguments.adapters)
        again.close()
    return report(plain, ours, second, restarted, arguments.bases)


def plain_loop(hub: Hub, cache: Path, count: int) -> View:
    api = HfApi(endpoint=hub.endpoint, token=False)
    started = time.perf_counter()
    for row in api.list_models(filter="peft", sort="downloads", limit=count):
        api.model_info(row.id)
        for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
            hf_hub_download(row.id, name, endpoint=hub.endpoint, cache_dir=cache, token=False)
    return View(time.perf_counter() - started, hub.requests())


def view(hub: Hub, catalog: Catalog, count: int) -> View:
    query = SearchQuery(source=Source.HUB, sort="downloads", limit=count)
    started = time.perf_counter()
    page = catalog.search(query)
    first_seconds, first = time.perf_counter() - started, hub.requests()
    *_, last = catalog.fill(query, page)
    seconds = time.perf_counter() - started
    assert len(page.adapters) == len(last.adapters) == count
    for row in last.adapters:
        assert row.complete and row.method and row.size_bytes and row.base_size_bytes, row
    return View(seconds, first + hub.requests(), first_seconds, first.total())


def report(plain: View, ours: View, second: View, restarted: View, bases: int) -> int:
    views = {"plain loop": plain, "ours": ours, "a second view": second, "after a restart": restarted}
    for name, one in views.items():
        print(f"{name:15} {one.seconds:6.2f} s, {one.requests.total():4} requests: {dict(one.requests)}")
    ratio = plain.seconds / ours.seconds
    print(f"first rows after {ours.first_requests} request and {ours.first_seconds:.2f} s")
    checks = {
        f"{ratio:.1f} times faster, target at least {RATIO}": ratio >= RATIO,
        f"{ours.requests['api']} API requests, target at most {1 + bases}": ours.requests["api"] <= 1 + bases,
        "first rows after one request": ours.first_requests == 1,
        "a second view makes one request": second.requests.total() == 1,
        "after a restart, too": restarted.requests.total() == 1,
    }
    for text, holds in checks.items():
        print(f"{'ok  ' if holds else 'FAIL'} {text}")
    return 0 if all(checks.values()) else 1


@contextmanager
def running_hub(arguments: argparse.Namespace) -> Iterator[Hub]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=serve, args=(there, arguments.adapters, arguments.bases, arguments.latency)
    )
    process.start()
    try:
        yield Hub(here)
        here.send("stop")
    finally:
        process.join(timeout=10)
        process.kill()


def serve(pipe: Connection, adapters: int, bases: int, latency: float) -> None:
    """The other process: a Hub that gives its requests by bucket, and forgets them, whenever asked."""
    with LoopbackHub() as hub:
        add_light_bases(hub, BASE_IDS[:bases])
        add_light_adapters(hub, adapters, BASE_IDS[:bases])
        hub.faults.latency = latency
        pipe.send(hub.endpoint)
        while pipe.recv() == "requests":
            buckets = [record.bucket or record.origin for record in hub.requests]
            hub.requests.clear()
            pipe.send(buckets)


if __name__ == "__main__":
    raise SystemExit(main())
