"""Checkpoints of a run: which of them are whole, and which one to go on from.

A checkpoint is a folder that the Trainer writes file by file, so a kill or a full disk can leave it torn. One
that is whole is sealed at the end with the sizes and hashes of its files; without a seal that holds, a
checkpoint is never used. Knows files and hashes, nothing of what is in them.
"""

from __future__ import annotations

import hashlib
import math
import re
import shutil
from pathlib import Path

from adapter_ui.training.disk import flush_to_disk
from adapter_ui.training.run_folder import read_json, write_json

SEAL = "complete.json"
PLAIN = "plain_"
"""Before the names of an adapter's files: as it is kept, where training resumes from other numbers."""
CHECKPOINT = re.compile(r"checkpoint-(\d{1,9})")


def seal(checkpoint: Path) -> None:
    """Note what the folder holds, once all of it has reached the disk."""
    files = files_of(checkpoint)
    for path in (*files, checkpoint):
        flush_to_disk(path)
    write_json(checkpoint / SEAL, {path.name: [path.stat().st_size, digest(path)] for path in files})
    for path in (checkpoint / SEAL, checkpoint, checkpoint.parent):
        flush_to_disk(path)


def newest(folder: Path, before: float = math.inf) -> Path | None:
    """The checkpoint of the latest step below `before` whose seal holds; None when there is none."""
    found = (path for path in reversed(steps(folder)) if step_of(path) < before)
    return next((path for path in found if is_whole(path)), None)


def newest_step(folder: Path, before: float = math.inf) -> int | None:
    """The step of the latest sealed checkpoint below `before`, told without reading its files."""
    sealed = (path for path in reversed(steps(folder)) if (path / SEAL).is_file())
    return next((step_of(path) for path in sealed if step_of(path) < before), None)


def remove_torn(folder: Path) -> None:
    """Remove what is not whole, so that its step can be written again."""
    for path in steps(folder):
        if not is_whole(path):
            shutil.rmtree(path)


def is_whole(checkpoint: Path) -> bool:
    try:
        sealed = read_json(checkpoint / SEAL)
    except (OSError, ValueError):
        return False
    files = {path.name: path for path in files_of(checkpoint)}
    return files.keys() == sealed.keys() and all(
        [path.stat().st_size, digest(path)] == sealed[name] for name, path in files.items()
    )


def steps(folder: Path) -> list[Path]:
    """All checkpoints below `folder`, whole or not, in the order of their steps."""
    found = folder.glob("checkpoint-*") if folder.is_dir() else ()
    return sorted((path for path in found if CHECKPOINT.fullmatch(path.name)), key=step_of)


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def files_of(checkpoint: Path) -> list[Path]:
    return sorted(path for path in checkpoint.iterdir() if path.is_file() and path.name != SEAL)


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
