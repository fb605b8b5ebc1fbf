"""A short child process for what a stranger's bytes may make go wrong: no secrets, a deadline, an end.

Knows nothing of what the process does.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from adapter_ui.settings import child_environment


def run_to_end(module: str, folder: Path, stderr: Path, deadline_seconds: float) -> bool:
    """Run `python -m module folder` and wait for its end, whatever that is; False at the deadline, when it is
    killed.
    """
    with stderr.open("wb") as errors:
        child = subprocess.Popen(
            [sys.executable, "-m", module, str(folder)],
            cwd=folder,
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
    try:
        child.wait(deadline_seconds)
    except subprocess.TimeoutExpired:
        return False
    finally:
        child.kill()
        child.wait()
    return True
