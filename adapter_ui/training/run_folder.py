"""A run's folder: the one place where a fine-tuning run is written down, and the names of its files.

The supervisor and the training process meet here and nowhere else. Only reads and writes files; who runs when
is decided in `adapter_ui.training.runs`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from adapter_ui.domain import LOCAL_NAME
from adapter_ui.errors import without_local_names
from adapter_ui.training.disk import flush_to_disk
from adapter_ui.training.examples import Examples
from adapter_ui.training.recipe import Recipe


@dataclass(frozen=True)
class PreparedBase:
    """Local folders that a run trains on. `base_model` and `revision` are what the adapter's config will
    name; `adapter` is the adapter to continue from. `rounded` says how the base's weights are other ones than
    the Hub's, if they are.
    """

    folder: Path
    base_model: str
    revision: str | None = None
    adapter: Path | None = None
    license: str | None = None
    rounded: str = ""


@dataclass(frozen=True)
class RunFolder:
    """Paths and files of one run."""

    path: Path

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def process(self) -> Path:
        return self.path / "process.json"

    @property
    def stderr(self) -> Path:
        return self.path / "stderr.log"

    @property
    def adapter(self) -> Path:
        return self.path / "adapter"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def figures(self) -> Path:
        return self.path / "figures.json"

    @property
    def lock(self) -> Path:
        """Held by the one process that trains the run."""
        return self.path / "trainer.lock"

    @property
    def stop_file(self) -> Path:
        return self.path / "stop"

    @property
    def pause_file(self) -> Path:
        """Beside a stop file it says that the run shall rest, not end."""
        return self.path / "pause"

    def created(self) -> float:
        """When the run was queued, in seconds since 1970; of a damaged one, when its folder was touched."""
        with self.events.open("rb") as file:
            first = parsed(file.readline())
        return first["time"] if first else self.path.stat().st_mtime

    @property
    def stop_asked(self) -> bool:
        return self.stop_file.exists()

    @property
    def pause_asked(self) -> bool:
        return self.stop_asked and self.pause_file.exists()

    def write(self, recipe: Recipe, examples: Examples) -> None:
        """Write down what is to be trained, in a folder that exists."""
        write_json(self.path / "recipe.json", recipe.to_json())
        about = {
            "task_type": examples.task_type,
            "columns": dict(examples.columns),
            "labels": examples.labels,
        }
        write_json(
            self.path / "data.json", {**about, "rows": len(examples.rows), "dropped": examples.dropped}
        )
        with (self.path / "data.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in examples.rows)

    def read_recipe(self) -> Recipe:
        """Raises InvalidRecipe when another version of this app wrote it."""
        return Recipe.parse(self.recipe_fields())

    def recipe_fields(self) -> dict[str, Any]:
        return read_json(self.path / "recipe.json")

    def read_examples(self) -> Examples:
        about = read_json(self.path / "data.json")
        with (self.path / "data.jsonl").open(encoding="utf-8") as file:
            rows = tuple(json.loads(line) for line in file)
        return Examples(
            about["task_type"], about["columns"], rows, tuple(about["labels"]), dropped=about["dropped"]
        )

    def write_base(self, base: PreparedBase) -> None:
        fields = asdict(base)
        write_json(
            self.path / "base.json",
            {**fields, **{k: str(fields[k]) for k in ("folder", "adapter") if fields[k]}},
        )
        flush_to_disk(self.path / "base.json")

    def read_base(self) -> PreparedBase:
        fields = read_json(self.path / "base.json")
        adapter = Path(fields["adapter"]) if fields["adapter"] else None
        return PreparedBase(**{**fields, "folder": Path(fields["folder"]), "adapter": adapter})

    def append(self, event: str, **fields: Any) -> None:
        """Add one event. A line that a killed process left torn is closed first, to spoil no other; a state
        has reached the disk before it is acted upon.
        """
        if "message" in fields:
            fields["message"] = without_local_names(fields["message"])
        line = json.dumps({"event": event, "time": round(time.time(), 6), **fields}, allow_nan=False) + "\n"
        with self.events.open("a+b") as file:
            if file.tell() and not ends_with_newline(file.fileno(), file.tell()):
                line = "\n" + line
            file.write(line.encode())
        if event == "state":
            flush_to_disk(self.events)

    def read_events(self) -> list[dict[str, Any]]:
        """All whole events, oldest first; a torn line is passed over."""
        if not self.events.exists():
            return []
        found = (parsed(line) for line in self.events.read_bytes().splitlines())
        return [event for event in found if event is not None]


def run_folders(folder: Path) -> list[RunFolder]:
    """All complete runs below `folder`, in no particular order."""
    found = (RunFolder(path) for path in folder.iterdir() if LOCAL_NAME.fullmatch(path.name))
    return [run for run in found if run.events.is_file()]


def ends_with_newline(descriptor: int, size: int) -> bool:
    return os.pread(descriptor, 1, size - 1) == b"\n"


def parsed(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and {"event", "time"} <= event.keys() else None


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file that is either whole or not there."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
    partial.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))
