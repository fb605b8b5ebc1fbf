"""The memory of this machine: RAM, and every GPU that torch can use."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

from adapter_ui.domain import Device, MemoryUse, Precision
from adapter_ui.ram import ram

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
    """Bytes that a load could take now where models go: on all GPUs together, else in RAM."""
    return room_on(own_devices())


def room_for_a_load(precision: Precision) -> int:
    """The same with the RAM beside the GPUs, where what does not fit them can lie if it is not quantised."""
    devices = own_devices()
    return room_on(devices) + room_beside(devices, precision)


def room_on(devices: Sequence[Device]) -> int:
    *gpus, ram_device = devices
    return sum(gpu.available for gpu in gpus) if gpus else ram_device.available


def room_beside(devices: Sequence[Device], precision: Precision) -> int:
    *gpus, ram_device = devices
    return ram_device.available if gpus and not precision.is_quantized else 0


def room_for_a_training() -> int:
    """Bytes that a training could take now: on the first GPU, else in RAM."""
    return own_devices()[0].available


def own_devices() -> tuple[Device, ...]:
    """Where on this machine a model can be held: each GPU, then RAM.

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


def ram_memory() -> MemoryUse:
    """RAM under the limits of this process's control groups."""
    total, available = ram()
    return MemoryUse(device="cpu", total=total, available=available)


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
