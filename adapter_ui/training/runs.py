"""The table of fine-tuning runs: queue one, look at it, pause or stop it, delete it.

A run is its folder. Closing this table, or losing it, stops no training: the next one finds the living
processes again, notes which ones died, and goes on with the queue.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from adapter_ui.domain import LOCAL_NAME, RunState, RunStatus
from adapter_ui.errors import AdapterUIError, InvalidInput, UnknownRun
from adapter_ui.training.disk import flush_to_disk, is_full
from adapter_ui.training.endings import end_waiting
from adapter_ui.training.examples import Examples
from adapter_ui.training.keeping import keep_checkpoint
from adapter_ui.training.methods import METHODS
from adapter_ui.training.notes import write_notes
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.run_folder import RunFolder, run_folders
from adapter_ui.training.run_status import UNREADABLE, read_status
from adapter_ui.training.supervisor import SAVING_SECONDS, Prepare, Supervisor, waiting_runs

MAX_WAITING = 20
EXIT_SECONDS = 10.0
POLL_SECONDS = 0.1


class Runs:
    """All runs below one folder. Thread-safe. `prepare` fetches a recipe's base, telling its progress."""

    def __init__(
        self,
        folder: Path,
        prepare: Prepare,
        stop_grace_seconds: float = 120.0,
        saving_seconds: float = SAVING_SECONDS,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for left in (*folder.glob(".deleted-*"), *folder.glob(".new-*")):
            shutil.rmtree(left, ignore_errors=True)
        self._folder = folder
        self._supervisor = Supervisor(folder, prepare, stop_grace_seconds, saving_seconds)
        self._supervisor.start()

    def start(self, recipe: Recipe, examples: Examples) -> str:
        """Queue a run and give its id. It trains when no other does.

        Raises InvalidInput when too many are waiting, and AdapterUIError when the disk is full; then nothing
        is left of it.
        """
        waiting = sum(status.state is RunState.QUEUED for status in self.all())
        if waiting >= MAX_WAITING:
            raise InvalidInput(f"{waiting} runs are waiting already; wait for one to end or cancel one.")
        run_id = f"{time.strftime('%Y%m%d-%H%M')}-{secrets.token_hex(2)}"
        unfinished = RunFolder(self._folder / f".new-{run_id}")
        try:
            unfinished.path.mkdir()
            unfinished.write(recipe, examples)
            unfinished.append("state", state=RunState.QUEUED, message="Waiting for its turn.")
            for path in (*unfinished.path.iterdir(), unfinished.path):
                flush_to_disk(path)
            unfinished.path.rename(self._folder / run_id)
        except OSError as error:
            shutil.rmtree(unfinished.path, ignore_errors=True)
            if is_full(error):
                raise AdapterUIError(
                    "The disk is full; free some space, then start the run again."
                ) from error
            raise
        flush_to_disk(self._folder)
        self._supervisor.wake()
        return run_id

    def status(self, run_id: str) -> RunStatus:
        """Where a run stands. Raises UnknownRun."""
        with self._supervisor.lock:
            return self._status(run_id, places(self._folder))

    def _status(self, run_id: str, places: Mapping[str, int]) -> RunStatus:
        try:
            status = replace(read_status(self._run(run_id)), place=places.get(run_id))
        except FileNotFoundError as error:
            raise unknown(run_id) from error
        message = self._asked(run_id) or self._supervisor.preparing.get(run_id)
        return replace(status, message=message) if message and not status.state.ended else status

    def _asked(self, run_id: str) -> str:
        """What a run that has not ended yet was asked for."""
        run = RunFolder(self._folder / run_id)
        return "Pausing." if run.pause_asked else "Stopping." if run.stop_asked else ""

    def all(self) -> tuple[RunStatus, ...]:
        """All runs, newest first."""
        with self._supervisor.lock:
            waiting = places(self._folder)
            newest_first = sorted(run_folders(self._folder), key=RunFolder.created, reverse=True)
            return tuple(self._status(run.path.name, waiting) for run in newest_first)

    def adapter_folder(self, run_id: str) -> Path:
        """Where the run's adapter lies. Raises UnknownRun when there is no such run, or it has none."""
        run = self._run(run_id)
        if not run.adapter.is_dir():
            raise UnknownRun(f"The run {run_id} has no adapter; wait until it is done, or start it again.")
        return run.adapter

    def stop(self, run_id: str) -> RunStatus:
        """Ask a run to stop: a waiting one is cancelled, a training one saves what it has. Raises UnknownRun.

        A process that has not ended after the grace period is killed.
        """
        run = self._run(run_id)
        with self._supervisor.lock:
            if not read_status(run).state.ended:
                run.pause_file.unlink(missing_ok=True)
                run.stop_file.touch()
                if not run.process.exists():
                    end_waiting(run)
        self._supervisor.wake()
        return self.status(run_id)

    def pause(self, run_id: str) -> RunStatus:
        """Ask a run to rest: it writes a checkpoint, ends its process and gives its memory back until it is
        resumed.

        Raises UnknownRun, and InvalidInput for one that has ended, saves, or keeps no checkpoints.
        """
        run = self._run(run_id)
        with self._supervisor.lock:
            if read_status(run).state not in (RunState.QUEUED, RunState.RUNNING):
                raise InvalidInput(f"The run {run_id} does not train; there is nothing to pause.", "run_id")
            method = METHODS[run.read_recipe().method]
            if not method.resumable:
                raise InvalidInput(
                    f"{method.title} cannot go on from a checkpoint; stop the run to keep its adapter.",
                    "run_id",
                )
            if not run.stop_asked:
                run.pause_file.touch()
                run.stop_file.touch()
                if not run.process.exists():
                    end_waiting(run)
        self._supervisor.wake()
        return self.status(run_id)

    def resume(self, run_id: str) -> RunStatus:
        """Queue a run again that ended before it was done: it goes on from its newest whole checkpoint.

        Raises UnknownRun, and InvalidInput for one that is done or has not ended.
        """
        run = self._run(run_id)
        self._wait_for_exit(run)
        with self._supervisor.lock:
            self._refuse_unless_broken_off(run, "there is nothing to resume")
            run.stop_file.unlink(missing_ok=True)
            run.pause_file.unlink(missing_ok=True)
            run.append("state", state=RunState.QUEUED, message="Waiting for its turn to go on.")
        self._supervisor.wake()
        return self.status(run_id)

    def keep_checkpoint(self, run_id: str) -> RunStatus:
        """Make the newest whole checkpoint of a run that ended before it was done its adapter.

        Raises UnknownRun, and InvalidInput for one that is done or has not ended, or has no such checkpoint.
        """
        run = self._run(run_id)
        self._wait_for_exit(run)
        with self._supervisor.lock:
            self._refuse_unless_broken_off(run, "it has no checkpoint to keep")
            keep_checkpoint(run)
        return self.status(run_id)

    def _refuse_unless_broken_off(self, run: RunFolder, therefore: str) -> None:
        status = read_status(run)
        if not status.resumable or run.process.exists():
            raise InvalidInput(f"The run {status.run_id} is done or has not ended; {therefore}.", "run_id")
        if not status.recipe:
            raise InvalidInput(UNREADABLE, "run_id")

    def rename(self, run_id: str, title: str, notes: str) -> RunStatus:
        """Give a run a title, "" for its recipe's name, and notes. Raises UnknownRun and InvalidInput."""
        with self._supervisor.lock:
            write_notes(self._run(run_id), title, notes)
        return self.status(run_id)

    def _wait_for_exit(self, run: RunFolder) -> None:
        """A run says that it has ended a moment before its process is gone; that moment is waited for."""
        deadline = time.monotonic() + EXIT_SECONDS
        while read_status(run).state.ended and run.process.exists() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)

    def delete(self, run_id: str) -> None:
        """Remove a run with its adapter. Raises UnknownRun, and InvalidInput for one that has not ended."""
        run = self._run(run_id)
        self._wait_for_exit(run)
        with self._supervisor.lock:
            if not read_status(run).state.ended or run.process.exists():
                raise InvalidInput(f"The run {run_id} has not ended; stop it before you delete it.", "run_id")
            removed = run.path.rename(self._folder / f".deleted-{run_id}")
        shutil.rmtree(removed)

    def close(self) -> None:
        """Stop watching. A training process goes on by itself and is found again by the next table."""
        self._supervisor.close()

    def _run(self, run_id: str) -> RunFolder:
        run = RunFolder(self._folder / run_id)
        if not LOCAL_NAME.fullmatch(run_id) or not run.events.is_file():
            raise unknown(run_id)
        return run


def places(folder: Path) -> dict[str, int]:
    """The places in the queue by run id, from 1; one whose base is being fetched has left it."""
    waiting = [run.path.name for run in waiting_runs(folder) if not run.process.exists()]
    return {run_id: place for place, run_id in enumerate(waiting, start=1)}


def unknown(run_id: str) -> UnknownRun:
    return UnknownRun(
        f"There is no fine-tuning run “{run_id[:60]}”; the library lists those of this machine."
    )
