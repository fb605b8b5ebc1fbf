"""What a process does beside computing: files it opens, modules it imports, sockets, other processes.

Python tells of its own doings by audit events. Native code (safetensors, tokenizers) opens files without
them, so the folder that nothing may open is watched by the system itself.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path

RESET_PEAK = "/proc/self/clear_refs"
FORBIDDEN = ("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.remove")
DEVICES = ("/proc", "/sys", "/dev/null", "/dev/urandom")
IN_OPEN, IN_ACCESS = 0x20, 0x01


class Watch:
    """Watches this process from now on; `allowed` folders may be read."""

    def __init__(self, allowed: Sequence[Path], outside: Path) -> None:
        self.allowed = [*map(str, allowed), *DEVICES]
        self.seen: list[str] = []
        self.known = {name.partition(".")[0] for name in sys.modules} | sys.stdlib_module_names
        libc = ctypes.CDLL(None)
        self.notices = libc.inotify_init1(os.O_NONBLOCK)
        libc.inotify_add_watch(self.notices, os.fsencode(outside), IN_OPEN | IN_ACCESS)
        sys.addaudithook(self.heard)

    def heard(self, event: str, arguments: tuple) -> None:
        if event == "open" and not isinstance(arguments[0], int):
            path, mode = (
                os.path.normpath(Path(os.fsdecode(arguments[0])).absolute()),
                str(arguments[1] or "r"),
            )
            reads = set(mode) <= set("rbtU") or path == RESET_PEAK
            if not path.startswith(tuple(self.allowed)) or not reads:
                self.seen.append(f"open {path} {mode}")
        elif event == "import" and arguments[0].partition(".")[0] not in self.known:
            self.seen.append(f"import {arguments[0]}")
        elif event.startswith(FORBIDDEN):
            self.seen.append(f"{event} {arguments}")

    def take(self) -> list[str]:
        """What was done that is not allowed since the last time."""
        try:
            os.read(self.notices, 4096)
            self.seen.append("the folder that nothing may open was opened")
        except BlockingIOError:
            pass  # nobody looked into it
        seen, self.seen = self.seen, []
        return seen
