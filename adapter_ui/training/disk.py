"""The disk that runs are written to: whether it is full, and that what was written has reached it.

Knows nothing of what is written.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

FULL = "The disk is full; free some space, then resume the run."
# Writers in C++ and Rust raise errors of their own, which have no number. The last three are torch.save's.
SIGNS = (
    "No space left on device",
    "Disk quota exceeded",
    "PytorchStreamWriter failed",
    ". unexpected pos ",
    "iostream error",
)


def is_full(error: BaseException) -> bool:
    """Whether the error says that there is no room for what was being written."""
    numbered = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return numbered or tells_of_full(str(error))


def tells_of_full(message: str) -> bool:
    return any(sign in message for sign in SIGNS)


def flush_to_disk(path: Path) -> None:
    """Make sure that a file, or the names in a folder, outlive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
