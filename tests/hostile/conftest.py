"""Every case's folders, written once, and the process that loads them under watch."""

from __future__ import annotations

import json
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter_ui.settings import child_environment
from tests.hostile.adapter_cases import CASES as ADAPTER_CASES
from tests.hostile.adapter_cases import PAYLOAD
from tests.hostile.base_cases import CASES as BASE_CASES
from tests.hostile.cases import OUTSIDE, Case

CASES = (*ADAPTER_CASES, *BASE_CASES)
ROOT = Path(__file__).parents[2]
SECONDS = 60


class Folders:
    """The folders of cases, all below one; `outside` is the folder that nothing may open."""

    def __init__(self, root: Path, models: Path) -> None:
        self.root, self.outside = root / "inside", root / "outside"
        self.models = models
        self.outside.mkdir()
        for name in ("evil.bin", "evil.py", "tokenizer.json", "tokenizer.4.0.json", "vocab.json"):
            (self.outside / name).write_bytes(PAYLOAD)
        shutil.copy(models / "llama" / "model.safetensors", self.outside)
        shutil.copytree(models, self.root)

    def of(self, case: Case) -> tuple[Path, Path]:
        """The adapter's and the base's folder of a case; a side that it does not change is the sound one."""
        place = self.root / str(CASES.index(case))
        adapter, base = place / "adapter", place / "base"
        if not place.exists():
            shutil.copytree(self.models / "lora", adapter)
            shutil.copytree(self.models / "llama", base)
            case.change(adapter, base)
            for file in place.rglob("*.json"):
                file.write_text(file.read_text().replace(OUTSIDE, str(self.outside)))
        return adapter, base


class Watched:
    """The process under watch; it is started anew when a case did not let it answer."""

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self.process: subprocess.Popen | None = None

    def load(self, case: Case) -> dict[str, Any]:
        return self.load_folders(*self.folders.of(case), str(case))

    def load_folders(self, adapter: Path, base: Path, name: str) -> dict[str, Any]:
        """What came of an adapter and a base that lie below the root of all folders."""
        process = self.running()
        asked = [str(path.relative_to(self.folders.root)) for path in (adapter, base)]
        process.stdin.write(json.dumps(asked).encode() + b"\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], SECONDS)[0]:
            self.close()
            pytest.fail(f"{name} took longer than {SECONDS} s")
        line = process.stdout.readline()
        if not line:
            self.close()
            pytest.fail(f"{name} ended the process")
        return json.loads(line)

    def running(self) -> subprocess.Popen:
        if self.process is None:
            command = [sys.executable, "-m", "tests.hostile.watched", self.folders.root, self.folders.outside]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            self.process = subprocess.Popen(command, cwd=ROOT, env=child_environment(), **pipes)
        return self.process

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> Folders:
    return Folders(tmp_path_factory.mktemp("hostile"), tiny_models)


@pytest.fixture(scope="session")
def watched(folders: Folders) -> Iterator[Watched]:
    watched = Watched(folders)
    yield watched
    watched.close()
