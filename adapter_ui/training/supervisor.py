"""The thread that keeps one training process going: it prepares the next run, starts it, and notes its end.

All it knows is in the run folders, so another supervisor can take over at any time: `process.json` says which
living process has a run in hand. Closing the supervisor stops no training.
"""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from adapter_ui.domain import Progress, RunState, RunStatus
from adapter_ui.errors import AdapterUIError
from adapter_ui.training.disk import FULL, is_full
from adapter_ui.training.endings import end, end_waiting, note_death, note_hang, recover
from adapter_ui.training.process import ProcessMark, cause_of_death, start_trainer
from adapter_ui.training.run_folder import PreparedBase, RunFolder, run_folders
from adapter_ui.training.run_status import read_status

log = logging.getLogger(__name__)
Prepare = Callable[[RunFolder], Generator[Progress, None, PreparedBase]]
POLL_SECONDS = 0.25
RETRY_SECONDS = 2.0
# Between two words of a process that saves: an adapter is written in seconds, then two prompts are answered.
SAVING_SECONDS = 900.0
STEPS_OF_GRACE = 2
WAITS_FOR_SPACE = "The disk is full; free some space, and this run goes on by itself."


class Supervisor:
    """`lock` is held while runs are looked over and one is taken in hand, and keeps them from being removed
    meanwhile; `preparing` tells what is being fetched, by run id.
    """

    def __init__(
        self,
        folder: Path,
        prepare: Prepare,
        stop_grace_seconds: float,
        saving_seconds: float = SAVING_SECONDS,
    ) -> None:
        self.lock = threading.Lock()
        self.preparing: dict[str, str] = {}
        self._folder = folder
        self._prepare = prepare
        self._stop_grace_seconds = stop_grace_seconds
        self._saving_seconds = saving_seconds
        self._children: dict[Path, subprocess.Popen[bytes]] = {}
        self._closing = False
        self._troubled = False
        self._told: dict[str, str] = {}
        self._untold: set[Path] = set()
        self._hung: set[Path] = set()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="training-supervisor", daemon=True)

    def start(self) -> None:
        """Note what died while nobody watched, then go on with the queue."""
        for run in run_folders(self._folder):
            with self._trouble_told(run.path.name):
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
            self._troubled = False
            with self._trouble_told("the queue"):
                busy, claimed = self._look()
                if claimed:
                    self._take(claimed)
                    if not self._troubled:
                        continue
            self._wake.wait(RETRY_SECONDS if self._troubled else POLL_SECONDS if busy else None)

    def _look(self) -> tuple[bool, RunFolder | None]:
        """Whether a run is in hand, and the one to take if none is."""
        with self.lock:
            in_hand = [run for run in run_folders(self._folder) if self._is_in_hand(run)]
            oldest = next(iter(waiting_runs(self._folder)), None)
            if in_hand or oldest is None:
                return bool(in_hand), None
            with self._space_awaited(oldest):
                return False, oldest if ProcessMark.of_this("supervisor").claim(oldest) else None

    def _is_in_hand(self, run: RunFolder) -> bool:
        """Whether a living process works on the run. The end of a dead one is noted on the way."""
        mark = ProcessMark.read(run)
        if mark is None:
            return False
        if mark.alive:
            if mark.role == "trainer" and self._is_overdue(run):
                mark.kill()
            return True
        with self._trouble_told(run.path.name):
            self._note_end(run, mark)
        return False

    def _note_end(self, run: RunFolder, mark: ProcessMark) -> None:
        if mark.role == "trainer":
            try:
                self._note_death(run)
            except OSError as error:
                if is_full(error):  # which is why the process could not tell it either
                    self._untold.add(run.path)
                raise
            self._children.pop(run.path, None)
            self._untold.discard(run.path)
            self._hung.discard(run.path)
        run.process.unlink()

    def _note_death(self, run: RunFolder) -> None:
        child = self._children.get(run.path)
        # A dead child that nobody waited for yet still has its exit code.
        returncode = child.wait() if child else None
        if run.path in self._hung:
            note_hang(run, self._saving_seconds)
        else:
            note_death(run, FULL if run.path in self._untold else cause_of_death(run, returncode))

    def _is_overdue(self, run: RunFolder) -> bool:
        """Whether a process has had its time: one that was asked to end, or one that saves without a word."""
        status = read_status(run)
        if status.state is RunState.SAVING:
            hangs = time.time() - run.events.stat().st_mtime > self._saving_seconds
            if hangs:
                self._hung.add(run.path)
            return hangs
        if not run.stop_asked:
            return False
        # heard between two passes, and a step is one at least
        grace = max(self._stop_grace_seconds, STEPS_OF_GRACE * seconds_of_a_step(status))
        return time.time() - run.stop_file.stat().st_mtime > grace

    def _take(self, run: RunFolder) -> None:
        """Fetch the run's base and start its training; when this app closes, the run waits again, and so it
        does while the disk is full.
        """
        started = False
        try:
            with self._space_awaited(run):
                started = self._start(run)
            if not started and run.stop_asked:
                end_waiting(run)
        except AdapterUIError as error:
            end(run, RunState.FAILED, error.message)
        except Exception as error:  # whatever is wrong with one run must not end the thread that all need
            if is_full(error):
                raise
            log.exception("The run %s could not be started.", run.path.name)
            end(run, RunState.FAILED, f"The training could not be started ({error}); try it again.")
        finally:
            if not started:
                run.process.unlink(missing_ok=True)

    def _start(self, run: RunFolder) -> bool:
        """Whether the training was started; not when the run was stopped or the app closed before."""
        base = self._prepared(run)
        if base is None:
            return False
        run.write_base(base)
        run.append("base", base_model=base.base_model)
        self._children[run.path] = start_trainer(run)
        return True

    @contextmanager
    def _space_awaited(self, run: RunFolder) -> Iterator[None]:
        """Says of a waiting run that it is a full disk that it waits for."""
        try:
            yield
        except Exception as error:
            if is_full(error):
                self.preparing[run.path.name] = WAITS_FOR_SPACE
            raise

    @contextmanager
    def _trouble_told(self, what: str) -> Iterator[None]:
        """What goes wrong with one run, or with the disk, is logged once and tried again: it must not end
        the thread that all runs need.
        """
        try:
            yield
        except Exception as error:
            self._troubled = True
            level = logging.DEBUG if self._told.get(what) == str(error) else logging.ERROR
            log.log(level, "Trouble with %s, which is tried again: %s", what, error, exc_info=error)
            self._told[what] = str(error)

    def _prepared(self, run: RunFolder) -> PreparedBase | None:
        """The base, or None when the run was stopped or the app closed meanwhile."""
        self.preparing.pop(run.path.name, None)
        steps = self._prepare(run)
        try:
            while not (self._closing or run.stop_asked):
                self.preparing[run.path.name] = worded(next(steps))
            return None
        except StopIteration as finished:
            return finished.value
        finally:
            steps.close()
            self.preparing.pop(run.path.name, None)


def waiting_runs(folder: Path) -> list[RunFolder]:
    """The queue: the run that was created first in front, which may be in hand already."""
    waiting = (run for run in run_folders(folder) if read_status(run).state is RunState.QUEUED)
    return sorted(waiting, key=RunFolder.created)


def worded(progress: Progress) -> str:
    if progress.done is None or not progress.total:
        return progress.message
    return f"{progress.message} {100 * progress.done // progress.total} %"


def seconds_of_a_step(status: RunStatus) -> float:
    """About how long a step takes; 0 while that is not known."""
    left = (status.total_steps or 0) - status.step
    return status.eta_seconds / left if status.eta_seconds and left > 0 else 0.0
