"""Pushing an adapter over the real client: private, in one commit, and never over what lies there."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapter_ui.catalog.catalog import Catalog
from adapter_ui.domain import AdapterRef, Progress, Pushed
from adapter_ui.errors import (
    AdapterUIError,
    BadAdapter,
    HubError,
    HubUnreachable,
    InvalidInput,
)
from adapter_ui.outgoing import Outgoing
from adapter_ui.provision import Provision
from adapter_ui.settings import Settings
from tests.hub import LoopbackHub

TOKEN, OTHER, READER = "hf_adas0secret", "hf_bobs0secret", "hf_readers0secret"
FILES = {"adapter_config.json", "adapter_model.safetensors", "README.md", "label_names.json"}


@pytest.fixture(autouse=True)
def users(server: LoopbackHub) -> None:
    server.add_user(TOKEN, "ada", organizations=["crew"])
    server.add_user(OTHER, "bob")
    server.add_user(READER, "ada", role="read")


@pytest.fixture
def adapter(settings: Settings, tiny_models: Path) -> Path:
    """An adapter of this machine beside a file that is nobody's business."""
    assert settings.folder
    folder = settings.folder / "mine"
    shutil.copytree(tiny_models / "lora", folder)
    (folder / "README.md").write_text(
        "---\nlibrary_name: peft\nbase_model: tiny-org/tiny-llama\n---\n# Mine\n"
    )
    (folder / "label_names.json").write_text('["a", "b"]')
    (folder / "secret.txt").write_text("not an adapter's file")
    return folder


@pytest.fixture
def outgoing(settings: Settings, catalog: Catalog, adapter: Path) -> Outgoing:
    def free(_: int) -> Iterator[Progress]:
        yield from ()

    return Outgoing(settings, Provision(settings, catalog, free))


def push(outgoing: Outgoing, repo_id: str = "ada/pirate", token: str = TOKEN, **options: bool) -> Pushed:
    given = {"private": True, "overwrite": False, **options}
    *steps, last = outgoing.push("folder:mine", repo_id, token=token, **given)
    assert steps and all(isinstance(step, Progress) for step in steps)
    assert isinstance(last, Pushed)
    return last


def test_the_adapters_own_files_go_into_a_private_repository_in_one_commit(
    outgoing: Outgoing, server: LoopbackHub, adapter: Path
) -> None:
    found = push(outgoing)
    repository = server.repo("ada/pirate")
    head = repository.find_commit("main")
    assert found == Pushed("folder:mine", "ada/pirate", f"{server.endpoint}/ada/pirate", head.sha, True)
    assert repository.private
    assert head.files.keys() == FILES | {".gitattributes"}
    for name in FILES:
        assert head.files[name].content.read() == (adapter / name).read_bytes()
    commits = [record for record in server.requests if "/commit/" in record.path]
    assert len(commits) == 1


def test_what_was_pushed_can_be_loaded_by_who_may_see_it(
    outgoing: Outgoing, settings: Settings, tmp_path: Path
) -> None:
    push(outgoing, "crew/pirate")
    owner = Catalog(replace(settings, home=tmp_path / "owner", hub_token=TOKEN))
    profile = owner.inspect(AdapterRef.parse("crew/pirate"))
    assert (profile.method, profile.rank) == ("LORA", 4)
    owner.close()


def test_a_repository_with_an_adapter_is_replaced_only_with_a_yes(
    outgoing: Outgoing, server: LoopbackHub, adapter: Path
) -> None:
    first = push(outgoing)
    (adapter / "label_names.json").write_text('["c"]')
    with pytest.raises(InvalidInput, match=r"has README\.md, adapter_config\.json") as caught:
        push(outgoing)
    assert caught.value.field == "overwrite"
    assert server.repo("ada/pirate").find_commit("main").sha == first.commit
    second = push(outgoing, overwrite=True)
    assert second.commit != first.commit
    assert server.repo("ada/pirate").find_commit("main").files["label_names.json"].content.read() == b'["c"]'


def test_a_private_push_never_lands_in_a_public_repository(outgoing: Outgoing, server: LoopbackHub) -> None:
    server.add_repo("ada/open", {"notes.txt": "hello"})
    with pytest.raises(InvalidInput, match="is public"):
        push(outgoing, "ada/open")
    assert set(server.repo("ada/open").find_commit("main").files) == {"notes.txt"}
    assert push(outgoing, "ada/open", private=False).private is False
    assert push(outgoing, "ada/new", private=False).private is False
    assert server.repo("ada/new").private is False


