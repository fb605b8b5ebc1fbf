"""Mixes on this machine: made by a child process, kept as plain PEFT folders, deleted.

A mix appears whole or not at all: it is written below a folder of its own and moved into place in one step.
Knows folders and the recipe; torch stays in the child.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

from adapter_ui.catalog.storage.children import run_child
from adapter_ui.catalog.storage.embedded import TEMPORARY_PREFIX, remove_leftovers
from adapter_ui.catalog.storage.library import MIXES
from adapter_ui.catalog.storage.mix_card import mix_card
from adapter_ui.catalog.storage.shared_work import SharedWork, share
from adapter_ui.domain import LOCAL_NAME, AdapterRef, MixRecipe, Progress
from adapter_ui.errors import BadAdapter, BaseUnavailable, InvalidInput, ModelFailure, NotFoundOrPrivate
from adapter_ui.settings import Settings, child_environment

START = Progress("start", "Starting the mix")


@dataclass(frozen=True)
class MixSources:
    """What a recipe's parts are here: the base of all, each part's folder, the licenses that are known."""

    base_model: str
    folders: tuple[Path, ...]
    licenses: Mapping[AdapterRef, str]


class Mixes:
    """The mixes below one data folder."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.home / MIXES
        self._work = settings.home / "mixing"

    def refuse_taken(self, name: str) -> None:
        """Raise InvalidInput when there is a mix of this name."""
        if (self._folder / name).exists():
            raise InvalidInput(f"There is a mix called {name} already; choose another name.", field="name")

    def make(self, recipe: MixRecipe, sources: MixSources) -> Generator[Progress, None, Path]:
        """Make the mix and give its folder. Closing the generator stops it and leaves nothing behind.

        Raises InvalidInput for a name that is taken, BadAdapter for parts that cannot be mixed, and
        ModelFailure when the child process fails or falls silent.
        """
        self.refuse_taken(recipe.name)
        key = f"mix {self._folder} {json.dumps(recipe.to_json())}"
        return (yield from share(key, START, lambda work: self._make(work, recipe, sources)))

    def _make(self, work: SharedWork, recipe: MixRecipe, sources: MixSources) -> Path:
        for folder in (self._folder, self._work):
            folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self._work)
        with tempfile.TemporaryDirectory(dir=self._work, prefix=TEMPORARY_PREFIX) as name:
            temporary = Path(name)
            mix_in_child(work, temporary, recipe, sources)
            adapter = temporary / "adapter"
            card = mix_card(recipe, sources.base_model, sources.licenses)
            (adapter / "README.md").write_text(card, encoding="utf-8")
            with work.wanted():
                self.refuse_taken(recipe.name)
                flushed(adapter).replace(self._folder / recipe.name)
        return self._folder / recipe.name

    def delete(self, name: str) -> None:
        """Remove a mix. Raises NotFoundOrPrivate."""
        folder = self._folder / name
        if not LOCAL_NAME.fullmatch(name) or not folder.is_dir():
            raise NotFoundOrPrivate(
                f"There is no mix {name[:60]} on this machine; look at the Library for those that are."
            )
        self._work.mkdir(exist_ok=True)
        removed = Path(tempfile.mkdtemp(dir=self._work, prefix=TEMPORARY_PREFIX))
        folder.replace(removed)
        shutil.rmtree(removed)


def mix_in_child(work: SharedWork, folder: Path, recipe: MixRecipe, sources: MixSources) -> None:
    """Leave the adapter in `folder`/adapter. Raises what the child refuses, or ModelFailure."""
    asked = {
        "recipe": recipe.to_json(),
        "folders": [str(one) for one in sources.folders],
        "base_model": sources.base_model,
    }
    (folder / "mix.json").write_text(json.dumps(asked), encoding="utf-8")
    progress, refusal = folder / "progress.json", folder / "refusal.json"

    def look() -> Progress:
        return Progress(**json.loads(progress.read_text(encoding="utf-8"))) if progress.exists() else START

    command = [sys.executable, "-m", "adapter_ui.models.mixing", str(folder)]
    try:
        run_child(work, command, child_environment(), folder / "log", look, "The adapters were not mixed")
    except BaseUnavailable as error:  # what run_child says of any child that fails
        raise ModelFailure(error.message) from error
    if refusal.exists():
        raise BadAdapter(json.loads(refusal.read_text(encoding="utf-8"))["message"])


def flushed(folder: Path) -> Path:
    """The folder once its files have reached the disk."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    return folder
