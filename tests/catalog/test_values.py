"""A bounded look at numbers: what is read, how much of it, and that it is the truth."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping

import pytest

from adapter_ui.catalog.profiles.values import FIRST_LOOK_BYTES, MOST_BYTES, MOST_READS, Values, look
from adapter_ui.domain.tensor_table import DTYPE_BITS, FIRST_READ_BYTES, parse_header

ONES = {"F64": struct.pack("<d", 1), "F32": struct.pack("<f", 1), "F16": b"\x00\x3c", "BF16": b"\x80\x3f"}
ZEROS = {
    "F64": struct.pack("<d", -0.0), "F32": struct.pack("<f", -0.0), "F16": b"\x00\x80", "BF16": b"\x00\x80",
    "F8_E4M3": b"\x80", "F8_E5M2": b"\x80", "I8": b"\x00",
}  # fmt: skip
SMALLEST = {
    "F64": struct.pack("<d", 5e-324), "F32": struct.pack("<f", 1e-45), "F16": b"\x01\x80",
    "BF16": b"\x01\x00", "F8_E4M3": b"\x81", "F8_E5M2": b"\x01", "I8": b"\x80",
}  # fmt: skip
NOT_FINITE = {
    "F64": [struct.pack("<d", float("nan")), struct.pack("<d", float("-inf"))],
    "F32": [struct.pack("<f", float("nan")), struct.pack("<f", float("inf"))],
    "F16": [b"\x01\x7e", b"\x00\xfc"],
    "BF16": [b"\xc0\x7f", b"\x80\xff"],
    "F8_E4M3": [b"\x7f", b"\xff"],
    "F8_E5M2": [b"\x7d", b"\xfc"],
}


class File:
    """A safetensors file made from raw data, which remembers what was read of it."""

    def __init__(self, data: Mapping[str, bytes], dtype: str = "F32") -> None:
        entries, start = {}, 0
        for name, content in data.items():
            count = len(content) * 8 // DTYPE_BITS[dtype]
            entries[name] = {"dtype": dtype, "shape": [count], "data_offsets": [start, start + len(content)]}
            start += len(content)
        header = json.dumps(entries).encode()
        self.content = struct.pack("<Q", len(header)) + header + b"".join(data.values())
        self.tensors = parse_header(header, start)
        self.reads: list[tuple[int, int]] = []

    def read(self, start: int, end: int) -> bytes:
        self.reads.append((start, end))
        return self.content[start:end]

    def look(self, deciding: str = "lora_B") -> Values:
        return look(self.read, self.tensors, [one for one in self.tensors if deciding in one.name])

    @property
    def more_reads(self) -> list[tuple[int, int]]:
        """The reads beyond the one that the header needed anyway."""
        assert self.reads[0] == (0, FIRST_READ_BYTES)
        return self.reads[1:]

    @property
    def more_bytes(self) -> int:
        return sum(min(end, len(self.content)) - start for start, end in self.more_reads)


def lora(layers: int, size_a: int, size_b: int, b: bytes = b"\0") -> dict[str, bytes]:
    tensors: dict[str, bytes] = {}
    for layer in range(layers):
        tensors[f"layers.{layer:03}.lora_A"] = ONES["F32"] * (size_a // 4)
        tensors[f"layers.{layer:03}.lora_B"] = b * (size_b // len(b))
    return tensors


@pytest.mark.parametrize("dtype", ZEROS)
def test_a_zero_has_no_sign_and_the_smallest_number_is_none(dtype):
    size = len(ZEROS[dtype])
    zeros = bytes(size * 8) + ZEROS[dtype]
    assert File({"lora_B": zeros}, dtype).look() == Values(size * 9, size * 9)
    assert File({"lora_B": zeros + SMALLEST[dtype]}, dtype).look().nonzero


@pytest.mark.parametrize(
    ("dtype", "number"), [(dtype, number) for dtype, found in NOT_FINITE.items() for number in found]
)
def test_what_is_not_finite_is_named_in_any_tensor(dtype, number):
    zeros = bytes(16)
    values = File({"lora_A": zeros + number, "lora_B": zeros}, dtype).look()
    assert (values.not_finite, values.nonzero) == ("lora_A", False)


def test_a_small_file_costs_nothing_more_than_its_header():
    zero, trained = File(lora(4, 2048, 2048)), File(lora(4, 2048, 2048, ONES["F32"]))
    assert zero.look() == Values(8192, 8192)
    assert trained.look().nonzero
    assert not zero.more_reads
    assert not trained.more_reads


def test_a_trained_adapter_costs_one_short_read():
    file = File(lora(40, 100_000, 100_000, ONES["F32"]))
    assert file.look().nonzero
    assert len(file.more_reads) == 1
    assert file.more_bytes <= FIRST_LOOK_BYTES


def test_what_is_nowhere_in_the_first_piece_is_found_by_reading_on():
    tensors = lora(4, 100_000, 100_000)
    tensors["layers.003.lora_B"] = bytes(99_996) + SMALLEST["F32"]
    assert File(tensors).look().nonzero


@pytest.mark.parametrize(("layers", "size_a", "size_b"), [(8, 50_000, 50_000), (6, 400_000, 20_000)])
def test_zeros_within_the_bound_are_read_to_the_last(layers, size_a, size_b):
    file = File(lora(layers, size_a, size_b))
    assert file.look() == Values(layers * size_b, layers * size_b)
    assert file.more_bytes <= MOST_BYTES
    assert len(file.more_reads) <= 1 + layers


@pytest.mark.parametrize(("layers", "size"), [(64, 200_000), (500, 40_000), (1, 8_000_000)])
def test_of_zeros_beyond_the_bound_samples_all_over_the_file_are_read(layers, size):
    file = File(lora(layers, size, size))
    values = file.look()
    assert not values.nonzero
    assert 0 < values.seen_bytes < values.deciding_bytes == layers * size
    assert file.more_bytes <= MOST_BYTES
    assert len(file.more_reads) <= 1 + MOST_READS
    assert layers == 1 or max(start for start, _ in file.more_reads) > len(file.content) * 0.8


def test_a_method_that_no_zeros_prove_costs_nothing():
    file = File(lora(40, 100_000, 100_000))
    assert file.look("ia3_l") == Values(0)
    assert not file.more_reads


@pytest.mark.parametrize("padding", range(4))
def test_a_number_that_a_piece_cuts_through_waits_for_the_next_piece(padding):
    name = "lora_B" + "x" * padding
    data_start = len(File({name: bytes(400_000)}).content) - 400_000
    before = (FIRST_READ_BYTES - data_start) // 4 * 4
    data = bytes(before) + SMALLEST["F32"] + bytes(400_000 - before - 4)
    values = File({name: data}).look()
    assert values.nonzero
    assert values.not_finite is None


def test_a_header_longer_than_the_first_read_leaves_the_data_to_further_ones():
    tensors = {f"layers.{'x' * 800}.{layer}.lora_B": bytes(400) for layer in range(100)}
    file = File(tensors)
    assert file.look() == Values(40_000, 40_000)
    assert len(file.more_reads) == 1
