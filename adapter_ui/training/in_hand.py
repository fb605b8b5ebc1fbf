"""The memory that a training holds now and gives back when it ends.

Reads the marks in the run folders; knows nothing of queues or recipes.
"""

from __future__ import annotations

from pathlib import Path

import psutil

from adapter_ui.training.process import ProcessMark
from adapter_ui.training.run_folder import run_folders


def memory_in_hand(folder: Path) -> int:
    """Bytes of RAM that the training processes of all runs below `folder` hold for themselves; 0 when none
    trains. Pages of files are not counted, for they count as free already.
    """
    marks = (ProcessMark.read(run) for run in run_folders(folder)) if folder.is_dir() else ()
    return sum(own_memory(mark.pid) for mark in marks if mark and mark.role == "trainer" and mark.alive)


def own_memory(pid: int) -> int:
    try:
        memory = psutil.Process(pid).memory_info()
    except psutil.Error:  # it has ended meanwhile
        return 0
    return memory.rss - (memory.shared if psutil.LINUX else 0)
