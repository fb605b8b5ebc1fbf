"""What the Hub says of a repository is a stranger's: read with care, cut, and never believed blindly."""

from __future__ import annotations

import pytest

from adapter_ui.catalog.hub.repository import adapter_folders, read_info, read_revisions
from adapter_ui.domain import AdapterRef, Revision
from adapter_ui.errors import NotFoundOrPrivate
from tests.catalog.folders import adapter_files

COMMIT = "a" * 40
INFO = {"id": "org/name", "sha": COMMIT}


def info(**more: object):
    return read_info(INFO | more)


@pytest.mark.parametrize("sha", [None, 7, "main", "a" * 39, "A" * 40, "a" * 41, "../" + "a" * 37])
def test_without_a_commit_there_is_no_answer(sha):
    assert read_info(INFO | {"sha": sha}) is None


@pytest.mark.parametrize("value", [None, -1, 1.5, "7", True, [7], 10**30])
def test_a_count_that_is_none_is_unknown(value):
    read = info(downloads=value, likes=value)
    assert (read.downloads, read.likes) == (None, None)


def test_counts_and_dates_are_read():
    read = info(downloads=12, likes=0, lastModified="2025-06-01T12:00:00.000Z")
    assert (read.downloads, read.likes, read.updated) == (12, 0, "2025-06-01T12:00:00+00:00")


@pytest.mark.parametrize(
    "value", [None, 7, "", "yesterday", "2025-13-01", "0001-01-01T00:00:00+23:59", "2" * 99]
)
def test_a_date_that_is_none_is_unknown(value):
    assert info(lastModified=value).updated is None


@pytest.mark.parametrize(
    ("said", "license"),
    [
        ({"cardData": {"license": "apache-2.0"}}, "apache-2.0"),
        ({"cardData": {"license": ["mit", "cc-by-4.0"]}}, "mit, cc-by-4.0"),
        ({"cardData": {"license": ["mit"]}}, "mit"),
        ({"cardData": {"license": "other", "license_name": "llama3.2"}}, "llama3.2"),
        ({"cardData": {"license": "other"}}, "other"),
        ({"tags": ["peft", "license:mit"]}, "mit"),
        ({"cardData": {"license": "<img src=x>"}}, None),
        ({"cardData": {"license": "m" * 65}}, None),
        ({"cardData": {"license": 7}, "tags": "license:mit"}, None),
        ({"cardData": []}, None),
    ],
)
def test_the_license(said, license):
    assert info(**said).license == license


def test_files_are_cut_and_adapters_kept():
    names = [f"logs/{number:05}.txt" for number in range(10_050)] + ["x/adapter_config.json"]
    siblings = [{"rfilename": name, "size": 1} for name in names]
    odd = [{"rfilename": "a\nb"}, {"rfilename": "x" * 600}, {"rfilename": "y", "size": -1}, {}, 7, None]
    files = info(siblings=[*odd, *siblings]).files
    assert len(files) == 10_000
    assert "x/adapter_config.json" in files
    assert "a\nb" not in files and "x" * 600 not in files
    assert info(siblings=odd).files == {"y": None}


def test_folders_are_those_that_can_be_named_in_the_order_of_their_numbers():
    names = ["checkpoint-100", "checkpoint-20", "a/b", "with space", "..", "é", ".hidden", ""]
    files = [f"{name}/adapter_config.json" for name in names] + ["adapter_config.json", "c/adapter.json"]
    assert adapter_folders(files) == ("a/b", "checkpoint-20", "checkpoint-100")


def test_revisions_are_checked_and_sorted():
    ref = [{"name": name, "targetCommit": COMMIT} for name in ("v10", "v2")]
    odd = [{"name": "a b"}, {"name": "../x"}, {"name": 7}, 7, {}, {"name": "v2"}]
    branches = [{"name": "dev", "targetCommit": "7"}, {"name": "main", "targetCommit": COMMIT}]
    assert read_revisions({"branches": branches, "tags": [*ref, *odd]}) == (
        Revision("main", "branch", COMMIT),
        Revision("dev", "branch", None),
        Revision("v2", "tag", COMMIT),
        Revision("v10", "tag", COMMIT),
    )
    assert read_revisions({"branches": "all", "tags": {"v1": 1}}) == ()
    many = {"branches": [{"name": f"b{number}"} for number in range(600)]}
    assert len(read_revisions(many)) == 500


def test_the_revisions_of_an_adapter(server, catalog):
    repository = server.add_repo("a/lora", adapter_files())
    first = repository.sha
    repository.tag("v1")
    repository.commit(adapter_files({"r": 4}), branch="try/one", parent=first)
    other = repository.branches["try/one"]
    found = catalog.revisions(AdapterRef.parse("a/lora@v1"))
    assert found == (
        Revision("main", "branch", first),
        Revision("try/one", "branch", other),
        Revision("v1", "tag", first),
    )
    for revision in found:
        assert catalog.inspect(AdapterRef.parse(f"a/lora@{revision.name}")).commit == revision.commit
    assert catalog.revisions(AdapterRef.parse("starter:pirate")) == ()
    with pytest.raises(NotFoundOrPrivate):
        catalog.revisions(AdapterRef.parse("a/none"))


def test_a_silent_hub_leaves_the_revisions_that_were_known(server, catalog):
    server.add_repo("a/lora", adapter_files()).tag("v1")
    ref = AdapterRef.parse("a/lora")
    known = catalog.revisions(ref)
    server.stop()
    assert catalog.revisions(ref) == known
