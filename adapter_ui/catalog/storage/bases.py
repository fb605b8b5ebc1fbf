"""Get the files of a base model or an adapter onto this disk, from wherever they can be had.

A base comes from this app's own cache, the user's Hub cache, the Hub, or, for the embedded default, the
package index. Only config, tokenizer and safetensors files are taken; weights come last, so that their
presence says that the rest is there. Nothing here reads a tensor.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import constants

from adapter_ui.catalog.hub.client import Hub
from adapter_ui.catalog.storage.downloads import Listing, fetch_files, list_repo
from adapter_ui.catalog.storage.embedded import EMBEDDED_BASE, embedded_folder, fetch_embedded
from adapter_ui.catalog.storage.snapshots import (
    ADAPTER_FILES,
    INDEX,
    TOKENIZER_FILES,
    WEIGHTS,
    RepoCache,
    has_base,
    read_shards,
)
from adapter_ui.domain import REVISION, AdapterRef, Progress, is_hub_id
from adapter_ui.errors import (
    BadAdapter,
    BaseUnavailable,
    HubError,
    HubRateLimited,
    HubUnreachable,
    InvalidInput,
)
from adapter_ui.settings import Settings

MAIN = "main"
BASE_FILES = (
    "config.json",
    "generation_config.json",
    *TOKENIZER_FILES,
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
    "chat_template.jinja",
    INDEX,
)
OPTIONAL_ADAPTER_FILES = ("label_names.json",)
MAX_SMALL_FILE_BYTES = 100_000_000
PICKLES = re.compile(r".*\.(bin|pt|pth|ckpt|msgpack|h5)")


@dataclass(frozen=True)
class LocalModel:
    """A base model in a local folder. `commit` is the Hub's; a base out of the package index has none."""

    id: str
    commit: str | None
    folder: Path


def fetch_base(
    settings: Settings, hub: Hub, base_id: str, revision: str | None = None
) -> Generator[Progress, None, LocalModel]:
    """Find the base model's files, or download them. Raises InvalidInput, BaseUnavailable and DoesNotFit."""
    check_name(base_id, revision)
    if found := find_base(settings, base_id, revision):
        return found
    yield Progress("download", f"Asking the Hub for {base_id}")
    try:
        return (yield from base_from_hub(settings, hub, base_id, revision))
    except HubError as error:
        if base_id != EMBEDDED_BASE:
            raise BaseUnavailable(
                f"The base model {base_id} is not on this machine. {error.message}"
            ) from error
        refusal = error.message
    try:
        return LocalModel(base_id, None, (yield from fetch_embedded(settings)))
    except BaseUnavailable as error:
        raise BaseUnavailable(f"{refusal} The package index did not help either: {error.message}") from error


def fetch_reading_files(
    settings: Settings, hub: Hub, base_id: str, revision: str | None = None
) -> Generator[Progress, None, LocalModel]:
    """Config and tokenizer of a base on the Hub without its weights: enough to count tokens and shapes.

    Raises InvalidInput, HubError, BaseUnavailable and DoesNotFit.
    """
    check_name(base_id, revision)
    listing = list_repo(hub, base_id, revision)
    folder = yield from fetch_files(settings, listing, small_files(listing))
    return LocalModel(base_id, listing.commit, folder)


def find_base(settings: Settings, base_id: str, revision: str | None = None) -> LocalModel | None:
    """The base model where it is on this machine already; no request is made.

    Without a revision any whole snapshot will do, `main` first. The embedded base stands for all revisions.
    """
    caches = [settings.hub_cache]
    if not settings.on_space:
        caches.append(Path(constants.HF_HUB_CACHE))
    for place in (RepoCache(cache, base_id) for cache in caches):
        for commit in local_commits(place, revision):
            if has_base(place.snapshot(commit)):
                return LocalModel(base_id, commit, place.snapshot(commit))
    folder = embedded_folder(settings) if base_id == EMBEDDED_BASE else None
    return LocalModel(base_id, None, folder) if folder else None


def local_commits(place: RepoCache, revision: str | None) -> list[str]:
    """The commits in a cache that may stand for the revision, the best first."""
    if known := place.commit_of(revision or MAIN):
        return [known]
    return place.commits() if revision is None else []


