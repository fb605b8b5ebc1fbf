"""The house keeps its shape: which room may know which, and how large a file may grow."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = sorted((ROOT / "adapter_ui").rglob("*.py"))
LONGEST_FILE = 300


def test_rooms_know_only_the_rooms_below_them():
    linter = Path(sys.executable).with_name("lint-imports")
    answer = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_small_enough_to_read(path):
    assert len(path.read_text().splitlines()) <= LONGEST_FILE


def test_only_the_settings_read_the_environment():
    readers = {path.name for path in PACKAGE if "os.environ" in path.read_text()}
    assert readers <= {"settings.py"}
