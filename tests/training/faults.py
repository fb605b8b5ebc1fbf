"""Trains a small run once, fails a fork of it at each of its writes in turn, and resumes what each left.

    python -m tests.training.faults kill|full FOLDER BASE_FOLDER

`kill`: before a rename, a new folder or a deletion, and inside the writing of a file. `full`: at a rename or
a new folder, and inside the writing of a file, by turns with no space at all and with space for a few words.
Prints how the undisturbed run ended, and then one JSON line a fault: what was being done, what the run told,
the step of the newest whole checkpoint after it, the hash of the adapter that was offered then if any, and
how it ended once it was resumed.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peft import peft_model

from adapter_ui.domain import ADAPTER_WEIGHTS, RunState
from adapter_ui.models import train as training
from adapter_ui.models.tuning import events, trainer
from adapter_ui.training.checkpoints import digest, newest, step_of
from adapter_ui.training.run_folder import PreparedBase, RunFolder
from adapter_ui.training.run_status import read_status
from tests.training.conftest import BASE_ID, pirate_rows, recipe
from tests.training.failing_writes import fail_writes

STEPS = 4
ENDED_WELL = 0
WRITING = os.O_WRONLY | os.O_RDWR
FEW_WORDS = 400
"""An event fits into so many bytes, a checkpoint's file does not."""
NAMES = {
    "kill": ("os.mkdir", "os.rename", "os.remove", "os.rmdir"),
    "full": ("os.mkdir", "os.rename"),
}
INSIDE = ("open", "save")
"""A fault comes after these, when what was opened is written."""
FAULT = "fault.txt"


class Faults:
    """At each write below `run` it leaves in `left` what a process that failed there would have left."""

    def __init__(self, run: RunFolder, kind: str, left: Path) -> None:
        self.run, self.kind, self.left = run, kind, left
        self.count = 0
        self.watching = True

    def install(self) -> None:
        sys.addaudithook(self.see)
        for module, name in ((torch, "save"), (peft_model, "safe_save_file")):
            setattr(module, name, self.seen(getattr(module, name)))

    def see(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.watching:
            return
        if event == "open" and self.is_inside(arguments[0]) and (arguments[2] or 0) & WRITING:
            self.fail("open", arguments[0])
        elif event in NAMES[self.kind] and self.is_inside(*arguments):
            self.fail(event, arguments[0])

    def is_inside(self, path: object, *more: object) -> bool:
        """Whether a path lies below the run; a folder that it starts from comes last, as a descriptor."""
        if not isinstance(path, (str, bytes, os.PathLike)):
            return False
        start = Path(f"/proc/self/fd/{more[-1]}").readlink() if more and more[-1] != -1 else Path()
        return (start / os.fsdecode(path)).is_relative_to(self.run.path)

    def seen(self, save: Callable[..., None]) -> Callable[..., None]:
        """Writers in C++ and Rust tell no audit hook."""

        def write(content: Any, path: Any, *arguments: Any, **options: Any) -> None:
            if self.watching and self.is_inside(path):
                self.fail("save", path)
            save(content, path, *arguments, **options)

        return write

    def fail(self, what: str, path: Any) -> None:
        """Goes on in this process as if nothing had been, and in a fork with what fails it."""
        self.watching = False
        self.count += 1
        if self.kind == "kill" and what not in INSIDE:
            self.keep(what, path)  # killed before it is done, which needs no process
        elif self.is_fork_to_fail():
            fail_writes(kill=self.kind == "kill", longest=FEW_WORDS * (self.count % 2))
            if what not in INSIDE:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return
        else:
            self.keep(what, path)
            self.restore()
        self.watching = True

    def is_fork_to_fail(self) -> bool:
        """True in a fork, and False here once that has ended."""
        shutil.copytree(self.run.path, self.left / "before")
        child = os.fork()
        if child:
            os.waitpid(child, 0)
        return child == 0

    def keep(self, what: str, path: Any) -> None:
        kept = shutil.copytree(self.run.path, self.left / str(self.count))
        (kept / FAULT).write_text(f"{what} {Path(os.fsdecode(path)).name}")

    def restore(self) -> None:
        for left in self.run.path.iterdir():
            if left.is_dir():
                shutil.rmtree(left)
            elif left != self.run.lock:
                left.unlink()
        shutil.copytree(self.left / "before", self.run.path, dirs_exist_ok=True)
        shutil.rmtree(self.left / "before")


def in_fork(work: Callable[[], None]) -> int:
    """Run `work` in a child process; how it ended, as os.waitpid has it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            torch.set_num_threads(1)
            trainer.CHECKPOINT_SHARE = 0.5
            work()
            code = ENDED_WELL
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


def new_run(folder: Path, base: Path) -> RunFolder:
    run = RunFolder(folder)
    run.path.mkdir()
    run.write(recipe(max_steps=STEPS, seed=7, lora_dropout=0.1), pirate_rows())
    run.write_base(PreparedBase(base, BASE_ID))
    run.append("state", state=RunState.QUEUED)
    return run


def resumed(run: RunFolder) -> dict[str, Any]:
    """What became of a run that was left so, and how it ended once it was resumed."""
    then, whole = read_status(run), newest(run.checkpoints)
    offered = digest(run.adapter / ADAPTER_WEIGHTS) if run.adapter.exists() else None
    if then.state is not RunState.DONE:
        run.append("state", state=RunState.QUEUED)
        in_fork(lambda: training.main([str(run.path)]))
    after = read_status(run)
    return {
        "fault": (run.path / FAULT).read_text(),
        "then": then.state,
        "told": then.error,
        "checkpoint": step_of(whole) if whole else None,
        "offered": offered,
        **end_of(run),
        "first_step": first_step_since_queued(run),
        "state": after.state,
    }


def end_of(run: RunFolder) -> dict[str, Any]:
    losses = [entry["loss"] for entry in read_status(run).history if "loss" in entry]
    return {"losses": losses, "adapter": digest(run.adapter / ADAPTER_WEIGHTS)}


def first_step_since_queued(run: RunFolder) -> int | None:
    events = run.read_events()
    queued = max(at for at, event in enumerate(events) if event.get("state") == RunState.QUEUED)
    return next((event["step"] for event in events[queued:] if event["event"] == "log"), None)


def main(kind: str, folder: Path, base: Path) -> None:
    run = new_run(folder / "run", base)
    left = folder / "left"
    left.mkdir()

    def trains() -> None:
        Faults(run, kind, left).install()
        events.SAVING_SHARE = 1e9  # so short a run has time for one checkpoint only
        training.main([str(run.path)])

    if in_fork(trains) != ENDED_WELL:
        raise RuntimeError("The undisturbed run did not end well.")
    print(json.dumps(end_of(run)), flush=True)
    for number in sorted(int(path.name) for path in left.iterdir()):
        print(json.dumps(resumed(RunFolder(left / str(number)))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).resolve(), Path(sys.argv[3]).resolve())
