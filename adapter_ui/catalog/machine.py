"""The memory of this machine: RAM under the limits of its control groups, and every GPU that torch can use.

psutil alone would report the host's memory inside a container, and a load that trusts it is killed.
"""

from __future__ import annotations

import shutil
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from adapter_ui.domain import Device, MemoryUse

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")
UNLIMITED = 2**60
SMI_SECONDS = 5
SMI_QUERY = ("--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits")
# What a process takes of a GPU before its first tensor: CUDA's context, cuBLAS and torch's kernels.
CUDA_BYTES = 600 * 2**20
RAM = "RAM of this machine"


def machine_memory() -> MemoryUse:
    """Total and free bytes where a model would be loaded: the first GPU, else RAM."""
    gpus = gpu_memory()
    return gpus[0] if gpus else ram_memory()


def room_for_a_model() -> int:
    """Bytes that a load could take now, on the device it would go to."""
    return own_devices()[0].available


def own_devices() -> tuple[Device, ...]:
    """Where on this machine a model can be held: each GPU, then RAM; a load goes to the first.

    Of a GPU, `available` is what is free now, less CUDA_BYTES.
    """
    ram = ram_memory()
    gpus = gpu_memory()
    return (
        *(
            Device(
                gpu.device if len(gpus) == 1 else f"{gpu.device} ({number})",
                gpu.total,
                max(gpu.available - CUDA_BYTES, 0),
                here=True,
            )
            for number, gpu in enumerate(gpus)
        ),
        Device(RAM, ram.total, ram.available, here=True),
    )


def ram_memory(cgroups: Path = CGROUPS, own_cgroups: Path = OWN_CGROUPS) -> MemoryUse:
    """RAM, cut to the tightest limit of the control groups (version 2 or 1) this process is in."""
    ram = psutil.virtual_memory()
    total, available = ram.total, ram.available
    for folder, limit_name, used_name in cgroup_folders(cgroups, own_cgroups):
        limit = read_count(folder / limit_name)
        used = read_count(folder / used_name)
        if limit is None or used is None or limit >= UNLIMITED:
            continue
        # Cached files count as used, but the kernel drops them before it kills anyone.
        free = limit - used + reclaimable(folder / "memory.stat")
        total, available = min(total, limit), min(available, max(free, 0))
    return MemoryUse(device="cpu", total=total, available=available)


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
    lines = stat.read_text().splitlines() if stat.is_file() else []
    counts = dict(line.split(" ", 1) for line in lines if " " in line)
    return int(counts.get("total_inactive_file", counts.get("inactive_file", "0")))


def gpu_memory() -> tuple[MemoryUse, ...]:
    """Each GPU's memory, by NVIDIA's own tool, since torch stays out of this process; empty without one."""
    tool = gpu_tool()
    if tool is None:
        return ()
    try:
        answer = subprocess.run(
            [tool, *SMI_QUERY], capture_output=True, text=True, timeout=SMI_SECONDS, check=True
        )
        return parse_gpus(answer.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        # A driver that does not answer is no GPU to load into.
        return ()


def parse_gpus(answer: str) -> tuple[MemoryUse, ...]:
    """One GPU a line: its name, total and free memory in MiB. Raises ValueError for anything else."""
    gpus = []
    for line in answer.splitlines():
        if line.strip():
            name, total, free = line.rsplit(",", 2)
            gpus.append(MemoryUse(name.strip(), total=int(total) * 2**20, available=int(free) * 2**20))
    return tuple(gpus)


@lru_cache(maxsize=1)
def gpu_tool() -> str | None:
    """nvidia-smi where it is installed and torch is not a build for CPUs only."""
    try:
        cpu_only = version("torch").endswith("+cpu")
    except PackageNotFoundError:
        cpu_only = True
    return None if cpu_only else shutil.which("nvidia-smi")
