"""What was downloaded: listed with its size, deleted whole, and nothing beside it."""

from __future__ import annotations

import pytest

from adapter_ui.catalog.storage.downloaded import delete_downloaded, disk_use
from adapter_ui.catalog.storage.snapshots import RepoCache
from adapter_ui.domain import Held
from adapter_ui.errors import NotFoundOrPrivate

COMMIT = "a" * 40


def downloaded(settings, repo_id: str, **files: int) -> RepoCache:
    """A repository with these files, by their names with __ for a slash and _ for a dot, of these sizes."""
    place = RepoCache(settings.hub_cache, repo_id)
    for name, size in files.items():
        file = place.snapshot(COMMIT) / name.replace("__", "/").replace("_dot_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * size)
    return place


def test_nothing_is_there_before_the_first_download(settings):
    use = disk_use(settings)
    assert use.downloaded == ()
    assert use.free_bytes > 0


def test_repositories_are_listed_by_size_with_what_they_hold(settings):
    downloaded(settings, "a/base", config_dot_json=1, model_dot_safetensors=90)
    downloaded(settings, "a/lora", adapter_config_dot_json=1, adapter_model_dot_safetensors=8)
    downloaded(settings, "a/many", one__adapter_config_dot_json=2, one__adapter_model_dot_safetensors=2)
    started = downloaded(settings, "a/started", config_dot_json=1)
    started.partials.mkdir()
    (started.partials / f"{COMMIT}-model.safetensors").write_bytes(b"x" * 50)
    downloaded(settings, "gpt2", config_dot_json=3)
    (settings.hub_cache / "models--..--..").mkdir()
    (settings.hub_cache / ".locks").mkdir()
    assert [(one.repo_id, one.held, one.size_bytes) for one in disk_use(settings).downloaded] == [
        ("a/base", Held.BASE, 91),
        ("a/started", Held.SMALL_FILES, 51),
        ("a/lora", Held.ADAPTER, 9),
        ("a/many", Held.ADAPTER, 4),
        ("gpt2", Held.SMALL_FILES, 3),
    ]


def test_one_is_deleted_whole_and_nothing_beside_it(settings):
    gone = downloaded(settings, "a/base", config_dot_json=1, model_dot_safetensors=90)
    stays = downloaded(settings, "a/base-2", config_dot_json=1)
    delete_downloaded(settings, "a/base")
    assert not gone.folder.exists()
    assert [one.name for one in settings.hub_cache.iterdir()] == [stays.folder.name]
    with pytest.raises(NotFoundOrPrivate, match="Nothing of a/base is on this disk"):
        delete_downloaded(settings, "a/base")


@pytest.mark.parametrize("name", ["", "..", "../..", "a/../..", "/etc", "a--b", "a/b/c"])
def test_only_a_repository_is_deleted(settings, name):
    stays = downloaded(settings, "a/base", config_dot_json=1)
    with pytest.raises(NotFoundOrPrivate):
        delete_downloaded(settings, name)
    assert (stays.snapshot(COMMIT) / "config.json").is_file()


def test_a_link_is_not_followed(settings, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "kept.txt").write_text("kept")
    settings.hub_cache.mkdir(parents=True)
    RepoCache(settings.hub_cache, "a/link").folder.symlink_to(other)
    assert disk_use(settings).downloaded == ()
    with pytest.raises(NotFoundOrPrivate):
        delete_downloaded(settings, "a/link")
    assert (other / "kept.txt").is_file()
