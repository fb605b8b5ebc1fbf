"""The memory of this machine: RAM, and the GPUs that NVIDIA's tool reports."""

from __future__ import annotations

import pytest

from adapter_ui.catalog import machine
from adapter_ui.catalog.machine import (
    CUDA_BYTES,
    RAM,
    machine_memory,
    own_devices,
    parse_gpus,
    room_for_a_load,
    room_for_a_model,
    room_for_a_training,
)
from adapter_ui.domain import Precision


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
    assert room_for_a_model() == room_for_a_load(Precision.NF4) == first.available
    beside = room_for_a_load(Precision.BF16) - first.available  # RAM changes between two looks
    assert beside == pytest.approx(ram.available, rel=0.2)
    assert machine_memory().device == "NVIDIA L4"


def test_a_model_can_take_all_gpus_and_a_training_one(smi):
    smi("NVIDIA L4, 23034, 22000\nNVIDIA L4, 23034, 12000\n")
    first, second, _ = own_devices()
    assert room_for_a_model() == first.available + second.available
    assert room_for_a_training() == first.available


def test_a_driver_that_fails_is_no_gpu(smi):
    smi("NVIDIA-SMI has failed\n")
    assert [device.name for device in own_devices()] == [RAM]
    assert room_for_a_load(Precision.BF16) > 0
    assert machine_memory().device == "cpu"
