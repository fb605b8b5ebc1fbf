"""One request at a time, against a Hub that misbehaves: every failure becomes one of ours, in time."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import constants, errors, hf_hub_download

from adapter_ui.catalog.hub import transport
from adapter_ui.catalog.hub.client import Hub, next_cursor
from adapter_ui.catalog.hub.errors import hub_errors
from adapter_ui.catalog.storage.cache import Cache
from adapter_ui.catalog.storage.files import HubFiles
from adapter_ui.errors import (
    AdapterUIError,
    GatedRepo,
    HubError,
    HubRateLimited,
    HubUnreachable,
    InvalidRef,
    NotFoundOrPrivate,
)
from adapter_ui.settings import Settings
from tests.hub import LoopbackHub

HUNDRED_MB = 100_000_000
FILES = {"adapter_config.json": "{}", "adapter_model.safetensors": bytes(range(256)) * 4096}


@pytest.fixture
def commit(server: LoopbackHub) -> str:
    return server.add_repo("ada/lora", FILES).sha


def with_token(settings: Settings, token: str) -> Hub:
    return Hub(replace(settings, hub_token=token))


def test_a_range_is_a_range_and_the_token_stays_at_home(server, settings, commit):
    server.add_user("hf_ada", "ada")
    hub = with_token(settings, "hf_ada")
    assert (
        hub.read_range("ada/lora", commit, "adapter_model.safetensors", 100, 300)
        == FILES["adapter_model.safetensors"][100:300]
    )
    home, cdn = server.requests
    assert (home.origin, home.had_authorization) == ("hub", True)
    assert (cdn.origin, cdn.had_authorization, cdn.bytes_sent) == ("cdn", False, 200)


def test_no_token_means_no_token_even_when_the_machine_has_one(server, settings, commit, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_machine")
    Hub(settings).model("ada/lora")
    assert not any(record.had_authorization for record in server.requests)


def test_a_body_is_read_no_further_than_its_limit(server, hub, commit):
    server.faults.inject("/_cdn/*", bytes_per_second=2_000_000)
    assert len(hub.read("ada/lora", commit, "adapter_model.safetensors", 5000)) == 5001


def test_a_server_without_ranges_is_understood(server, hub, commit):
    body = FILES["adapter_model.safetensors"]
    server.faults.inject("/_cdn/*", body=body)
    assert hub.read_range("ada/lora", commit, "adapter_model.safetensors", 100, 300) == body[100:300]


def test_a_server_without_ranges_is_not_read_for_long(server, hub, commit):
    server.faults.inject("/_cdn/*", stream_bytes=HUNDRED_MB, bytes_per_second=10_000_000)
    started = time.monotonic()
    with pytest.raises(HubUnreachable, match="not an answer of the Hub"):
        hub.read_range("ada/lora", commit, "adapter_model.safetensors", 90_000_000, 90_000_300)
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("stated", ["bytes 0-199/1048576", "bytes 1000-1199/1048576", "bytes */1048576", "x"])
def test_another_range_than_the_one_asked_for_is_no_answer(server, hub, commit, stated):
    server.faults.inject("/_cdn/*", status=206, headers={"Content-Range": stated}, body=b"x" * 200)
    with pytest.raises(HubUnreachable, match="not an answer of the Hub"):
        hub.read_range("ada/lora", commit, "adapter_model.safetensors", 100, 300)


def test_a_page_is_no_file(server, hub, commit):
    server.faults.inject("/*/adapter_*", html=True)
    for ask in (hub.read, lambda *where: hub.read_range(*where[:3], 0, where[3])):
        with pytest.raises(HubUnreachable, match="a login page of the network"):
            ask("ada/lora", commit, "adapter_config.json", 1000)


@pytest.mark.parametrize("listed", [{}, {"adapter_config.json": 2}])
@pytest.mark.parametrize("path", ["/api/resolve-cache/*", "/*/resolve/*"])
@pytest.mark.parametrize("body", [b"{", b"{" * 1_000_000, "<p>Please sign in</p>"])
def test_what_is_not_the_hubs_or_not_as_long_as_it_says_is_not_kept(
    server, hub, settings, commit, body, path, listed
):
    cache = Cache(settings.home / "cache.sqlite")
    files = HubFiles(hub, cache, "ada/lora", commit, listed)
    fault = server.faults.inject(path, body=body, times=2)
    for ask in (lambda: files.read("adapter_config.json", 100), lambda: read_start(files)):
        with pytest.raises(HubUnreachable, match="not an answer of the Hub"):
            ask()
    assert fault.hits == 2
    assert files.read("adapter_config.json", 100) == read_start(files) == b"{}"
    cache.close()


def read_start(files: HubFiles) -> bytes:
    return files.read_range("adapter_config.json", 0, 100)


def test_a_redirect_to_another_host_carries_no_token(server, settings, commit):
    server.add_user("hf_ada", "ada")
    elsewhere = f"{server.cdn}/api/models/ada/lora"
    server.faults.inject("/api/*", origin="hub", status=307, headers={"Location": elsewhere})
    with pytest.raises(NotFoundOrPrivate):
        with_token(settings, "hf_ada").model("ada/lora")
    home, away = server.requests
    assert (home.origin, home.had_authorization) == ("hub", True)
    assert (away.origin, away.had_authorization) == ("cdn", False)


def test_redirects_end(server, hub, commit):
    server.faults.inject("/api/*", status=302, headers={"Location": "/api/models/ada/lora"})
    with pytest.raises(HubUnreachable, match="around in circles"):
        hub.model("ada/lora")
    assert len(server.requests) <= 10


@pytest.mark.parametrize("status", [429, 500])
def test_the_body_of_a_refusal_is_not_read(server, hub, commit, status):
    server.faults.inject("/api/*", status=status, stream_bytes=HUNDRED_MB, bytes_per_second=10_000_000)
    started = time.monotonic()
    with pytest.raises(HubError):
        hub.model("ada/lora")
    assert time.monotonic() - started < 3


def test_a_hub_with_a_deadline_is_left_at_it(server, hub, commit):
    server.faults.inject("/api/*", delay=3)
    started = time.monotonic()
    with pytest.raises(HubUnreachable, match="too slowly"):
        hub.until(started + 0.3).model("ada/lora")
    assert time.monotonic() - started < 2
    with pytest.raises(HubUnreachable, match="too slowly"):
        hub.until(started).model("ada/lora")
    assert len(server.requests) == 1


def test_a_size_costs_one_request_without_a_body(server, hub, commit):
    assert hub.size("ada/lora", commit, "adapter_model.safetensors") == 1_048_576
    assert hub.size("ada/lora", commit, "adapter_config.json") == 2
    assert [(record.method, record.bytes_sent) for record in server.requests] == [("HEAD", 0), ("HEAD", 0)]


@pytest.mark.parametrize(
    ("token", "repo_id", "error"),
    [
        (False, "no/such", NotFoundOrPrivate),
        (False, "ada/private", NotFoundOrPrivate),
        ("hf_other", "no/such", NotFoundOrPrivate),
        ("hf_other", "ada/private", NotFoundOrPrivate),
        ("hf_bad", "ada/lora", HubError),
    ],
)
def test_a_repository_that_may_not_be_seen(server, settings, commit, token, repo_id, error):
    server.add_user("hf_other", "other")
    server.add_repo("ada/private", FILES, private=True)
    with pytest.raises(error) as raised:
        with_token(settings, token).model(repo_id)
    assert type(raised.value) is error


@pytest.mark.parametrize("token", [False, "hf_other"])
def test_gated_files_are_gated_and_not_merely_not_found(server, settings, token):
    server.add_user("hf_other", "other")
    commit = server.add_repo("ada/gated", FILES, gated="manual").sha
    hub = with_token(settings, token)
    assert hub.model("ada/gated")["gated"] == "manual"
    with pytest.raises(GatedRepo, match="accept its terms"):
        hub.read("ada/gated", commit, "adapter_config.json", 100)


def test_a_revision_or_a_file_that_is_not_there(hub, commit):
    with pytest.raises(NotFoundOrPrivate, match="no such revision"):
        hub.model("ada/lora", "no-such-branch")
    with pytest.raises(NotFoundOrPrivate, match="does not have the file nothing"):
        hub.read("ada/lora", commit, "nothing.json", 100)


def test_a_renamed_repository_is_followed(server, hub, commit):
    server.rename("ada/lora", "ada/new-name")
    assert hub.model("ada/lora")["id"] == "ada/new-name"


@pytest.mark.parametrize(
    "fault",
    [{"html": True}, {"invalid_json": True}, {"body": b"\xff\xfe"}, {"body": "7"}, {"body": "[" * 100_000}],
)
def test_an_answer_that_is_none_is_told(server, hub, commit, fault):
    server.faults.inject("/api/*", **fault)
    for ask in (lambda: hub.model("ada/lora"), lambda: hub.list_models({"limit": 3})):
        with pytest.raises(HubUnreachable, match="not an answer of the Hub"):
            ask()


@pytest.mark.parametrize(
    ("fault", "wait"),
    [({"reset_seconds": 42}, "in 42 seconds"), ({"headers": {"RateLimit": ""}}, "in a few minutes")],
)
def test_a_refusal_for_too_many_requests_is_not_waited_for(server, hub, commit, fault, wait):
    server.faults.inject("/api/*", status=429, **fault)
    started = time.monotonic()
    with pytest.raises(HubRateLimited, match=wait):
        hub.list_models({"limit": 3})
    assert time.monotonic() - started < 2
    assert len(server.requests) == 1


def test_a_busy_hub_is_asked_a_second_time(server, hub, commit):
    server.faults.inject("/api/*", status=503, times=1)
    assert hub.model("ada/lora")["id"] == "ada/lora"
    assert len(server.requests) == 2


def test_a_hub_that_stays_busy_is_asked_no_third_time(server, hub, commit):
    server.faults.inject("/api/*", status=503)
    with pytest.raises(HubUnreachable, match="503"):
        hub.model("ada/lora")
    assert len(server.requests) == 2


def test_a_silent_hub_is_left_after_the_timeout(server, settings, monkeypatch):
    monkeypatch.setattr(transport, "TIMEOUT", httpx2.Timeout(0.3))
    server.faults.inject("/api/*", delay=5)
    started = time.monotonic()
    with pytest.raises(HubUnreachable):
        Hub(settings).model("ada/lora")
    assert time.monotonic() - started < 3
    assert len(server.requests) == 1


def test_a_body_that_trickles_in_is_left_at_the_deadline(server, hub, commit, monkeypatch):
    monkeypatch.setattr(transport, "REQUEST_SECONDS", 0.5)
    server.faults.inject("/_cdn/*", bytes_per_second=100)
    started = time.monotonic()
    with pytest.raises(HubUnreachable, match="too slowly"):
        hub.read("ada/lora", commit, "adapter_model.safetensors", 10_000_000)
    assert time.monotonic() - started < 5


def test_a_hub_that_is_not_there_is_told_at_once(server, hub):
    server.stop()
    started = time.monotonic()
    with pytest.raises(HubUnreachable, match="cannot be reached"):
        hub.model("ada/lora")
    assert time.monotonic() - started < 5


def test_offline_mode_asks_nothing(server, settings, commit):
    with pytest.raises(HubUnreachable, match="HF_HUB_OFFLINE"):
        Hub(replace(settings, offline=True)).model("ada/lora")
    assert len(server.requests) == 0


def test_a_download_that_failed_is_translated_by_its_cause():
    """The client says “not in the cache” of every download that failed on the wire."""
    request = httpx2.Request("GET", "http://hub/a/b/resolve/main/x")
    limits = {"RateLimit": '"resolvers";r=0;t=7'}
    refused = errors.HfHubHTTPError("m", response=httpx2.Response(429, headers=limits, request=request))
    with pytest.raises(HubRateLimited, match="in 7 seconds"), hub_errors("a file"):
        raise errors.LocalEntryNotFoundError("m") from refused
    with pytest.raises(HubUnreachable, match="cannot be reached"), hub_errors("a file"):
        raise errors.LocalEntryNotFoundError("m") from httpx2.ConnectError("m")
    with pytest.raises(HubUnreachable, match="Offline mode"), hub_errors("a file"):
        raise errors.LocalEntryNotFoundError("m") from errors.OfflineModeIsEnabled("m")


def test_names_the_client_refuses_are_a_bad_ref(tmp_path):
    with pytest.raises(InvalidRef), hub_errors("a file"):
        hf_hub_download("a//b", "x", cache_dir=tmp_path, token=False)


def test_every_http_error_of_the_client_is_translated():
    """A new kind of error in a new client must be thought about."""
    response = httpx2.Response(418, request=httpx2.Request("GET", "http://hub/api/models/a/b"))
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, httpx2.HTTPError)
    ]
    assert len(kinds) > 10
    for kind in kinds:
        error = kind("m", response=response) if issubclass(kind, errors.HfHubHTTPError) else kind("m")
        with pytest.raises(AdapterUIError), hub_errors("the adapter a/b"):
            raise error


@pytest.mark.parametrize(
    "kind", [errors.OfflineModeIsEnabled, errors.RevisionResolutionError, errors.LocalEntryNotFoundError]
)
def test_other_errors_of_the_client_are_translated(kind):
    with pytest.raises(HubUnreachable), hub_errors("the adapter a/b"):
        raise kind("m")


@pytest.mark.parametrize(
    ("link", "cursor"),
    [
        ('<https://hub/api/models?limit=3&cursor=a%3D%3D>; rel="next"', "a=="),
        ('<https://elsewhere/?cursor=x>; rel="next"', "x"),
        ('<https://hub/api/models?limit=3>; rel="next"', None),
        ('<https://hub/api/models?cursor=x>; rel="prev"', None),
        ("nonsense", None),
        ("", None),
    ],
)
def test_only_the_cursor_of_a_link_is_taken(link, cursor):
    assert next_cursor(link) == cursor


def test_no_secret_and_no_path_in_a_message(server, settings, tmp_path):
    with pytest.raises(HubError) as raised:
        with_token(settings, "hf_bad").model("ada/lora")
    assert "hf_bad" not in raised.value.message
    assert str(Path(tmp_path)) not in raised.value.message
    assert json.dumps(raised.value.message)


def test_the_client_has_timeouts_and_still_obeys_offline_mode(settings, monkeypatch):
    from huggingface_hub import get_session

    Hub(settings)
    assert get_session().timeout == transport.TIMEOUT
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubUnreachable, match="Offline mode"):
        Hub(settings).model("ada/lora")
