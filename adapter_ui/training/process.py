"""Training processes of this machine: start one, know it again after a restart, and say why one died.

Knows processes and their environment; nothing of recipes or queues.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from adapter_ui.errors import without_local_names
from adapter_ui.settings import child_environment
from adapter_ui.training.disk import FULL, tells_of_full
from adapter_ui.training.run_folder import RunFolder, read_json, write_json

SAME_START_SECONDS = 2.0
NOBODY = 0
TRAINER = ("-m", "adapter_ui.models.train")
STARTED = b"-- started --\n"
"""Before what a training process writes to its log, which goes on when the run is resumed."""
GATE = ("/bin/sh", "-c", 'read -r go && exec "$@" </dev/null', "gate")
"""Runs the command after it, in the same process, once a line is read; not when the writer is gone."""
ERROR_LINE = re.compile(r"[\w.]*(?:Error|Exception|Interrupt)\b")


@dataclass(frozen=True)
class ProcessMark:
    """A process that can be told from a later one with the same pid. `role` is supervisor or trainer."""

    role: str
    pid: int
    created: float

    @classmethod
    def of(cls, role: str, pid: int) -> ProcessMark:
        """Raises psutil.NoSuchProcess when there is none."""
        return cls(role, pid, psutil.Process(pid).create_time())

    @classmethod
    def of_this(cls, role: str) -> ProcessMark:
        return cls.of(role, os.getpid())

    @classmethod
    def read(cls, folder: RunFolder) -> ProcessMark | None:
        """None when nobody has it in hand; a mark that a loss of power tore is that of a dead trainer."""
        try:
            return cls(**read_json(folder.process))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            return cls("trainer", NOBODY, 0.0)

    def write(self, folder: RunFolder) -> None:
        write_json(folder.process, asdict(self))

    def claim(self, folder: RunFolder) -> bool:
        """Write the mark only if there is none; whether it was written."""
        unclaimed = folder.path / f"process.{self.pid}"
        write_json(unclaimed, asdict(self))
        try:
            folder.process.hardlink_to(unclaimed)
        except FileExistsError:
            return False
        finally:
            unclaimed.unlink()
        return True

    @property
    def alive(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < SAME_START_SECONDS
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def kill(self) -> None:
        """Kill the process and what it started, at once. A process that is gone already is left in peace."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)


def start_trainer(folder: RunFolder) -> subprocess.Popen[bytes]:
    """Start the training process of a run and mark it, in a session of its own so that it outlives this app.

    It stands at a gate until its mark is written, and ends there when this app dies or fails before: nothing
    trains that nobody could find again.
    """
    with folder.stderr.open("ab") as stderr:
        stderr.write(STARTED)
        stderr.flush()
        child = subprocess.Popen(
            [*GATE, sys.executable, *TRAINER, str(folder.path)],
            cwd=folder.path,
            env=child_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
            bufsize=0,
        )
    try:
        ProcessMark.of("trainer", child.pid).write(folder)
        child.stdin.write(b"go\n")
    except (OSError, psutil.Error):
        child.kill()
        child.wait()
        raise
    finally:
        child.stdin.close()
    return child


def cause_of_death(folder: RunFolder, returncode: int | None) -> str:
    """One sentence for a process that ended without a word. `returncode` is None when not known."""
    if returncode == -signal.SIGKILL:
        return (
            "The training process was stopped by the system, most likely for memory; "
            "use a smaller batch or max_length, or another precision."
        )
    line = last_error_line(folder.stderr)
    if tells_of_full(line):
        return FULL
    if line:
        return f"The training stopped with an error: {line}"
    if returncode is not None and returncode < 0:
        name = signal.Signals(-returncode).name
        return f"The training process was stopped by the signal {name}; start it again."
    return "The training process ended without saying why, perhaps for memory; try a smaller batch."


def last_error_line(stderr: Path) -> str:
    """The line that names the exception, from the end of the log; "" when the last process wrote none."""
    if not stderr.exists():
        return ""
    written = stderr.read_text(errors="replace").rpartition(STARTED.decode())[2]
    lines = [line.strip() for line in written[-20_000:].splitlines()]
    found = [line for line in lines if ERROR_LINE.match(line)]
    return without_local_names(found[-1])[:300] if found else ""
