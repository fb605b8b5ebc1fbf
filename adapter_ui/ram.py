"""The RAM that this process can use: the machine's, under the limits of its control groups.

psutil alone would report the host's memory inside a container, and a load that trusts it is killed.
"""

from __future__ import annotations

from pathlib import Path

import psutil

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")
UNLIMITED = 2**60


def ram(cgroups: Path = CGROUPS, own_cgroups: Path = OWN_CGROUPS) -> tuple[int, int]:
    """Total and free bytes, cut to the tightest limit of the control groups (version 2 or 1) that this
    process is in.
    """
    memory = psutil.virtual_memory()
    total, available = memory.total, memory.available
    for folder, limit_name, used_name in cgroup_folders(cgroups, own_cgroups):
        limit = read_count(folder / limit_name)
        used = read_count(folder / used_name)
        if limit is None or used is None or limit >= UNLIMITED:
            continue
        # Cached files count as used, but the kernel drops them before it kills anyone.
        free = limit - used + reclaimable(folder / "memory.stat")
        total, available = min(total, limit), min(available, max(free, 0))
    return total, available


def cgroup_folders(cgroups: Path, own_cgroups: Path) -> list[tuple[Path, str, str]]:
    """This process's control groups and all above them, with the names of their limit and usage files."""
    found = [
        (cgroups, "memory.max", "memory.current"),
        (cgroups / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ]
    lines = own_cgroups.read_text().splitlines() if own_cgroups.is_file() else []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, names = cgroups, found[0][1:]
        elif "memory" in controllers.split(","):
            root, names = cgroups / "memory", found[1][1:]
        else:
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]
        found += [(root.joinpath(*parts[: depth + 1]), *names) for depth in range(len(parts))]
    return found


def read_count(path: Path) -> int | None:
    """A file with one number; None when it is missing or says “max”."""
    text = path.read_text().strip() if path.is_file() else ""
    return int(text) if text.isdigit() else None


def reclaimable(stat: Path) -> int:
    """Bytes of cached files that were read once, and of those read again that no process has mapped: a base
    is read again when its download is checked, and one in memory may be nothing but its mapped files.
    """
    lines = stat.read_text().splitlines() if stat.is_file() else []
    counts = dict(line.split(" ", 1) for line in lines if " " in line)

    def count(version_1: str, version_2: str) -> int:
        return int(counts.get(version_1, counts.get(version_2, "0")))

    inactive = count("total_inactive_file", "inactive_file")
    active = count("total_active_file", "active_file")
    return inactive + max(active - count("total_mapped_file", "file_mapped"), 0)
