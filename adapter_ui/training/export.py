"""A run to take away: its adapter as a plain PEFT folder, or a script and rows that train it again, zipped.

The same run gives the same bytes each time. Reads a run's folder and writes zip files; knows nothing of the
queue of runs, of models or of who asked.
"""

from __future__ import annotations

import secrets
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

from adapter_ui.domain import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from adapter_ui.errors import InvalidInput
from adapter_ui.training.keeping import labels_for
from adapter_ui.training.run_folder import RunFolder
from adapter_ui.training.run_status import read_status
from adapter_ui.training.scripts.script import STARTING_ADAPTER, training_script

FORMATS = ("adapter", "script")
ADAPTER_FILES = (ADAPTER_CONFIG, ADAPTER_WEIGHTS, "README.md", "label_names.json")
WEIGHTS = ".safetensors"
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
UNIX = 3
READABLE = 0o100644 << 16


def export_run(run: RunFolder, format: str, folder: Path) -> Path:
    """Write the run as a zip below `folder` and give its path. Raises InvalidInput for a run that has nothing
    of the kind to give.
    """
    if format not in FORMATS:
        raise InvalidInput(
            f"format is “{format[:40]}”; it must be one of {', '.join(FORMATS)}.", field="format"
        )
    members = adapter_members(run) if format == "adapter" else script_members(run)
    folder.mkdir(parents=True, exist_ok=True)
    target = exported(folder, run.path.name, format)
    write_zip(target, members)
    return target


def remove_exports(folder: Path, run_id: str) -> None:
    """Remove what was written of a run that is deleted."""
    for format in FORMATS:
        exported(folder, run_id, format).unlink(missing_ok=True)


def exported(folder: Path, run_id: str, format: str) -> Path:
    return folder / f"{run_id}-{format}.zip"


def adapter_members(run: RunFolder) -> dict[str, Path]:
    """The files of the run's adapter; what else may lie in its folder stays there."""
    if not read_status(run).state.ended:
        raise InvalidInput(
            "This run has not ended; wait for it, or stop it, and then download its adapter.", field="run_id"
        )
    if not run.adapter.is_dir():
        raise InvalidInput("This run has no adapter, since it ended before its first step.", field="run_id")
    paths = {name: run.adapter / name for name in ADAPTER_FILES}
    return {name: path for name, path in paths.items() if path.is_file()}


def script_members(run: RunFolder) -> dict[str, Path | str]:
    if not (run.path / "base.json").is_file():
        raise InvalidInput(
            "This run has not fetched its base yet, which the script names by its revision; try again "
            "once it trains.",
            field="run_id",
        )
    base = run.read_base()
    script = training_script(run.read_recipe(), base, labels_for(run))
    return {
        "train.py": script,
        "data.jsonl": run.path / "data.jsonl",
        **(starting_members(base.adapter) if base.adapter else {}),
    }


def starting_members(adapter: Path) -> dict[str, Path]:
    """The files of the adapter that the run trains further, as far as a script needs them."""
    if not adapter.is_dir():
        raise InvalidInput(
            "The adapter that this run trains further is no longer on this machine; download the trained "
            "adapter instead.",
            field="format",
        )
    names = (ADAPTER_CONFIG, ADAPTER_WEIGHTS)
    return {f"{STARTING_ADAPTER}/{name}": adapter / name for name in names}


def write_zip(target: Path, members: Mapping[str, Path | str]) -> None:
    """Write a zip that is either whole or not there, the same bytes for the same members.

    A member is a file, or a text. Weights do not get smaller by compression, so they are stored.
    """
    partial = target.with_suffix(f".{secrets.token_hex(4)}")  # two visitors may ask at once
    try:
        with zipfile.ZipFile(partial, "w") as archive:
            for name in sorted(members):
                add(archive, name, members[name])
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def add(archive: zipfile.ZipFile, name: str, content: Path | str) -> None:
    entry = zipfile.ZipInfo(name, ZIP_EPOCH)
    entry.create_system, entry.external_attr = UNIX, READABLE
    entry.compress_type = zipfile.ZIP_STORED if name.endswith(WEIGHTS) else zipfile.ZIP_DEFLATED
    if isinstance(content, str):
        archive.writestr(entry, content)
        return
    entry.file_size = content.stat().st_size
    with content.open("rb") as source, archive.open(entry, "w") as member:
        shutil.copyfileobj(source, member)
