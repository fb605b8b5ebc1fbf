"""Every way the Hub can fail, met by a search, an inspection, a fill and a download: what each says.

A failure has one sentence wherever it is met, no other exception escapes, and nothing waits for long: the
deadlines are shortened here, and their real values are asserted below.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
import pytest

from adapter_ui.catalog import adapters
from adapter_ui.catalog.catalog import Catalog
from adapter_ui.catalog.hub import transport
from adapter_ui.catalog.storage import downloads
from adapter_ui.catalog.storage.bases import fetch_adapter
from adapter_ui.domain import AdapterRef, AdapterSummary, SearchPage, SearchQuery, Source
from adapter_ui.errors import AdapterUIError, HubRateLimited, HubUnreachable
from adapter_ui.settings import Settings
from tests.catalog.folders import adapter_files
from tests.conftest import finish
from tests.hub import LoopbackHub
from tests.hub.impostors import TricklingHeaders, UntrustedTLS
from tests.hub.light_adapters import light_base_files

ADAPTER = "ada/lora"
LONGEST_SECONDS = 5.0
LATEST_SECONDS = 15.0
HUNDRED_MB = 100_000_000

TOO_SLOW = "The Hub answers too slowly, or not at all; try again"
NO_ANSWER = "is not an answer of the Hub; check HF_ENDPOINT, or a login page"


@dataclass
class Scene:
    """A Hub with one adapter that fits the search, `more` to fill with their commits, and what a failure
    changes of it.
    """

    server: LoopbackHub
    settings: Settings
    monkeypatch: pytest.MonkeyPatch
    more: dict[str, str]
    left_open: ExitStack = field(default_factory=ExitStack)

    @property
    def commit(self) -> str:
        return self.server.repo(ADAPTER).sha

    def point_at(self, endpoint: str) -> None:
        self.settings = replace(self.settings, hub_endpoint=endpoint)


@pytest.fixture
def scene(server, settings, monkeypatch) -> Iterator[Scene]:
    monkeypatch.setattr(transport, "REQUEST_SECONDS", 1.0)
    monkeypatch.setattr(transport, "TIMEOUT", httpx2.Timeout(0.6))
    monkeypatch.setattr(transport, "SECOND_TRY_SECONDS", 0.01)
    monkeypatch.setattr(downloads, "STALL_SECONDS", 0.6)
    server.add_repo("tiny-org/base", light_base_files())
    server.add_repo(ADAPTER, adapter_files(card="---\nlibrary_name: peft\n---\n# Lora"))
    more = {
        name: server.add_repo(name, adapter_files()).sha for name in ("a/one", "a/two", "a/three", "a/four")
    }
    scene = Scene(server, settings, monkeypatch, more)
    with scene.left_open:
        yield scene


def fault(**what: Any) -> Callable[[Scene], None]:
    return lambda scene: scene.server.faults.inject(**what) and None


def impostor(kind: type) -> Callable[[Scene], None]:
    return lambda scene: scene.point_at(scene.left_open.enter_context(kind()).endpoint)


def without_names(scene: Scene) -> None:
    def look_up(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    scene.monkeypatch.setattr(socket, "getaddrinfo", look_up)
    scene.point_at("http://hub.invalid")


FAILURES: dict[str, tuple[Callable[[Scene], None], type[AdapterUIError], str]] = {
    "trickling body": (fault(bytes_per_second=20), HubUnreachable, TOO_SLOW),
    "trickling headers": (impostor(TricklingHeaders), HubUnreachable, TOO_SLOW),
    "no answer": (fault(delay=3), HubUnreachable, TOO_SLOW),
    "refused": (lambda scene: scene.server.stop(), HubUnreachable, "check the connection and try again"),
    "no such name": (without_names, HubUnreachable, "address cannot be found; check the connection"),
    "untrusted certificate": (impostor(UntrustedTLS), HubUnreachable, "No secure connection to the Hub"),
    "429 with its wait": (fault(status=429, reset_seconds=42), HubRateLimited, "try again in 42 seconds"),
    "429 of a CDN": (fault(status=429, headers={"RateLimit": ""}), HubRateLimited, "in a few minutes"),
    "429 with Retry-After": (
        fault(status=429, headers={"RateLimit": "", "Retry-After": "7"}),
        HubRateLimited,
        "in 7 seconds",
    ),
    "429 with nonsense": (
        fault(status=429, headers={"RateLimit": f'"api";r=0;t={"9" * 5000}', "Retry-After": "9" * 5000}),
        HubRateLimited,
        "in a few minutes",
    ),
    "500": (fault(status=500), HubUnreachable, "status 500.*try again in a minute"),
    "503 twice": (fault(status=503), HubUnreachable, "status 503.*try again in a minute"),
    "500 with an odd body": (fault(status=500, body="[]"), HubUnreachable, "status 500"),
    "500 with an endless body": (fault(status=500, stream_bytes=HUNDRED_MB), HubUnreachable, "status 500"),
    "not JSON": (fault(invalid_json=True), HubUnreachable, NO_ANSWER),
    "a login page": (fault(html=True), HubUnreachable, NO_ANSWER),
    "100 MB of blanks": (fault(path="/api/*", stream_bytes=HUNDRED_MB), HubUnreachable, NO_ANSWER),
    "redirects in circles": (
        fault(status=302, headers={"Location": "/api/models"}),
        HubUnreachable,
        "around in circles",
    ),
}


@pytest.fixture(params=FAILURES)
def failure(request, scene) -> Iterator[tuple[type[AdapterUIError], str]]:
    """The Hub of the scene fails from now on, and the test may not take long to see it."""
    break_it, kind, sentence = FAILURES[request.param]
    break_it(scene)
    started = time.monotonic()
    yield kind, sentence
    assert time.monotonic() - started < LONGEST_SECONDS


@pytest.fixture
def broken(failure, scene) -> Iterator[Catalog]:
    catalog = Catalog(scene.settings)
    yield catalog
    catalog.close()


def test_a_search_says_it_and_shows_what_is_here(failure, broken):
    page = broken.search(SearchQuery(sort="downloads"))
    assert page.adapters == ()
    assert_sentence(page.notice or "", failure[1])


def test_an_inspection_raises_it(failure, broken):
    with pytest.raises(AdapterUIError) as raised:
        broken.inspect(AdapterRef.parse(ADAPTER))
    assert type(raised.value) is failure[0]
    assert_sentence(raised.value.message, failure[1])


def test_a_list_of_revisions_raises_it(failure, broken):
    with pytest.raises(AdapterUIError) as raised:
        broken.revisions(AdapterRef.parse(ADAPTER))
    assert type(raised.value) is failure[0]


def test_a_fill_says_it_and_leaves_the_rows_as_they_are(failure, broken, scene):
    rows = tuple(
        AdapterSummary(AdapterRef(Source.HUB, name), commit=commit, method="LORA")
        for name, commit in scene.more.items()
    )
    *_, last = broken.fill(SearchQuery(limit=len(rows)), SearchPage(rows))
    assert last.adapters == rows
    assert_sentence(last.notice or "", failure[1])


def test_a_load_raises_it(failure, scene, hub):
    with pytest.raises(AdapterUIError) as raised:
        finish(fetch_adapter(scene.settings, type(hub)(scene.settings), AdapterRef.parse(ADAPTER)))
    assert type(raised.value) is failure[0]
    assert_sentence(raised.value.message, failure[1])


def assert_sentence(text: str, pattern: str) -> None:
    assert re.search(pattern, text), text
    assert "\n" not in text


def test_nothing_is_waited_for_longer_than_fifteen_seconds():
    assert transport.REQUEST_SECONDS <= LATEST_SECONDS
    assert adapters.INSPECTION_SECONDS <= LATEST_SECONDS
    assert downloads.STALL_SECONDS <= LATEST_SECONDS
    assert downloads.CONNECT_SECONDS <= LATEST_SECONDS


@pytest.mark.slow
def test_a_hanging_hub_is_told_in_time_by_the_real_deadlines(server, catalog):
    server.faults.inject(delay=60)
    started = time.monotonic()
    with pytest.raises(HubUnreachable, match=TOO_SLOW):
        catalog.inspect(AdapterRef.parse(ADAPTER))
    assert time.monotonic() - started < LATEST_SECONDS


def test_a_slow_base_does_not_hold_up_what_is_known_of_the_adapter(scene, catalog):
    scene.monkeypatch.setattr(adapters, "INSPECTION_SECONDS", 0.5)
    scene.monkeypatch.setattr(adapters, "SHORTEST_WAIT_SECONDS", 0.1)
    slow = scene.server.faults.inject("/api/models/tiny-org/base", delay=0.55)
    profile = catalog.inspect(AdapterRef.parse(ADAPTER))
    assert profile.rank == 2
    (finding,) = (one for one in profile.findings if one.code == "base_unread")
    assert "inspect the adapter again" in finding.message
    scene.monkeypatch.undo()
    assert catalog.inspect(AdapterRef.parse(ADAPTER)).base.available
    assert slow.hits == 1


def test_a_header_that_says_it_is_100_mb_is_not_read(server, catalog, tmp_path):
    large = tmp_path / "large.safetensors"
    with large.open("wb") as file:
        file.write((HUNDRED_MB).to_bytes(8, "little") + b'{"a":')
        file.truncate(HUNDRED_MB + 100)
    server.add_repo("tiny-org/base", light_base_files())
    server.add_repo(ADAPTER, adapter_files() | {"adapter_model.safetensors": large})
    profile = catalog.inspect(AdapterRef.parse(ADAPTER))
    assert "header_too_large" in {finding.code for finding in profile.findings}
    assert (profile.method, profile.size_bytes) == ("LORA", HUNDRED_MB + 100)
    assert server.requests.bytes_served(ADAPTER, "adapter_model.safetensors") <= 262_144


@pytest.mark.parametrize("what", [{"html": True}, {"body": b"x"}, {"status": 206, "body": b"x" * 9}])
def test_a_download_that_gets_something_else_ends(scene, hub, what):
    """A page of a network's login is shorter than the file for ever."""
    scene.server.faults.inject("/_cdn/*", **what)
    with pytest.raises(HubUnreachable, match=NO_ANSWER):
        finish(fetch_adapter(scene.settings, hub, AdapterRef.parse(ADAPTER)))
    assert scene.server.requests.count("/_cdn/*") <= 2


