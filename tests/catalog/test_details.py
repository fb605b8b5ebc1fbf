"""Filling rows: what each costs, what a failing Hub leaves, and how the work stops."""

from __future__ import annotations

import threading

import pytest

from adapter_ui.domain import AdapterRef, AdapterSummary, SearchQuery, Source
from tests.catalog.folders import adapter_files, write_adapter
from tests.hub.catalogue import add_light_catalogue
from tests.hub.light_adapters import light_base_files


@pytest.fixture
def many(server):
    add_light_catalogue(server, count=30)
    return server


def rows_of(catalog, **query) -> tuple[AdapterSummary, ...]:
    return catalog.search(SearchQuery(**{"sort": "downloads", "limit": 30} | query)).adapters


def test_every_row_comes_back_once_with_its_details(many, catalog):
    rows = rows_of(catalog)
    filled = {row.ref: row for row in catalog.fill(rows)}
    assert filled.keys() == {row.ref for row in rows}
    for ref, row in filled.items():
        if "-adapter-" not in ref.name:
            continue
        files = many.repo(ref.name).head.files
        assert row.size_bytes == files["adapter_model.safetensors"].content.size
        assert row.base_size_bytes == 512 * 64 * 4
        assert row.method in ("LORA", "IA3", "PROMPT_TUNING")
        assert (row.rank is not None) == (row.method == "LORA")


def test_no_weights_are_read_and_each_base_is_asked_once(many, catalog):
    rows = rows_of(catalog, text="-adapter-")
    many.requests.clear()
    list(catalog.fill(rows))
    assert many.requests.count("/_cdn/*") == 0
    assert many.requests.count("/api/models/*") == 3
    assert many.requests.count("/*/resolve/*/adapter_model.safetensors", method="HEAD") == len(rows)


def test_a_second_time_only_costs_nothing(many, catalog):
    rows = rows_of(catalog, text="-adapter-")
    first = {row.ref: row for row in catalog.fill(rows)}
    many.requests.clear()
    assert {row.ref: row for row in catalog.fill(rows)} == first
    assert len(many.requests) == 0


def test_gated_broken_and_deleted_rows_are_given_as_they_are(server, catalog):
    server.add_repo("a/gated", adapter_files(card="---\nlibrary_name: peft\n---"), gated="manual")
    server.add_repo(
        "a/broken", {"adapter_config.json": '{"peft_type": 7}', "README.md": "---\ntags: [peft]\n---"}
    )
    server.add_repo("a/deleted", adapter_files())
    rows = rows_of(catalog)
    assert len(rows) == 3
    server.remove_repo("a/deleted")
    filled = {row.ref.name: row for row in catalog.fill(rows)}
    assert filled.keys() == {"a/gated", "a/broken", "a/deleted"}
    assert filled["a/gated"].gated
    assert filled["a/gated"].base_model == "tiny-org/base"
    assert all(row.size_bytes is None for row in filled.values())


def test_a_pickle_has_a_size_too(server, catalog):
    files = adapter_files()
    files["adapter_model.bin"] = files.pop("adapter_model.safetensors")
    server.add_repo("a/pickle", files)
    (row,) = catalog.fill(rows_of(catalog))
    assert row.size_bytes == len(files["adapter_model.bin"])


def test_local_rows_get_the_size_of_their_base(server, catalog, settings):
    server.add_repo("tiny-org/base", light_base_files())
    write_adapter(settings.folder / "mine")
    (row,) = catalog.fill(rows_of(catalog, source="folder"))
    assert (row.rank, row.base_size_bytes) == (2, 512 * 64 * 4)


def test_after_a_refusal_the_rest_is_not_asked_for(many, catalog):
    rows = rows_of(catalog)
    many.requests.clear()
    many.faults.inject("/*", status=429)
    filled = list(catalog.fill(rows))
    assert {row.ref for row in filled} == {row.ref for row in rows}
    assert len(many.requests) <= 8


def test_a_hub_that_went_away_leaves_the_rows(many, catalog):
    rows = rows_of(catalog)
    many.stop()
    assert {row.ref for row in catalog.fill(rows)} == {row.ref for row in rows}


def test_closing_the_iterator_stops_the_work(many, catalog):
    rows = rows_of(catalog)
    many.faults.latency = 0.05
    filling = catalog.fill(rows)
    next(filling)
    filling.close()
    for thread in threading.enumerate():
        if thread.name.startswith("details"):
            thread.join(timeout=5)
            assert not thread.is_alive()
    asked = {record.path.split("/resolve/")[0] for record in many.requests if "/resolve/" in record.path}
    assert len(asked) < len(rows)


def test_a_row_that_is_gone_before_it_is_listed_is_not_asked_for(server, catalog):
    row = AdapterSummary(AdapterRef(Source.HUB, "a/b"))
    assert list(catalog.fill([row])) == [row]
    assert len(server.requests) == 0
    assert list(catalog.fill([])) == []
