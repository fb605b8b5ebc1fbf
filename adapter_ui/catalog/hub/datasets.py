"""The rows of a dataset on the Hub: one config and split of it, as files of one commit, within a bound.

Knows files and their sizes; what is in them is for `adapter_ui.training` to read.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from adapter_ui.catalog.hub.client import Hub
from adapter_ui.catalog.hub.data_files import choose_files
from adapter_ui.catalog.hub.errors import no_answer
from adapter_ui.catalog.hub.repository import read_info
from adapter_ui.domain import REVISION, Progress, is_hub_id
from adapter_ui.errors import DisabledRepo, InvalidInput

PIECE_BYTES = 2_000_000
MOST_FILES = 64


@dataclass(frozen=True)
class DatasetRef:
    """A dataset as a person names it; "" is the default of its config, split and revision."""

    id: str
    config: str = ""
    split: str = ""
    revision: str = ""

    def __post_init__(self) -> None:
        if not is_hub_id(self.id):
            raise InvalidInput(
                f"“{self.id[:120]}” is not a dataset on the Hub; use a name like org/name.", field="dataset"
            )
        if self.revision and not REVISION.fullmatch(self.revision):
            raise InvalidInput(
                f"“{self.revision[:120]}” is not a revision; use a branch, tag or commit.", field="revision"
            )


@dataclass(frozen=True)
class DatasetFiles:
    """The files that hold the rows, with their sizes in bytes."""

    id: str
    commit: str
    files: Mapping[str, int]


def find_files(hub: Hub, wanted: DatasetRef, most_bytes: int) -> DatasetFiles:
    """Ask the Hub, in one request, which files hold the rows.

    Raises InvalidInput where there is a choice to make, no rows, or more than `most_bytes` of them; HubError.
    """
    info = hub.dataset(wanted.id, wanted.revision or None)
    repository = read_info(info)
    if repository is None:
        raise no_answer(f"the dataset {wanted.id}")
    if repository.disabled:
        raise DisabledRepo(f"The Hub has disabled access to the dataset {wanted.id}; choose another one.")
    names = choose_files(card_of(info), sorted(repository.files), wanted.config, wanted.split)
    sizes = {name: repository.files[name] for name in names}
    if any(size is None for size in sizes.values()):
        raise no_answer(f"the files of the dataset {wanted.id}")
    total = sum(sizes.values())
    if total > most_bytes or len(names) > MOST_FILES:
        raise InvalidInput(
            f"These rows of {wanted.id} have {total / 1e6:,.1f} MB (files: {len(names)}); the limit is "
            f"{most_bytes / 1e6:.0f} MB in {MOST_FILES} files, so choose a smaller split or dataset.",
            field="dataset",
        )
    return DatasetFiles(repository.id, repository.commit, sizes)


def card_of(info: Mapping[str, Any]) -> Mapping[str, Any]:
    card = info.get("cardData")
    return card if isinstance(card, dict) else {}


def fetch(hub: Hub, found: DatasetFiles, folder: Path) -> Generator[Progress, None, list[Path]]:
    """Download the files into the folder, under names of our own; gives their paths. Raises HubError."""
    done, total = 0, sum(found.files.values())
    paths = []
    for at, (name, size) in enumerate(found.files.items()):
        path = folder / f"{at:03}{PurePosixPath(name).suffix.lower()}"
        with path.open("wb") as out:
            while out.tell() < size:
                yield Progress("download", f"Downloading {found.id}", done, total)
                end = min(out.tell() + PIECE_BYTES, size)
                piece = hub.read_range(f"datasets/{found.id}", found.commit, name, out.tell(), end)
                if len(piece) != end - out.tell():
                    raise no_answer(f"the file {name} of {found.id}")
                out.write(piece)
                done += len(piece)
        paths.append(path)
    yield Progress("download", f"Downloading {found.id}", done, total)
    return paths