def test_a_download_that_goes_on_elsewhere_is_no_answer(scene, hub):
    scene.server.faults.inject("/_cdn/*", cut_after=100, times=1)
    scene.server.faults.inject(
        "/_cdn/*", status=206, headers={"Content-Range": "bytes 0-99/100"}, body=b"x" * 100
    )
    with pytest.raises(HubUnreachable, match=NO_ANSWER):
        finish(fetch_adapter(scene.settings, hub, AdapterRef.parse(ADAPTER)))


REFUSALS: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "gated": ({"gated": "manual"}, "is gated; accept its terms", None),
    "private": ({"private": True}, "is not on the Hub, or is private; check the name", "same"),
    "disabled": ({"disabled": True}, "has disabled access to", "same"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_has_its_sentence(scene, catalog, hub, name):
    """Gating shows at the files: an inspection keeps what the list and the card say, as a finding."""
    state, sentence, inspection = REFUSALS[name]
    vars(scene.server.repo(ADAPTER)).update(state)
    ref = AdapterRef.parse(ADAPTER)
    with pytest.raises(AdapterUIError, match=sentence) as raised:
        finish(fetch_adapter(scene.settings, hub, ref))
    if inspection is None:
        profile = catalog.inspect(ref)
        assert {"gated"} == {finding.code for finding in profile.blockers}
        assert profile.card == "# Lora"
    else:
        with pytest.raises(type(raised.value), match=sentence):
            catalog.inspect(ref)


def test_a_renamed_repository_is_followed_everywhere(scene, catalog, hub):
    commit = scene.commit
    scene.server.rename(ADAPTER, "ada/new")
    ref = AdapterRef.parse(ADAPTER)
    profile = catalog.inspect(ref)
    assert (profile.commit, profile.rank) == (commit, 2)
    assert [one.name for one in catalog.revisions(ref)] == ["main"]
    assert finish(fetch_adapter(scene.settings, hub, ref, commit)).is_dir()
    scene.server.stop()
    assert catalog.inspect(ref).commit == commit