def test_what_others_pushed_meanwhile_is_not_replaced(outgoing: Outgoing, server: LoopbackHub) -> None:
    steps = outgoing.push("folder:mine", "ada/pirate", private=True, overwrite=False, token=TOKEN)
    assert "Asking" in next(steps).message
    assert "Uploading 4 files" in next(steps).message
    server.repo("ada/pirate").commit({"adapter_config.json": "{}"}, title="theirs", author="ada")
    with pytest.raises(HubError, match="412"):
        next(steps)
    assert server.repo("ada/pirate").find_commit("main").files["adapter_config.json"].content.read() == b"{}"


@pytest.mark.parametrize(
    ("token", "repo_id", "reason"),
    [
        ("", "ada/pirate", "needs a token"),
        ("hf_no\nline", "ada/pirate", "characters that no token has"),
        ("hf_ünknown", "ada/pirate", "characters that no token has"),
        ("hf_unknown", "ada/pirate", "does not accept the token"),
        (OTHER, "ada/pirate", "refused the repository ada/pirate"),
        (READER, "ada/pirate", "refused the repository ada/pirate"),
        (TOKEN, "pirate", "account/name"),
        (TOKEN, "ada/../x", "account/name"),
        (TOKEN, "https://huggingface.co/ada/x", "account/name"),
    ],
)
def test_who_may_not_is_told_in_one_sentence(
    outgoing: Outgoing, server: LoopbackHub, token: str, repo_id: str, reason: str
) -> None:
    with pytest.raises(AdapterUIError, match=reason) as caught:
        push(outgoing, repo_id, token=token)
    assert not token or token not in caught.value.message
    assert "ada/pirate" not in server.ids()


def test_on_a_space_the_owners_token_is_never_used(settings: Settings, outgoing: Outgoing) -> None:
    environment = {"SPACE_ID": "crew/space", "HF_TOKEN": TOKEN, "HF_ENDPOINT": settings.hub_endpoint}
    on_space = Outgoing(Settings.from_environment(environment), outgoing.provision)
    with pytest.raises(InvalidInput, match=r"paste one of your account, .* alone\.$"):
        push(on_space, token="")


def test_the_machines_own_token_serves_who_started_the_app(settings: Settings, outgoing: Outgoing) -> None:
    local = Outgoing(replace(settings, hub_token=TOKEN), outgoing.provision)
    assert push(local, token="").repo_id == "ada/pirate"


def test_the_token_is_kept_and_logged_nowhere(
    outgoing: Outgoing, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    push(outgoing)
    assert TOKEN not in caplog.text
    for path in settings.home.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes()


def test_a_card_that_the_hub_does_not_accept_is_told(outgoing: Outgoing, adapter: Path) -> None:
    (adapter / "README.md").write_text("---\n- a\n- list\n---\n")
    with pytest.raises(BadAdapter, match=r"README\.md: .*mapping"):
        push(outgoing)


def test_a_hub_that_fails_leaves_nothing_half_pushed(outgoing: Outgoing, server: LoopbackHub) -> None:
    server.faults.inject("/api/models/ada/pirate/commit/main", status=500)
    with pytest.raises(HubUnreachable):
        push(outgoing)
    assert set(server.repo("ada/pirate").find_commit("main").files) == {".gitattributes"}


def test_offline_nothing_is_asked(outgoing: Outgoing, settings: Settings, server: LoopbackHub) -> None:
    server.requests.clear()
    with pytest.raises(HubUnreachable, match="Offline mode"):
        push(Outgoing(replace(settings, offline=True), outgoing.provision))
    assert len(server.requests) == 0


def test_an_adapter_of_the_hub_is_not_pushed_again(outgoing: Outgoing) -> None:
    with pytest.raises(InvalidInput, match="on the Hub already"):
        list(outgoing.push("org/adapter", "ada/x", private=True, overwrite=False, token=TOKEN))


def test_without_weights_nothing_is_pushed(outgoing: Outgoing, adapter: Path) -> None:
    (adapter / "adapter_model.safetensors").unlink()
    with pytest.raises(BadAdapter, match="could not load it"):
        push(outgoing)
