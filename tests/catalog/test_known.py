"""When the Hub says nothing, what it said before is shown, with its age."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from adapter_ui.catalog.catalog import Catalog
from adapter_ui.catalog.hub.repository import RepositoryInfo
from adapter_ui.catalog.known import KnownRepositories, age
from adapter_ui.catalog.storage.bases import fetch_adapter
from adapter_ui.catalog.storage.cache import Cache
from adapter_ui.domain import AdapterProfile, AdapterRef, Finding, Level
from adapter_ui.errors import HubError, HubRateLimited, HubUnreachable, NotFoundOrPrivate
from tests.catalog.folders import adapter_files
from tests.conftest import finish
from tests.hub.light_adapters import light_base_files

REF = AdapterRef.parse("a/lora")
CARD = "---\nlicense: mit\n---\n# A card"


@pytest.fixture
def known(server, catalog) -> AdapterProfile:
    """An adapter that was inspected while the Hub was there."""
    server.add_repo("tiny-org/base", light_base_files())
    server.add_repo("a/lora", adapter_files(card=CARD), downloads=12, likes=3)
    return catalog.inspect(REF)


def note(profile: AdapterProfile) -> Finding:
    (finding,) = (one for one in profile.findings if one.code == "known_earlier")
    assert finding.level is Level.INFO
    return finding


def test_a_profile_says_what_the_hub_says_and_when(known):
    assert (known.license, known.downloads, known.likes) == ("mit", 12, 3)
    assert datetime.fromisoformat(known.updated).utcoffset() == timedelta(0)
    now = datetime.now(UTC)
    assert timedelta(0) <= now - datetime.fromisoformat(known.checked) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"status": 500}, "The Hub cannot be reached"),
        ({"html": True}, "The Hub cannot be reached"),
        ({"status": 429}, "The Hub allows no more requests for now"),
    ],
)
def test_a_failing_hub_leaves_all_that_was_known(server, catalog, known, fault, reason):
    server.faults.inject("*", **fault)
    earlier = catalog.inspect(REF)
    assert note(earlier).message == f"{reason}; this is what was known a moment ago."
    unlike = {"findings": (), "available_bytes": 0}
    assert replace(earlier, **unlike) == replace(known, **unlike)
    assert [one for one in earlier.findings if one.code != "known_earlier"] == list(known.findings)


def test_it_is_known_after_a_restart_with_its_age(server, catalog, settings, known):
    catalog.close()
    make_older(settings, hours=3)
    server.stop()
    again = Catalog(settings)
    earlier = again.inspect(REF)
    assert note(earlier).message == "The Hub cannot be reached; this is what was known 3 h ago."
    assert datetime.fromisoformat(earlier.checked) < datetime.now(UTC) - timedelta(hours=2)
    assert (earlier.rank, earlier.parameters, earlier.card) == (known.rank, known.parameters, known.card)
    assert again.inspect(AdapterRef.parse("a/lora@main")).commit == known.commit
    with pytest.raises(HubUnreachable):
        again.inspect(AdapterRef.parse("a/lora@other"))
    again.close()


def test_the_hub_is_not_asked_for_the_files_it_has_just_failed_for(server, catalog, settings, known):
    server.faults.inject("/api/models/a/*", status=429)
    server.requests.clear()
    catalog.inspect(REF)
    assert [record.path for record in server.requests] == ["/api/models/a/lora"]


def test_what_is_known_earlier_can_be_loaded_if_it_was_downloaded(server, catalog, settings, known):
    finish(fetch_adapter(settings, catalog.hub, REF, known.commit))
    server.faults.inject("*", status=429)
    commit = catalog.inspect(REF).commit
    assert finish(fetch_adapter(settings, catalog.hub, REF, commit)).is_dir()
    assert finish(fetch_adapter(settings, catalog.hub, REF)).is_dir()


def test_a_refusal_is_not_covered_up(server, catalog, known):
    server.repo("a/lora").disabled = True
    with pytest.raises(HubError, match="disabled"):
        catalog.inspect(REF)
    server.remove_repo("a/lora")
    with pytest.raises(NotFoundOrPrivate):
        catalog.inspect(REF)


def test_a_commit_whose_files_could_not_be_read_does_not_replace_one_that_is_known(server, catalog, known):
    server.repo("a/lora").commit(adapter_files({"r": 4}))
    server.faults.inject("/*/adapter_config.json", status=503)
    assert catalog.inspect(REF).commit == known.commit
    server.faults.clear()
    server.faults.inject("/api/*", status=429)
    with pytest.raises(HubRateLimited):
        catalog.inspect(AdapterRef.parse(f"a/lora@{server.repo('a/lora').sha}"))


def test_what_is_kept_is_small(server, catalog, settings):
    noise = {f"logs/{number}.txt": "x" for number in range(300)}
    card = "---\nlicense: mit\nwidget:\n" + "".join(f"- text: {'x' * 500}\n" for _ in range(100)) + "---\n"
    server.add_repo("a/lora", adapter_files(card=card) | noise)
    catalog.inspect(REF)
    cache = Cache(settings.home / "cache.sqlite")
    info = KnownRepositories(cache).recall(REF)
    assert info is not None and len(info.files) == 303
    assert len(json.dumps(info.__dict__)) < 15_000
    cache.close()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "a moment ago"),
        (59, "a moment ago"),
        (60, "1 min ago"),
        (3_599, "59 min ago"),
        (3 * 3_600 + 1, "3 h ago"),
        (47 * 3_600, "47 h ago"),
        (49 * 3_600, "2 days ago"),
        (400 * 86_400, "400 days ago"),
    ],
)
def test_an_age_in_words(seconds, words):
    assert age(seconds) == words


def make_older(settings, hours: int) -> None:
    """Put the time of what is known back, as if it had been asked for so long ago."""
    cache = Cache(settings.home / "cache.sqlite")
    repositories = KnownRepositories(cache)
    info = repositories.recall(REF)
    assert isinstance(info, RepositoryInfo)
    then = datetime.fromisoformat(info.checked) - timedelta(hours=hours, minutes=1)
    repositories.keep(REF, replace(info, checked=then.isoformat(timespec="seconds")))
    cache.close()
