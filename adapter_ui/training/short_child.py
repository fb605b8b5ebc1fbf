"""A short child process for what a stranger's bytes may make go wrong: no secrets, a deadline, an end.

Knows nothing of what the process does.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import psutil

from adapter_ui.settings import child_environment

POLL_SECONDS = 0.25
PATIENCE = 4


def run_to_end(module: str, folder: Path, stderr: Path, deadline_seconds: float) -> bool:
    """Run `python -m module folder` and wait for its end, whatever that is; False at the deadline, when it is
    killed. One that others keep from computing has up to four times as long.
    """
    child = started(module, folder, stderr)
    began = time.monotonic()
    try:
        while not has_ended_within(child, POLL_SECONDS):
            waited = time.monotonic() - began
            if waited >= deadline_seconds and (
                computed_seconds(child) >= deadline_seconds or waited >= PATIENCE * deadline_seconds
            ):
                return False
        return True
    finally:
        child.kill()
        child.wait()


def has_ended_within(child: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def computed_seconds(child: subprocess.Popen[bytes]) -> float:
    """The time that processors have given it."""
    try:
        times = psutil.Process(child.pid).cpu_times()
    except psutil.NoSuchProcess:  # it ended just now
        return 0.0
    return times.user + times.system


def watched(module: str, folder: Path, stderr: Path, deadline_seconds: float) -> Generator[None, None, bool]:
    """The same, yielding while it runs; closing the iterator kills the process."""
    deadline = time.monotonic() + deadline_seconds
    child = started(module, folder, stderr)
    try:
        while child.poll() is None:
            if time.monotonic() >= deadline:
                return False
            yield
            time.sleep(POLL_SECONDS)
        return True
    finally:
        child.kill()
        child.wait()


def started(module: str, folder: Path, stderr: Path) -> subprocess.Popen[bytes]:
    with stderr.open("wb") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", module, str(folder)],
            cwd=folder,
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
