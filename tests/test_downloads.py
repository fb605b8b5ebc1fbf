"""Downloads of bases and adapters from a loopback Hub: what is taken, resumed, shared, refused."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants

from adapter_ui.catalog.hub.client import Hub
from adapter_ui.catalog.storage import downloads
from adapter_ui.catalog.storage.bases import fetch_adapter, fetch_base, find_base
from adapter_ui.catalog.storage.snapshots import RepoCache
from adapter_ui.domain import AdapterRef
from adapter_ui.errors import (
    BadAdapter,
    BaseUnavailable,
    DoesNotFit,
    GatedRepo,
    HubError,
    HubUnreachable,
    InvalidInput,
    NotFoundOrPrivate,
)
from adapter_ui.settings import Settings
from tests.conftest import finish
from tests.hub import LoopbackHub

WEIGHTS = bytes(range(256)) * 4096
SMALL = {"config.json": "{}", "tokenizer.json": "{}", "merges.txt": "a b"}
BASE = SMALL | {"model.safetensors": WEIGHTS}
ADAPTER = {"adapter_config.json": "{}", "adapter_model.safetensors": WEIGHTS[:5000]}


@pytest.fixture
def server() -> Iterator[LoopbackHub]:
    with LoopbackHub() as server:
        yield server


@pytest.fixture
def settings(server: LoopbackHub, tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", hub_endpoint=server.endpoint, package_index=False)


@pytest.fixture
def hub(settings: Settings) -> Hub:
    return Hub(settings)


def weight_requests(server: LoopbackHub) -> list[str]:
    return [record.file[1] for record in server.requests if record.file and "safetensors" in record.file[1]]


def test_a_base_is_its_config_tokenizer_and_safetensors(server, settings, hub):
    unwanted = {"README.md": "#", "modeling.py": "import os", "pytorch_model.bin": b"\x80", "runs/log": "x"}
    repo = server.add_repo("org/base", BASE | unwanted)
    work = fetch_base(settings, hub, "org/base")
    steps = []
    try:
        while True:
            steps.append(next(work))
    except StopIteration as stop:
        model = stop.value
    assert (model.id, model.commit) == ("org/base", repo.sha)
    assert {path.name for path in model.folder.iterdir()} == set(BASE)
    assert (model.folder / "model.safetensors").read_bytes() == WEIGHTS
    assert steps[-1].done == steps[-1].total == sum(len(content) for content in BASE.values())


def test_what_is_here_is_not_asked_for_again(server, settings, hub):
    repo = server.add_repo("org/base", BASE)
    first = finish(fetch_base(settings, hub, "org/base"))
    server.requests.clear()
    assert finish(fetch_base(settings, hub, "org/base", repo.sha)) == first
    assert len(server.requests) == 0
    server.stop()
    assert finish(fetch_base(settings, hub, "org/base")) == first


def test_a_base_that_was_asked_for_by_commit_is_found_without_the_hub(server, settings, hub):
    repo = server.add_repo("org/base", BASE)
    first = finish(fetch_base(settings, hub, "org/base", repo.sha))
    assert find_base(settings, "org/base") == first
    assert find_base(settings, "org/base", "v1") is None


def test_only_the_shards_of_the_index_are_taken(server, settings, hub):
    shards = {f"model-0000{n}-of-00002.safetensors": WEIGHTS[:1000] for n in (1, 2)}
    index = json.dumps({"weight_map": dict(zip("ab", shards, strict=True))})
    files = SMALL | shards | {"model.safetensors.index.json": index, "consolidated.safetensors": WEIGHTS}
    server.add_repo("org/base", files)
    model = finish(fetch_base(settings, hub, "org/base"))
    assert {path.name for path in model.folder.iterdir()} == set(files) - {"consolidated.safetensors"}


@pytest.mark.parametrize("name", ["../../evil.safetensors", "sub/evil.safetensors", "model.bin", 3])
def test_an_index_that_names_unusual_files_is_refused(server, settings, hub, name):
    index = json.dumps({"weight_map": {"a": name}})
    server.add_repo("org/base", SMALL | {"model.safetensors.index.json": index})
    with pytest.raises(BaseUnavailable, match="unusual files"):
        finish(fetch_base(settings, hub, "org/base"))


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (SMALL | {"pytorch_model.bin": b"\x80"}, "pickle"),
        (SMALL, "no safetensors weights"),
        ({"model.safetensors": WEIGHTS}, "no config.json"),
    ],
)
def test_a_repository_without_a_safe_model_is_refused_before_any_download(
    server, settings, hub, files, sentence
):
    server.add_repo("org/base", files)
    with pytest.raises(BaseUnavailable, match=sentence):
        finish(fetch_base(settings, hub, "org/base"))
    assert not settings.hub_cache.exists()


def test_a_dropped_connection_is_taken_up_where_it_broke(server, settings, hub):
    server.add_repo("org/base", BASE)
    fault = server.faults.inject("/_cdn/*", cut_after=300_000, times=2)
    model = finish(fetch_base(settings, hub, "org/base"))
    assert fault.hits == 2
    assert (model.folder / "model.safetensors").read_bytes() == WEIGHTS
    assert len(weight_requests(server)) == 3


def test_closing_stops_at_once_and_the_next_try_continues(server, settings, hub):
    server.add_repo("org/base", BASE)
    server.faults.inject("/_cdn/*", bytes_per_second=200_000)
    work = fetch_base(settings, hub, "org/base")
    step = next(step for step in work if (step.done or 0) > 100_000)
    started = time.monotonic()
    work.close()
    assert time.monotonic() - started < 1
    (partial,) = RepoCache(settings.hub_cache, "org/base").partials.iterdir()
    kept = partial.stat().st_size
    assert 0 < kept < len(WEIGHTS)
    server.faults.clear()
    again = fetch_base(settings, hub, "org/base")
    first = next(progress for progress in again if (progress.done or 0) > step.done / 2)
    assert first.done >= kept
    assert (finish(again).folder / "model.safetensors").read_bytes() == WEIGHTS


def test_two_who_ask_at_once_share_one_download(server, settings, hub):
    server.add_repo("org/base", BASE)
    server.faults.inject("/_cdn/*", bytes_per_second=1_500_000)
    one, two = (fetch_base(settings, hub, "org/base") for _ in range(2))
    for work in (one, two):
        next(step for step in work if step.done)
    one.close()
    assert finish(two).folder.is_dir()
    assert weight_requests(server) == ["model.safetensors"]


def test_damaged_bytes_never_become_a_model(server, settings, hub):
    repo = server.add_repo("org/base", BASE)
    server.faults.inject("/_cdn/*", body=b"x" * len(WEIGHTS), status=200, times=1)
    with pytest.raises(BaseUnavailable, match="damaged"):
        finish(fetch_base(settings, hub, "org/base"))
    assert not (RepoCache(settings.hub_cache, "org/base").snapshot(repo.sha) / "model.safetensors").exists()
    assert finish(fetch_base(settings, hub, "org/base")).commit == repo.sha


def test_more_bytes_than_listed_are_not_stored(server, settings, hub):
    server.add_repo("org/base", BASE)
    server.faults.inject("/_cdn/*", body=WEIGHTS + b"x", status=200)
    with pytest.raises(BaseUnavailable, match="more of"):
        finish(fetch_base(settings, hub, "org/base"))


def test_silence_ends_with_a_next_step(server, settings, hub, monkeypatch):
    monkeypatch.setattr(downloads, "STALL_SECONDS", 0.3)
    server.add_repo("org/adapter", ADAPTER)
    server.faults.inject("/_cdn/*", delay=20)
    with pytest.raises(HubUnreachable, match="try again, the download goes on"):
        finish(fetch_adapter(settings, hub, AdapterRef.parse("org/adapter")))


def test_a_full_disk_is_told_before_the_download(server, settings, hub, monkeypatch):
    monkeypatch.setattr(downloads, "SPARE_DISK_BYTES", 1 << 60)
    server.add_repo("org/base", BASE)
    with pytest.raises(DoesNotFit, match="free some space"):
        finish(fetch_base(settings, hub, "org/base"))
    assert weight_requests(server) == []


def test_an_adapter_is_its_config_weights_and_label_names(server, settings, hub):
    repo = server.add_repo(
        "org/adapter", ADAPTER | {"label_names.json": "[]", "train.py": "", "tokenizer.json": "{}"}
    )
    folder = finish(fetch_adapter(settings, hub, AdapterRef.parse("org/adapter"), repo.sha))
    assert {path.name for path in folder.iterdir()} == {*ADAPTER, "label_names.json"}
    server.stop()
    assert finish(fetch_adapter(settings, hub, AdapterRef.parse("org/adapter"))) == folder


def test_a_new_commit_on_main_is_noticed(server, settings, hub):
    repo = server.add_repo("org/adapter", ADAPTER)
    ref = AdapterRef.parse("org/adapter")
    old = finish(fetch_adapter(settings, hub, ref))
    repo.commit({"adapter_model.safetensors": WEIGHTS[:6000]})
    new = finish(fetch_adapter(settings, hub, ref))
    assert new != old
    assert (new / "adapter_model.safetensors").stat().st_size == 6000


def test_refusals_of_the_hub_keep_their_kind(server, settings, hub):
    server.add_repo("org/gated", ADAPTER, gated="manual")
    server.add_repo("org/pickle", {"adapter_config.json": "{}", "adapter_model.bin": b"\x80"})
    for name, kind in [("org/gated", GatedRepo), ("org/none", NotFoundOrPrivate), ("org/pickle", BadAdapter)]:
        with pytest.raises(kind):
            finish(fetch_adapter(settings, hub, AdapterRef.parse(name)))
    with pytest.raises(BaseUnavailable, match="org/none is not on this machine"):
        finish(fetch_base(settings, hub, "org/none"))


def test_a_token_reaches_the_hub_and_not_the_cdn(server, settings):
    server.add_repo("someone/private", ADAPTER, private=True)
    server.add_user("hf_secret", "someone")
    settings = replace(settings, hub_token="hf_secret")
    folder = finish(fetch_adapter(settings, Hub(settings), AdapterRef.parse("someone/private")))
    assert (folder / "adapter_model.safetensors").read_bytes() == ADAPTER["adapter_model.safetensors"]


def test_the_users_own_cache_is_used_in_local_mode_only(server, settings, hub, tmp_path, monkeypatch):
    place = RepoCache(tmp_path / "users", "org/base")
    folder = place.snapshot("a" * 40)
    folder.mkdir(parents=True)
    for name, content in {
        "config.json": b"{}",
        "tokenizer.json": b"{}",
        "model.safetensors": WEIGHTS,
    }.items():
        (folder / name).write_bytes(content)
    place.remember("main", "a" * 40)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(place.cache))
    assert finish(fetch_base(settings, hub, "org/base")).folder == folder
    with pytest.raises(BaseUnavailable):
        finish(fetch_base(replace(settings, on_space=True), hub, "org/base"))


@pytest.mark.parametrize("name", ["../etc", "/root/model", "org/a/b", "", "org/..", "a--b/c"])
def test_names_that_are_not_hub_names_are_refused(settings, hub, name):
    with pytest.raises(InvalidInput, match="not a model on the Hub"):
        finish(fetch_base(settings, hub, name))


def test_offline_mode_asks_nobody(server, settings):
    settings = replace(settings, offline=True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE"):
        finish(fetch_adapter(settings, Hub(settings), AdapterRef.parse("org/adapter")))
    assert len(server.requests) == 0
