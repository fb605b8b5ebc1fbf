"""Find the Chromium that the page's tests drive, or install it; a machine that can have none fails here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium() -> str | None:
    """The browser's path: `ADAPTER_UI_CHROMIUM`, else the first one on PATH."""
    return os.environ.get("ADAPTER_UI_CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)


def install() -> str:
    """Install Chromium with the system's package manager and give its path."""
    if shutil.which("apt-get") is None:
        raise SystemExit("Install Chromium, or name one in ADAPTER_UI_CHROMIUM, and run the tests again.")
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    quiet = {"stdout": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
    subprocess.run([*as_root, "apt-get", "update"], check=True, **quiet)
    subprocess.run([*as_root, "apt-get", "install", "-y", "chromium"], check=True, **quiet)
    found = chromium()
    if found is None:
        raise SystemExit("Chromium was installed but is not on PATH.")
    return found


if __name__ == "__main__":
    print(chromium() or install(), file=sys.stderr)
