"""The command for two processes that the page gives for a run, as a test can start it."""

from __future__ import annotations

import sys
from pathlib import Path

from adapter_ui.training.scripts.script import LAUNCH


def launcher() -> tuple[str | Path, ...]:
    """`accelerate launch` of this environment with its options; what it starts is named after them."""
    program, *options = LAUNCH.removesuffix(" train.py").split()
    return Path(sys.executable).with_name(program), *options