def base_from_hub(
    settings: Settings, hub: Hub, base_id: str, revision: str | None
) -> Generator[Progress, None, LocalModel]:
    listing = list_repo(hub, base_id, revision)
    small = small_files(listing)
    folder = yield from fetch_files(settings, listing, small)
    shards = (WEIGHTS,) if WEIGHTS in listing.files else read_shards(folder / INDEX)
    if absent := [name for name in shards if name not in listing.files]:
        raise BaseUnavailable(f"{base_id} lacks its weight file {absent[0]}; choose another base model.")
    yield from fetch_files(settings, listing, (*small, *shards))
    RepoCache(settings.hub_cache, base_id).remember(revision or MAIN, listing.commit)
    return LocalModel(base_id, listing.commit, folder)


def small_files(listing: Listing) -> list[str]:
    """The names of all but the weights. Raises BaseUnavailable for what cannot be used as a base."""
    check_usable(listing)
    small = [name for name in BASE_FILES if name in listing.files]
    if too_large := [name for name in small if listing.files[name].size > MAX_SMALL_FILE_BYTES]:
        raise BaseUnavailable(
            f"{too_large[0]} of {listing.repo_id} is larger than 100 MB; choose another base model."
        )
    return small


def check_usable(listing: Listing) -> None:
    """Raise BaseUnavailable for a repository that holds no model in safetensors."""
    names = listing.files.keys()
    if "config.json" not in names:
        raise BaseUnavailable(
            f"{listing.repo_id} holds no model (no config.json); check the base model's name."
        )
    if WEIGHTS in names or INDEX in names:
        return
    if any(PICKLES.fullmatch(name) for name in names):
        raise BaseUnavailable(
            f"{listing.repo_id} has its weights only as pickle files, which can run code; "
            "choose a base model with safetensors weights."
        )
    raise BaseUnavailable(f"{listing.repo_id} holds no safetensors weights; choose another base model.")


def fetch_adapter(
    settings: Settings, hub: Hub, ref: AdapterRef, commit: str | None = None
) -> Generator[Progress, None, Path]:
    """Download an adapter of the Hub and return its folder; `commit` is what its ref resolves to, if known.

    Raises HubError, BadAdapter when it has no safetensors weights, and DoesNotFit. When the Hub cannot be
    reached, an adapter that was downloaded before is used.
    """
    wanted = commit or ref.revision or MAIN
    check_name(ref.name, wanted)
    place = RepoCache(settings.hub_cache, ref.name)
    known = place.commit_of(wanted)
    cached = place.adapter(known, ref.folder) if known else None
    if cached and known == wanted:
        return cached
    yield Progress("download", f"Asking the Hub for {ref}")
    try:
        listing = list_repo(hub, ref.name, wanted)
    except (HubUnreachable, HubRateLimited):
        if cached:
            return cached
        raise
    yield from fetch_files(settings, listing, adapter_files(ref, listing))
    place.remember(ref.revision or MAIN, listing.commit)
    return place.snapshot(listing.commit) / (ref.folder or "")


def adapter_files(ref: AdapterRef, listing: Listing) -> list[str]:
    """The names of the adapter's files in its repository, its weights last. Raises BadAdapter."""
    prefix = f"{ref.folder}/" if ref.folder else ""
    if missing := [name for name in ADAPTER_FILES if prefix + name not in listing.files]:
        raise BadAdapter(f"{ref} has no {missing[0]}, so it cannot be loaded; choose another adapter.")
    optional = [name for name in OPTIONAL_ADAPTER_FILES if prefix + name in listing.files]
    return [prefix + name for name in (*optional, *ADAPTER_FILES)]


def check_name(repo_id: str, revision: str | None) -> None:
    if not is_hub_id(repo_id):
        raise InvalidInput(
            f"“{repo_id[:120]}” is not a model on the Hub; use a name like org/name.", field="base_model"
        )
    if revision is not None and not REVISION.fullmatch(revision):
        raise InvalidInput(
            f"“{revision[:120]}” is not a revision; use a branch, tag or commit.", field="base_model"
        )
