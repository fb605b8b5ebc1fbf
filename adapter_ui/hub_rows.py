"""Rows of a dataset on the Hub, brought here as one file that the data reader takes like an upload.

Part of the service layer: the catalog finds and fetches, the training room reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from adapter_ui.catalog.hub.client import Hub
from adapter_ui.catalog.hub.datasets import DatasetRef, fetch, find_files
from adapter_ui.domain import Progress
from adapter_ui.training.file_text import MAX_BYTES
from adapter_ui.training.sources.joined import join_files


def fetch_rows(hub: Hub, wanted: DatasetRef, folder: Path) -> Iterator[Progress | Path]:
    """Download the rows into the folder, with progress; the last item is the file.

    Raises InvalidInput, InvalidRecipe and HubError.
    """
    yield Progress("list", f"Asking the Hub for {wanted.id}")
    found = find_files(hub, wanted, MAX_BYTES)
    paths = yield from fetch(hub, found, folder)
    name = "-".join([wanted.id.replace("/", "--"), *([wanted.split] if wanted.split.isidentifier() else [])])
    if len(paths) == 1:
        yield paths[0].rename(folder / f"{name}{paths[0].suffix}")
    else:
        yield join_files(paths, folder / f"{name}.jsonl")
