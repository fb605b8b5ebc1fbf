"""Queues a run and lets the process that keeps the queue fail at one of its own writes, then at the next.

    python -m tests.training.queue_faults kill|full FOLDER

`kill`: the process dies there, and another takes over. `full`: the disk is full from there on, for a while;
the same process goes on. The training process is a stand-in that says it is done, since it is the queue that
is looked at. Prints one JSON line a fault: what was being done, with which words the run was refused if it
was, what was listed then and shown, and how all runs ended once another was queued.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from adapter_ui.domain import Progress
from adapter_ui.errors import AdapterUIError
from adapter_ui.training import process, supervisor
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.run_folder import PreparedBase
from adapter_ui.training.runs import Runs
from tests.training.conftest import BASE_ID, pirate_rows, recipe

WRITING = os.O_WRONLY | os.O_RDWR
NAMES = ("os.mkdir", "os.rename", "os.link")
SECONDS = 60.0
MOST_WRITES = 40
FAULT, BROKEN, NO_FAULT_LEFT = range(3)
FULL_SECONDS = 0.6
STAND_IN = """
import sys
from pathlib import Path
from adapter_ui.training.run_folder import RunFolder
run = RunFolder(Path(sys.argv[1]))
run.append("state", state="running")
run.append("state", state="done")
"""


class Faults:
    """Fails at write number `at` below `folder`; of a full disk at all that follow, until `at` is 0."""

    def __init__(self, folder: Path, kind: str, at: int) -> None:
        self.folder, self.kind, self.at = folder, kind, at
        self.count = 0
        self.what = ""

    def see(self, event: str, arguments: tuple[Any, ...]) -> None:
        opens = event == "open" and bool((arguments[2] or 0) & WRITING)
        path = arguments[0] if opens or event in NAMES else None
        if not isinstance(path, (str, os.PathLike)) or self.folder not in Path(path).parents:
            return
        self.count += 1
        if self.at and self.count >= self.at:
            self.what = self.what or f"{event} {Path(path).name}"
            if self.kind == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def prepare(_: Recipe) -> Generator[Progress, None, PreparedBase]:
    yield Progress("base", "Fetching the base.", 1, 2)
    return PreparedBase(Path("/nowhere"), BASE_ID)


def queue(folder: Path, faults: Faults) -> dict[str, Any]:
    """Queue one run, have the fault, and see what all came to."""
    runs = Runs(folder, prepare)
    found: dict[str, Any] = {"refused": None}
    try:
        run_id = runs.start(recipe(), pirate_rows())
        wait_until(lambda: bool(faults.what) or runs.status(run_id).state.ended)
    except AdapterUIError as error:
        found["refused"] = error.message
    if faults.what:
        time.sleep(FULL_SECONDS)
    found |= {"fault": faults.what, **listed(runs)}
    faults.at = 0
    return found | ended(runs, folder)


def listed(runs: Runs) -> dict[str, Any]:
    return {"listed": [(status.state, status.message) for status in runs.all()]}


def ended(runs: Runs, folder: Path) -> dict[str, Any]:
    """How all runs end, with one more that is queued now."""
    runs.start(recipe(), pirate_rows())
    wait_until(lambda: all(status.state.ended for status in runs.all()))
    runs.close()
    left = sorted(path.name for path in folder.iterdir() if path.name.startswith("."))
    return {"ended": [status.state for status in runs.all()], "left": left}


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.05)


def in_fork(work: Callable[[], dict[str, Any]]) -> int:
    """How it ended, as os.waitpid has it."""
    child = os.fork()
    if child == 0:
        code = BROKEN
        try:
            found = work()
            if found["fault"]:
                print(json.dumps(found), flush=True)
            code = FAULT if found["fault"] else NO_FAULT_LEFT
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


def faulty(folder: Path, kind: str, at: int) -> dict[str, Any]:
    faults = Faults(folder, kind, at)
    sys.addaudithook(faults.see)
    return queue(folder, faults)


def taken_over(folder: Path) -> dict[str, Any]:
    runs = Runs(folder, prepare)
    return {"fault": "killed", "refused": None, **listed(runs), **ended(runs, folder)}


def main(kind: str, folder: Path) -> None:
    process.TRAINER = ("-c", STAND_IN)
    supervisor.RETRY_SECONDS = supervisor.POLL_SECONDS = 0.1
    for at in range(1, MOST_WRITES):
        here = folder / str(at)
        here.mkdir()
        status = in_fork(lambda here=here, at=at: faulty(here, kind, at))
        if os.WIFSIGNALED(status):
            status = in_fork(lambda here=here: taken_over(here))
        if os.WEXITSTATUS(status) == NO_FAULT_LEFT:
            return
        if status != FAULT:
            raise RuntimeError(f"The queue stood still after write {at}.")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).resolve())
