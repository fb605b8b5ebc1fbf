"""The processes that train one run together, as `accelerate launch` starts them; mostly it is one alone.

The first of them speaks: it holds the run's lock, writes its events, seals its checkpoints, saves its adapter
and hears a stop. The others train and are silent. What all have to do alike, the first decides: two processes
that look at a file or a clock by themselves may see different things, and would wait for each other forever.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from torch import distributed

from adapter_ui.training.run_folder import RunFolder


class SilentRun(RunFolder):
    """A run as the processes after the first have it: they read its folder, and tell nothing."""

    def append(self, event: str, **fields: Any) -> None:
        """The first process tells it."""


def join_the_others() -> None:
    """Meet the other processes, each on its own GPU or all on the CPU; nothing for one alone."""
    PartialState(cpu=not torch.cuda.is_available())


def is_one_of_several() -> bool:
    return distributed.is_initialized() and distributed.get_world_size() > 1


def is_first() -> bool:
    """Whether this process speaks for the run; one alone does."""
    return not distributed.is_initialized() or distributed.get_rank() == 0


def run_of_this_process(path: Path) -> RunFolder:
    return RunFolder(path) if is_first() else SilentRun(path)


def leave_the_others() -> None:
    """End what talks with the other processes. Call it when nothing holds the trained model any more: gloo's
    threads may need the interpreter's lock to end, which is given up for them here, but not where the last to
    hold them is the model's wrapper; and without this, they may outlive the interpreter and crash.
    """
    if distributed.is_initialized():
        distributed.destroy_process_group()


def wait_for_all() -> None:
    """Go on once every process has come here."""
    if distributed.is_initialized():
        distributed.barrier()


def as_the_first(found: bool) -> bool:
    """What the first process found. All processes have to ask at the same point."""
    if not distributed.is_initialized():
        return found
    shared = [found]
    distributed.broadcast_object_list(shared, src=0)
    return shared[0]
