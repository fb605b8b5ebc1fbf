"""Merging and pushing as the page sees them, without a model and without a Hub."""

from __future__ import annotations

import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from adapter_ui.domain import Merged, Precision, Progress, Pushed
from adapter_ui.errors import InvalidInput
from tests.ui.fake_data import MB, SMOL


@dataclass
class FakeOutgoing:
    """`pause` is the seconds between two steps; `pushed` are the names and the tokens of each push,
    `kept` what was merged.
    """

    pause: float = 0.0
    pushed: list[tuple[str, str]] = field(default_factory=list)
    kept: dict[str, Merged] = field(default_factory=dict)

    def merge(
        self, adapter: str, base_model: str = "", model_class: str = "", *, visitor: str = ""
    ) -> Iterator[Progress | Merged]:
        for message in ("Loading the base", "Merging the adapter into the base", "Writing the merged model"):
            yield Progress("merge", message)
            time.sleep(self.pause)
        found = Merged(
            adapter, base_model or SMOL, "run-0001-merged-7f3a", Precision.BF16, 269 * MB, 0.0296, 0.08
        )
        self.kept[found.folder] = found
        yield found

    def merged_models(self) -> tuple[Merged, ...]:
        return tuple(self.kept.values())

    def delete_merged(self, folder: str) -> None:
        del self.kept[folder]

    def zipped(self, found: Merged) -> Path:
        archive = Path(tempfile.mkdtemp()) / f"{found.folder}.zip"
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("README.md", found.adapter)
        return archive

    def zip_merged(
        self, adapter: str, base_model: str = "", model_class: str = "", *, visitor: str = ""
    ) -> Iterator[Progress | Path]:
        *steps, found = self.merge(adapter, base_model, model_class)
        yield from steps
        yield self.zipped(found)

    def push(
        self,
        adapter: str,
        repo_id: str,
        *,
        private: bool,
        overwrite: bool,
        token: str,
        visitor: str = "",
    ) -> Iterator[Progress | Pushed]:
        if "/" not in repo_id:
            raise InvalidInput("repo_id must be account/name.", field="repo_id")
        self.pushed.append((repo_id, token))
        yield Progress("push", "Uploading 3 files, 1.8 MB")
        time.sleep(self.pause)
        yield Pushed(adapter, repo_id, f"http://127.0.0.1:9/{repo_id}", "0" * 40, private)
