"""Reading the details of rows: what each costs, what a failing Hub leaves, and how the work stops."""

from __future__ import annotations

import threading

import pytest

from adapter_ui.catalog.bases.reader import BaseReader
from adapter_ui.catalog.search.details import WORKERS, DetailReader
from adapter_ui.catalog.storage.cache import Cache
from adapter_ui.domain import AdapterRef, AdapterSummary, Source
from adapter_ui.errors import HubRateLimited, HubUnreachable
from tests.catalog.folders import adapter_files, lora_tensors
from tests.hub.catalogue import add_light_catalogue
from tests.hub.light_adapters import light_base_files

BASE = "tiny-org/base"


@pytest.fixture
def reader(hub, settings):
    cache = Cache(settings.home / "cache.sqlite")
    yield DetailReader(hub, cache, BaseReader(settings, hub, cache))
    cache.close()


@pytest.fixture
def many(server) -> list[AdapterSummary]:
    add_light_catalogue(server, count=30)
    return [row_of(server, name) for name in server.ids() if "-adapter-" in name]


def row_of(server, name: str, base: str | None = None) -> AdapterSummary:
    return AdapterSummary(AdapterRef(Source.HUB, name), commit=server.repo(name).sha, base_model=base)


def complete(reader: DetailReader, rows: list[AdapterSummary]) -> dict[str, AdapterSummary]:
    return {details.row.ref.name: details.shown for details in reader.read(rows)}


def test_every_row_comes_with_its_details(server, many, reader):
    found = complete(reader, many)
    assert found.keys() == {row.ref.name for row in many}
    for name, row in found.items():
        files = server.repo(name).head.files
        assert row.size_bytes == files["adapter_model.safetensors"].content.size
        assert row.base_size_bytes == 512 * 64 * 4
        assert row.method in ("LORA", "IA3", "PROMPT_TUNING")
        assert row.dtype in ("float32", "float16")
        assert row.complete
        assert row.safetensors


def test_a_row_costs_one_read_of_the_config_and_one_of_the_header(server, many, reader):
    complete(reader, many)
    requests = server.requests
    assert requests.count("/*/resolve/*/adapter_config.json") == len(many)
    assert requests.count("/*/resolve/*/adapter_model.safetensors") == len(many)
    assert requests.count("/api/models/*") == 3
    assert all(record.range == "bytes=0-65535" for record in requests.matching("/_cdn/*"))


def test_a_second_time_costs_nothing(server, many, reader):
    first = complete(reader, many)
    server.requests.clear()
    assert complete(reader, many) == first
    assert len(server.requests) == 0


def test_a_row_is_known_before_its_base_is(server, reader):
    server.add_repo(BASE, light_base_files())
    server.add_repo("a/b", adapter_files())
    before, after = reader.read([row_of(server, "a/b")])
    assert (before.known, before.shown.complete, before.row.rank) == (True, False, 2)
    assert before.row.base_size_bytes is None
    assert after.shown.complete
    assert after.row.base_size_bytes == 512 * 64 * 4


def test_the_true_rank_is_the_tensors(server, reader):
    server.add_repo("a/b", adapter_files({"r": 8}, lora_tensors(rank=3)))
    assert complete(reader, [row_of(server, "a/b")])["a/b"].rank == 3


def test_a_long_header_is_read_in_two_parts(server, reader):
    server.add_repo("a/b", adapter_files(tensors=lora_tensors(rank=4, layers=400, width=4)))
    row = complete(reader, [row_of(server, "a/b")])["a/b"]
    assert (row.rank, row.parameters) == (4, 400 * 2 * 4 * 4)
    assert server.requests.count("/_cdn/*") == 2


def test_a_pickle_has_a_size_and_nothing_of_it_is_read(server, reader):
    files = adapter_files()
    files["adapter_model.bin"] = files.pop("adapter_model.safetensors")
    server.add_repo("a/pickle", files)
    row = complete(reader, [row_of(server, "a/pickle")])["a/pickle"]
    assert (row.size_bytes, row.safetensors, row.rank) == (len(files["adapter_model.bin"]), False, 2)
    assert server.requests.bytes_served("a/pickle", "adapter_model.bin") == 0


@pytest.mark.parametrize("weights", [b"", b"no header", b"\x02\x00\x00\x00\x00\x00\x00\x00[]"])
def test_unsound_weights_leave_the_config(server, reader, weights):
    server.add_repo("a/b", adapter_files() | {"adapter_model.safetensors": weights})
    row = complete(reader, [row_of(server, "a/b")])["a/b"]
    assert (row.method, row.rank, row.parameters, row.complete) == ("LORA", 2, None, True)


def test_gated_broken_and_deleted_rows_are_complete_and_unknown(server, reader):
    server.add_repo("a/gated", adapter_files(), gated="manual")
    server.add_repo("a/broken", {"adapter_config.json": '{"peft_type": 7}'})
    server.add_repo("a/deleted", adapter_files())
    rows = [row_of(server, name) for name in ("a/gated", "a/broken", "a/deleted")]
    server.remove_repo("a/deleted")
    for row in complete(reader, rows).values():
        assert (row.method, row.rank, row.size_bytes, row.complete) == (None, None, None, True)


def test_an_unsound_config_leaves_the_size(server, reader):
    server.add_repo("a/b", adapter_files() | {"adapter_config.json": "[]"})
    row = complete(reader, [row_of(server, "a/b")])["a/b"]
    assert (row.method, row.dtype, row.parameters) == (None, "float32", 512)


def test_a_base_that_cannot_be_asked_leaves_the_row_unfinished(server, reader):
    server.add_repo("a/b", adapter_files())
    server.faults.inject("/api/models/*", status=429)
    details = list(reader.read([row_of(server, "a/b")]))
    assert [(one.known, one.shown.complete) for one in details] == [(True, False), (True, False)]


def test_after_a_refusal_the_rest_is_not_asked_for(server, many, reader):
    server.faults.inject("/*/resolve/*", status=429, reset_seconds=42)
    with pytest.raises(HubRateLimited, match="in 42 seconds"):
        list(reader.read(many))
    assert server.requests.count("/*/resolve/*") <= WORKERS


def test_a_hub_that_went_away_ends_the_work(server, many, reader):
    server.stop()
    with pytest.raises(HubUnreachable):
        list(reader.read(many))


def test_one_file_that_fails_costs_one_row(server, many, reader):
    failing = many[4].ref.name
    server.faults.inject(f"/{failing}/resolve/*", status=503)
    assert complete(reader, many).keys() == {row.ref.name for row in many} - {failing}


def test_closing_the_iterator_stops_the_work(server, many, reader):
    server.faults.latency = 0.05
    reading = reader.read(many)
    next(reading)
    reading.close()
    for thread in threading.enumerate():
        if thread.name.startswith("details"):
            thread.join(timeout=5)
            assert not thread.is_alive()
    asked = len(server.requests)
    assert server.requests.count("/*/resolve/*") < 2 * len(many)
    assert complete(reader, []) == {}
    assert len(server.requests) == asked


def test_a_row_without_a_commit_is_not_asked_for(server, reader):
    row = AdapterSummary(AdapterRef(Source.HUB, "a/b"))
    assert complete(reader, [row])["a/b"].method is None
    assert len(server.requests) == 0
