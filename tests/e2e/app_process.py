"""The app as its user starts it, in a process of its own, for tests that talk to it from outside."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90
# Runs app.py as `python app.py` does, and at its end says which modules the web process holds. A shell lets
# what it runs in the background ignore Ctrl-C, and the tests may be that; a user's app does not ignore it.
AS_A_USER = """
import atexit, json, pathlib, runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
report = pathlib.Path(sys.argv.pop())
atexit.register(lambda: report.write_text(json.dumps(sorted(sys.modules))))
sys.argv = ["app.py"]
runpy.run_path("app.py", run_name="__main__")
"""


class AppProcess:
    """`with AppProcess(home, endpoint) as app:` serves on `app.url`; `restart()` keeps the data folder."""

    def __init__(self, home: Path, endpoint: str, **environment: str) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self.report = home / "modules.json"
        self.log = home / "app.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.environment = {
            **os.environ,
            "ADAPTER_UI_HOME": str(home),
            "HF_ENDPOINT": endpoint,
            "HF_HOME": str(home / "hf-home"),
            "GRADIO_SERVER_NAME": "127.0.0.1",
            "GRADIO_SERVER_PORT": str(self.port),
            **environment,
        }

    def start(self) -> Self:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", AS_A_USER, str(self.report)],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_SECONDS
        while not page_is_there(self.url):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The app did not start:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.1)
        return self

    def stop(self) -> list[str]:
        """End the app as Ctrl-C does; gives the names of the modules that its process held."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        return json.loads(self.report.read_text())

    def kill(self) -> None:
        """End the app as a machine out of memory does: at once, without a word."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> Self:
        self.stop()
        return self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def page_is_there(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
