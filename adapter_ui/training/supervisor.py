"""The thread that keeps one training process going: it prepares the next run, starts it, and notes its end.

All it knows is in the run folders, so another supervisor can take over at any time: `process.json` says which
living process has a run in hand. Closing the supervisor stops no training.
"""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path

import psutil

from adapter_ui.domain import Progress, RunState
from adapter_ui.errors import AdapterUIError
from adapter_ui.training.process import ProcessMark, cause_of_death, last_error_line, start_trainer
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.run_folder import PreparedBase, RunFolder, run_folders
from adapter_ui.training.run_status import read_status

log = logging.getLogger(__name__)
Prepare = Callable[[Recipe], Generator[Progress, None, PreparedBase]]
POLL_SECONDS = 0.25


class Supervisor:
    """`lock` is held while runs are looked over and one is taken in hand, and keeps them from being removed
    meanwhile; `preparing` tells what is being fetched, by run id.
    """

    def __init__(self, folder: Path, prepare: Prepare, stop_grace_seconds: float) -> None:
        self.lock = threading.Lock()
        self.preparing: dict[str, str] = {}
        self._folder = folder
        self._prepare = prepare
        self._stop_grace_seconds = stop_grace_seconds
        self._children: dict[Path, subprocess.Popen[bytes]] = {}
        self._closing = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="training-supervisor", daemon=True)

    def start(self) -> None:
        """Note what died while nobody watched, then go on with the queue."""
        for run in run_folders(self._folder):
            recover(run)
        self._thread.start()

    def wake(self) -> None:
        self._wake.set()

    def close(self) -> None:
        self._closing = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._wake.clear()
            if self._closing:
                return
            try:
                busy, claimed = self._look()
                if claimed:
                    self._take(claimed)
                    continue
            except OSError as error:
                log.warning("The runs could not be looked after, which is tried again: %s", error)
                busy = True
            self._wake.wait(POLL_SECONDS if busy else None)

    def _look(self) -> tuple[bool, RunFolder | None]:
        """Whether a run is in hand, and the one to take if none is."""
        with self.lock:
            in_hand = [run for run in run_folders(self._folder) if self._is_in_hand(run)]
            return bool(in_hand), None if in_hand else claim_next(self._folder)

    def _is_in_hand(self, run: RunFolder) -> bool:
        """Whether a living process works on the run. The end of a dead one is noted on the way."""
        mark = ProcessMark.read(run)
        if mark is None:
            return False
        if mark.alive:
            if mark.role == "trainer" and self._is_overdue(run):
                mark.kill()
            return True
        child = self._children.pop(run.path, None)
        if mark.role == "trainer":
            # A dead child that nobody waited for yet still has its exit code.
            note_death(run, cause_of_death(run, child.wait() if child else None))
        run.process.unlink()
        return False

    def _is_overdue(self, run: RunFolder) -> bool:
        return run.stop_asked and time.time() - run.stop_file.stat().st_mtime > self._stop_grace_seconds

    def _take(self, run: RunFolder) -> None:
        """Fetch the run's base and start its training; when this app closes, the run waits again."""
        try:
            base = self._prepared(run)
            if base is not None:
                run.write_base(base)
                run.append("base", base_model=base.base_model)
                child = start_trainer(run)
                self._children[run.path] = child
                ProcessMark.of("trainer", child.pid).write(run)
                return
        except (AdapterUIError, OSError, psutil.Error) as error:
            end(run, RunState.FAILED, str(error))
        if run.stop_asked and not read_status(run).state.ended:
            end_waiting(run)
        run.process.unlink()

    def _prepared(self, run: RunFolder) -> PreparedBase | None:
        """The base, or None when the run was stopped or the app closed meanwhile."""
        steps = self._prepare(run.read_recipe())
        try:
            while not (self._closing or run.stop_asked):
                self.preparing[run.path.name] = worded(next(steps))
            return None
        except StopIteration as finished:
            return finished.value
        finally:
            steps.close()
            self.preparing.pop(run.path.name, None)


def claim_next(folder: Path) -> RunFolder | None:
    """Take the waiting run that was created first in hand; None when none waits."""
    oldest = next(iter(waiting_runs(folder)), None)
    return oldest if oldest and ProcessMark.of_this("supervisor").claim(oldest) else None


def waiting_runs(folder: Path) -> list[RunFolder]:
    """The queue: the run that was created first in front, which may be in hand already."""
    waiting = (run for run in run_folders(folder) if read_status(run).state is RunState.QUEUED)
    return sorted(waiting, key=RunFolder.created)


def end_waiting(run: RunFolder) -> None:
    """Take a run that was stopped or paused out of the queue."""
    if run.pause_asked:
        run.append("state", state=RunState.PAUSED, message="Paused before it started.")
    else:
        run.append("state", state=RunState.CANCELLED, message="Cancelled before it started.")


def recover(run: RunFolder) -> None:
    """Note the end of a run whose process died while nobody watched; one that never trained waits again."""
    mark = ProcessMark.read(run)
    if mark is not None and mark.alive:
        return
    if read_status(run).state is not RunState.QUEUED or (mark is not None and mark.role == "trainer"):
        if line := last_error_line(run.stderr):
            note_death(run, f"The training stopped with an error: {line}")
        else:
            note_interruption(run)
    run.process.unlink(missing_ok=True)


def note_death(run: RunFolder, cause: str) -> None:
    """Write the end that the training process could not write itself; one that did is left as it is."""
    if read_status(run).state.ended:
        return
    if run.pause_asked:
        message = "Paused by force; the steps since its last checkpoint are lost."
        run.append("state", state=RunState.PAUSED, message=message)
    elif run.stop_asked:
        run.append("state", state=RunState.CANCELLED, message="Stopped by force; nothing was saved.")
    else:
        end(run, RunState.FAILED, cause)


def note_interruption(run: RunFolder) -> None:
    if not read_status(run).state.ended:
        end(run, RunState.INTERRUPTED, "The machine stopped while this run was training; resume it.")


def end(run: RunFolder, state: RunState, message: str) -> None:
    run.append("error", message=message)
    run.append("state", state=state, message=message)


def worded(progress: Progress) -> str:
    if progress.done is None or not progress.total:
        return progress.message
    return f"{progress.message} {100 * progress.done // progress.total} %"
