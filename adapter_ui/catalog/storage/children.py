"""Run a child process as part of shared work: its progress is looked up, a cancel or a silence ends it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from adapter_ui.catalog.storage.shared_work import SharedWork
from adapter_ui.domain import Progress
from adapter_ui.errors import BaseUnavailable

POLL_SECONDS = 0.1
SILENCE_SECONDS = 120.0
END_SECONDS = 5.0
REASON_CHARACTERS = 300


def run_child(
    work: SharedWork,
    command: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    look: Callable[[], Progress],
    failure: str,
) -> None:
    """Run `command` to its end, its output in `log`, and report what `look` sees.

    Raises BaseUnavailable with `failure` and the child's last words when it fails or shows no progress for
    two minutes, and Cancelled when the work is no longer wanted. The child never outlives this call.
    """
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait(work, child, look, failure)
    finally:
        end(child)
    if child.returncode != 0:
        raise BaseUnavailable(f"{failure}: {last_words(log)}")


def wait(
    work: SharedWork, child: subprocess.Popen[bytes], look: Callable[[], Progress], failure: str
) -> None:
    seen = look()
    moved = time.monotonic()
    while child.poll() is None:
        time.sleep(POLL_SECONDS)
        now = look()
        work.report(now)
        if now != seen:
            seen, moved = now, time.monotonic()
        elif time.monotonic() - moved > SILENCE_SECONDS:
            raise BaseUnavailable(f"{failure}: nothing moved for {SILENCE_SECONDS:.0f} seconds; try again.")


def end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def last_words(log: Path) -> str:
    """The last line that names an error, else the last line; without more than fits in a sentence."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["it said nothing"])[-1][:REASON_CHARACTERS]
