"""The memory of the machine under control groups of both versions, in files as the kernel writes them."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from adapter_ui.catalog import machine
from adapter_ui.catalog.machine import (
    CUDA_BYTES,
    RAM,
    machine_memory,
    own_devices,
    parse_gpus,
    ram_memory,
    room_for_a_model,
)

GIB = 2**30


def write(folder: Path, **files: str | int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / name.replace("__", ".")).write_text(f"{value}\n")


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "cgroup"
    path.write_text("0::/\n")
    return path


def test_without_limits_it_is_the_machines(tmp_path, own):
    memory = ram_memory(tmp_path, own)
    assert memory.device == "cpu"
    assert memory.total == psutil.virtual_memory().total
    assert 0 < memory.available <= memory.total


def test_a_limit_of_version_2(tmp_path, own):
    write(tmp_path, memory__max=GIB, memory__current=GIB // 4)
    assert ram_memory(tmp_path, own).total == GIB
    assert ram_memory(tmp_path, own).available == GIB - GIB // 4


def test_cached_files_count_as_available(tmp_path, own):
    write(tmp_path, memory__max=GIB, memory__current=GIB, memory__stat=f"anon 5\ninactive_file {GIB // 2}")
    assert ram_memory(tmp_path, own).available == GIB // 2


def test_max_means_no_limit(tmp_path, own):
    write(tmp_path, memory__max="max", memory__current=GIB)
    assert ram_memory(tmp_path, own).total == psutil.virtual_memory().total


def test_a_limit_of_version_1(tmp_path, own):
    own.write_text("4:memory:/box\n2:cpu,cpuacct:/box\n")
    write(tmp_path / "memory", memory__limit_in_bytes=2**63 - 4096, memory__usage_in_bytes=GIB)
    write(tmp_path / "memory" / "box", memory__limit_in_bytes=GIB, memory__usage_in_bytes=3 * GIB // 4)
    assert ram_memory(tmp_path, own).total == GIB
    assert ram_memory(tmp_path, own).available == GIB // 4


def test_the_tightest_of_nested_limits_counts(tmp_path, own):
    own.write_text("0::/user/app\n")
    write(tmp_path / "user", memory__max=GIB, memory__current=3 * GIB // 4)
    write(tmp_path / "user" / "app", memory__max=2 * GIB, memory__current=0)
    memory = ram_memory(tmp_path, own)
    assert (memory.total, memory.available) == (GIB, GIB // 4)


def test_more_used_than_allowed_leaves_nothing(tmp_path, own):
    write(tmp_path, memory__max=GIB, memory__current=2 * GIB)
    assert ram_memory(tmp_path, own).available == 0


def test_this_machine_has_memory():
    memory = machine_memory()
    assert 0 < memory.available <= memory.total


TWO_GPUS = "NVIDIA L4, 23034, 22000\nNVIDIA L4, 23034, 100\n"


def test_every_gpu_is_told():
    first, second = parse_gpus(TWO_GPUS)
    assert (first.device, first.total, first.available) == ("NVIDIA L4", 23034 * 2**20, 22000 * 2**20)
    assert second.available == 100 * 2**20
    assert parse_gpus("") == ()


@pytest.mark.parametrize("answer", ["no devices were found", "GB10, [N/A], [N/A]", "a,b"])
def test_an_answer_that_is_no_table_is_no_gpu(answer):
    with pytest.raises(ValueError, match=r"."):
        parse_gpus(answer)


def test_a_machine_without_gpus_has_its_ram():
    (ram,) = own_devices()
    assert (ram.name, ram.here) == (RAM, True)
    assert 0 < ram.available <= ram.total


@pytest.fixture
def smi(tmp_path, monkeypatch):
    """An nvidia-smi that answers what the test says, as a program of its own."""
    tool = tmp_path / "nvidia-smi"

    def answering(text: str) -> None:
        tool.write_text(f"#!/bin/sh\ncat <<END\n{text}END\n")
        tool.chmod(0o755)

    monkeypatch.setattr(machine, "gpu_tool", lambda: str(tool))
    return answering


def test_all_gpus_are_devices_less_what_cuda_takes(smi):
    smi(TWO_GPUS)
    first, second, ram = own_devices()
    assert (first.name, second.name, ram.name) == ("NVIDIA L4 (0)", "NVIDIA L4 (1)", RAM)
    assert first.available == 22000 * 2**20 - CUDA_BYTES
    assert second.available == 0
    assert room_for_a_model() == first.available
    assert machine_memory().device == "NVIDIA L4"


def test_a_driver_that_fails_is_no_gpu(smi):
    smi("NVIDIA-SMI has failed\n")
    assert [device.name for device in own_devices()] == [RAM]
    assert room_for_a_model() > 0
    assert machine_memory().device == "cpu"
