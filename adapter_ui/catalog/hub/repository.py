"""What the Hub says of a repository, checked: its answers become RepositoryInfo and Revisions (pure).

The answers are a stranger's JSON: a field of the wrong kind is unknown, texts and lists are cut, and a name
that could not stand in a ref is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from adapter_ui.catalog.bases.facts import file_sizes
from adapter_ui.catalog.hub.rows import LICENSE_TAG, count_of
from adapter_ui.domain import ADAPTER_CONFIG, COMMIT, REPO_FOLDER, REVISION, Revision

LICENSE = re.compile(r"\w[\w. ,+()-]{0,63}", re.ASCII)
MOST_FILES = 10_000
MOST_FOLDERS = 1_000
MOST_REVISIONS = 500
LONGEST_PATH = 512
MAIN = "main"
DIGITS = re.compile(r"(\d{1,18})", re.ASCII)


@dataclass(frozen=True)
class RepositoryInfo:
    """A repository at one commit. `files` are their names with their sizes in bytes; `checked` is when the
    Hub said all this.
    """

    id: str
    commit: str
    files: Mapping[str, int | None]
    checked: str
    disabled: bool = False
    license: str | None = None
    downloads: int | None = None
    likes: int | None = None
    updated: str | None = None


def read_info(info: Mapping[str, Any]) -> RepositoryInfo | None:
    """The Hub's metadata of a repository, as it is now; None when it names no commit."""
    commit = info.get("sha")
    if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
        return None
    return RepositoryInfo(
        id=info["id"],
        commit=commit,
        files=sound_files(file_sizes(info)),
        checked=datetime.now(UTC).isoformat(timespec="seconds"),
        disabled=info.get("disabled") is True,
        license=license_of(info),
        downloads=count_of(info.get("downloads")),
        likes=count_of(info.get("likes")),
        updated=time_of(info.get("lastModified")),
    )


def sound_files(sizes: Mapping[str, int | None]) -> dict[str, int | None]:
    """Names that can be shown, the adapters' own first, so that a cut list still has them."""
    names = [name for name in sizes if len(name) <= LONGEST_PATH and name.isprintable()]
    names.sort(key=lambda name: (not name.rpartition("/")[2].startswith("adapter_"), name))
    return {name: count_of(sizes[name]) for name in names[:MOST_FILES]}


def adapter_folders(files: Iterable[str]) -> tuple[str, ...]:
    """The folders with an adapter's config that can stand in a ref, checkpoint-20 before checkpoint-100."""
    folders = {name.rpartition("/")[0] for name in files if name.endswith(f"/{ADAPTER_CONFIG}")}
    named = [folder for folder in folders if REPO_FOLDER.fullmatch(folder)]
    return tuple(sorted(named, key=by_number)[:MOST_FOLDERS])


def read_revisions(refs: Mapping[str, Any]) -> tuple[Revision, ...]:
    """`main`, then the other branches, then the tags, each kind by its name."""
    branches = list(revisions_of(refs.get("branches"), "branch"))
    branches.sort(key=lambda one: (one.name != MAIN, by_number(one.name)))
    tags = sorted(revisions_of(refs.get("tags"), "tag"), key=lambda one: by_number(one.name))
    return tuple([*branches, *tags][:MOST_REVISIONS])


def revisions_of(listed: Any, kind: str) -> Iterator[Revision]:
    seen: set[str] = set()
    for one in listed if isinstance(listed, list) else ():
        name = one.get("name") if isinstance(one, dict) else None
        if isinstance(name, str) and name not in seen and REVISION.fullmatch(name):
            seen.add(name)
            commit = one.get("targetCommit")
            known = isinstance(commit, str) and COMMIT.fullmatch(commit)
            yield Revision(name, kind, commit if known else None)


def by_number(name: str) -> list[tuple[bool, int, str]]:
    """A key that sorts numbers inside names as numbers."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in DIGITS.split(name)]


def license_of(info: Mapping[str, Any]) -> str | None:
    """The card's license: its own name for one that the Hub's list of licenses lacks; else the tag's."""
    card = info.get("cardData")
    card = card if isinstance(card, dict) else {}
    named = card.get("license")
    if named == "other":
        named = card.get("license_name") or named
    if isinstance(named, list):
        named = ", ".join(one for one in named[:4] if isinstance(one, str))
    tags = info.get("tags")
    if not named and isinstance(tags, list):
        tagged = (tag for tag in tags if isinstance(tag, str) and tag.startswith(LICENSE_TAG))
        named = next(tagged, "").removeprefix(LICENSE_TAG)
    return named if isinstance(named, str) and LICENSE.fullmatch(named) else None


def time_of(value: Any) -> str | None:
    """A timestamp in UTC, as ISO 8601."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return None
