"""The repositories that were downloaded: listed with their sizes, and taken away whole.

Nothing here knows who uses them; that is for the service to ask first.
"""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from adapter_ui.catalog.storage.embedded import EMBEDDED_BASE, bytes_below, place_of_embedded
from adapter_ui.catalog.storage.snapshots import RepoCache
from adapter_ui.domain import ADAPTER_CONFIG, DiskUse, Downloaded, Held, is_hub_id
from adapter_ui.errors import NotFoundOrPrivate
from adapter_ui.settings import Settings

FOLDER_PREFIX = "models--"
DELETED_PREFIX = ".deleted-"


def disk_use(settings: Settings) -> DiskUse:
    settings.home.mkdir(parents=True, exist_ok=True)
    places = {repo_id: places_of(settings, repo_id) for repo_id in repo_ids(settings)}
    found = [look(repo_id, here) for repo_id, here in places.items() if here]
    found.sort(key=lambda one: (-one.size_bytes, one.repo_id))
    return DiskUse(tuple(found), shutil.disk_usage(settings.home).free)


def delete_downloaded(settings: Settings, repo_id: str) -> None:
    """Raises NotFoundOrPrivate when nothing of the repository is here."""
    places = places_of(settings, repo_id) if is_hub_id(repo_id) else []
    if not places:
        raise NotFoundOrPrivate(f"Nothing of {repo_id} is on this disk; look at the Library again.")
    for place in places:
        # moved away at once, so that nobody finds half of it
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=DELETED_PREFIX) as folder:
            place.rename(Path(folder) / place.name)


def repo_ids(settings: Settings) -> list[str]:
    names = [folder.name for folder in settings.hub_cache.glob(f"{FOLDER_PREFIX}*") if folder.is_dir()]
    ids = [name.removeprefix(FOLDER_PREFIX).replace("--", "/") for name in names]
    return sorted({one for one in (*ids, EMBEDDED_BASE) if is_hub_id(one)})


def places_of(settings: Settings, repo_id: str) -> list[Path]:
    """The folders of a repository: one in the cache, and that of the base out of the package index."""
    places = [RepoCache(settings.hub_cache, repo_id).folder]
    if repo_id == EMBEDDED_BASE:
        places.append(place_of_embedded(settings))
    return [place for place in places if place.is_dir() and not place.is_symlink()]


def look(repo_id: str, places: list[Path]) -> Downloaded:
    changed = max(place.stat().st_mtime for top in places for place in (top, *top.glob("snapshots/*")))
    return Downloaded(
        repo_id,
        held_in(places),
        sum(map(bytes_below, places)),
        datetime.fromtimestamp(changed, UTC).isoformat(timespec="seconds"),
    )


def held_in(places: list[Path]) -> Held:
    """An adapter is one by its config; a base by its weights, which are downloaded last."""
    if any(True for place in places for _ in place.glob(f"snapshots/**/{ADAPTER_CONFIG}")):
        return Held.ADAPTER
    weights = any(
        True
        for place in places
        for pattern in ("*.safetensors", "snapshots/*/*.safetensors")
        for _ in place.glob(pattern)
    )
    return Held.BASE if weights else Held.SMALL_FILES
