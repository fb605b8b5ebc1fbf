"""One model worker as an operating system process: start, write a line, read lines, kill.

Knows pipes and exit codes; knows nothing of requests, of who waits, or of models.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil

from adapter_ui.engine import protocol
from adapter_ui.errors import ModelFailure
from adapter_ui.settings import child_environment

LINE_BOUND = 32 * 1024 * 1024
LOG_BOUND = 16 * 1024 * 1024
CLOSE_SECONDS = 2.0


class WorkerProcess:
    """A running worker. `deliver` is given each event with its request's id by a thread of its own, and
    `gone` is called there once the process has ended.
    """

    def __init__(
        self,
        log_file: Path,
        deliver: Callable[[int, protocol.Event], None],
        gone: Callable[[WorkerProcess], None],
    ) -> None:
        self.deliver, self.gone = deliver, gone
        log_file.parent.mkdir(parents=True, exist_ok=True)
        grown = log_file.exists() and log_file.stat().st_size > LOG_BOUND
        with log_file.open("wb" if grown else "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "adapter_ui.models.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=child_environment(),
            )
        self.unreadable = False
        self.writing = threading.Lock()
        threading.Thread(target=self.read, name="worker-events", daemon=True).start()

    def read(self) -> None:
        try:
            while line := self.process.stdout.readline(LINE_BOUND):
                self.deliver(*protocol.decode(line))
        except BaseException as error:
            self.unreadable = True
            self.process.kill()
            if not isinstance(error, ModelFailure):
                raise
        finally:  # whatever ends this thread: nobody would be told anything any more
            self.process.wait()
            self.gone(self)

    def send(self, line: bytes) -> None:
        """Write one message; that a worker is gone is told to `gone`, not here."""
        try:
            with self.writing:
                self.process.stdin.write(line)
                self.process.stdin.flush()
        except (BrokenPipeError, ValueError):
            self.process.kill()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def memory(self) -> int:
        """Resident memory in bytes; 0 when the process is gone."""
        try:
            return psutil.Process(self.process.pid).memory_info().rss
        except psutil.NoSuchProcess:
            return 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """Let the worker end by itself, or kill it after two seconds."""
        try:
            self.process.stdin.close()
            self.process.wait(CLOSE_SECONDS)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.kill()

    def last_words(self) -> str:
        """Why the process ended, in words."""
        if self.unreadable:
            return "sent a message that cannot be read, and was stopped"
        code = self.process.poll()
        if code == -signal.SIGKILL:
            return "was stopped by the system, most likely because memory ran out"
        if code is not None and code < 0:
            return f"crashed ({signal.Signals(-code).name})"
        return f"ended unexpectedly (exit code {code})"
