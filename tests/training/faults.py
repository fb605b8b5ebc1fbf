"""Trains the same small run again and again, each time failing at another write, then resumes it.

    python -m tests.training.faults kill|full RUN_FOLDER BASE_FOLDER

Everything is imported once and each training is a fork, so that fifty of them take a minute. Prints one JSON
line a fault: the write, the step of the newest whole checkpoint after it, the hash of the adapter that was
offered then if any, and the losses and the adapter's hash once it was resumed.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from adapter_ui.domain import ADAPTER_WEIGHTS, RunState
from adapter_ui.models import train as training
from adapter_ui.training.checkpoints import digest, newest, step_of
from adapter_ui.training.run_folder import PreparedBase, RunFolder
from adapter_ui.training.run_status import read_status
from tests.training.conftest import BASE_ID, pirate_rows, recipe

STEPS = 4
MOST_WRITES = 200
ENDED_WELL = 0
WRITING = os.O_WRONLY | os.O_RDWR


class Faults:
    """Counts the writes below a folder, and fails at number `at` (0: never)."""

    def __init__(self, folder: Path, kind: str, at: int) -> None:
        self.folder, self.kind, self.at = str(folder), kind, at
        self.count = 0

    def install(self) -> None:
        sys.addaudithook(self.see)
        for module, name in ((torch, "save"), (safetensors.torch, "save_file")):
            setattr(module, name, self.torn(getattr(module, name)))

    def see(self, event: str, arguments: tuple[Any, ...]) -> None:
        opened_to_write = event == "open" and bool((arguments[2] or 0) & WRITING)
        if (opened_to_write or event in ("os.rename", "os.mkdir")) and self.is_inside(arguments[0]):
            self.strike()

    def is_inside(self, path: object) -> bool:
        return isinstance(path, (str, bytes, os.PathLike)) and os.fsdecode(path).startswith(self.folder)

    def torn(self, save: Callable[..., None]) -> Callable[..., None]:
        """Writers in C++ and Rust tell no audit hook; their file is left half written."""

        def write(content: Any, path: Any, *arguments: Any, **options: Any) -> None:
            save(content, path, *arguments, **options)
            if self.is_inside(path) and self.count + 1 == self.at:
                os.truncate(path, Path(path).stat().st_size // 2)
            if self.is_inside(path):
                self.strike()

        return write

    def strike(self) -> None:
        self.count += 1
        if self.count == self.at and self.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.at and self.count >= self.at and self.kind == "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def in_fork(work: Callable[[], None]) -> int:
    """Run `work` in a child process; how it ended, as os.waitpid has it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            torch.set_num_threads(1)
            work()
            code = ENDED_WELL
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


def new_run(folder: Path, base: Path) -> RunFolder:
    shutil.rmtree(folder, ignore_errors=True)
    run = RunFolder(folder)
    run.path.mkdir()
    run.write(recipe(max_steps=STEPS, seed=7, lora_dropout=0.1), pirate_rows())
    run.write_base(PreparedBase(base, BASE_ID))
    run.append("state", state=RunState.QUEUED)
    return run


def failing(run: RunFolder, kind: str, at: int) -> int:
    def work() -> None:
        training.CHECKPOINT_SHARE = 0.5
        Faults(run.path, kind, at).install()
        training.train(run)

    return in_fork(work)


def losses(run: RunFolder) -> list[float]:
    return [entry["loss"] for entry in read_status(run).history if "loss" in entry]


def main(kind: str, folder: Path, base: Path) -> None:
    for at in range(MOST_WRITES):
        run = new_run(folder, base)
        ended = failing(run, kind, at)
        whole = newest(run.checkpoints)
        if at and ended == ENDED_WELL:
            return
        offered = digest(run.adapter / ADAPTER_WEIGHTS) if run.adapter.exists() else None
        if at:
            in_fork(lambda run=run: training.train(run))
        after = read_status(run)
        print(
            json.dumps(
                {
                    "write": at,
                    "ended": ended,
                    "checkpoint": step_of(whole) if whole else None,
                    "offered": offered,
                    "state": after.state,
                    "losses": losses(run),
                    "adapter": digest(run.adapter / ADAPTER_WEIGHTS),
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).resolve(), Path(sys.argv[3]).resolve())
