"""Safetensors headers, sound and hostile; the truth is what safetensors itself writes and reads."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save

from adapter_ui.domain.tensor_table import (
    FIRST_READ_BYTES,
    INSPECTION_BYTES,
    LONGEST_NAME,
    main_dtype,
    parse_header,
    read_tensors,
)
from adapter_ui.errors import HeaderTooLarge, HeaderUnreadable


class Reads:
    """Ranged reads of some bytes, remembered."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.ranges: list[tuple[int, int]] = []

    def __call__(self, start: int, end: int) -> bytes:
        self.ranges.append((start, end))
        return self.data[start:end]

    @property
    def total(self) -> int:
        return sum(end - start for start, end in self.ranges)


def many_tensors(count: int, name_length: int = 60) -> bytes:
    return save({f"{number:0{name_length}d}": np.zeros((1, 1), np.float16) for number in range(count)})


def header_bytes(entries: object) -> bytes:
    text = json.dumps(entries).encode()
    return len(text).to_bytes(8, "little") + text


def entry(**changes: object) -> dict[str, object]:
    return {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]} | changes


def test_the_table_is_what_safetensors_reads(tiny_models):
    path = tiny_models / "lora" / "adapter_model.safetensors"
    reads = Reads(path.read_bytes())
    tensors = read_tensors(reads, path.stat().st_size)
    with safe_open(path, "np") as file:
        truth = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    assert {tensor.name: tensor.shape for tensor in tensors} == truth
    assert main_dtype(tensors) == "float32"
    assert len(reads.ranges) == 1


def test_a_long_header_takes_a_second_read_of_just_the_rest():
    data = many_tensors(900)
    assert FIRST_READ_BYTES < int.from_bytes(data[:8], "little") < INSPECTION_BYTES - 8
    reads = Reads(data)
    assert len(read_tensors(reads, len(data))) == 900
    assert [start for start, _ in reads.ranges] == [0, FIRST_READ_BYTES]
    assert reads.total <= INSPECTION_BYTES


def test_a_header_beyond_the_bound_is_not_read():
    data = many_tensors(3000)
    reads = Reads(data)
    with pytest.raises(HeaderTooLarge):
        read_tensors(reads, len(data))
    assert reads.total == FIRST_READ_BYTES


def test_tensors_of_no_bytes_and_no_axes_are_sound():
    data = save({"empty": np.zeros((0, 4), np.float32), "number": np.array(1.0, np.float64)})
    tensors = {tensor.name: tensor.parameters for tensor in read_tensors(Reads(data), len(data))}
    assert tensors == {"empty": 0, "number": 1}


@pytest.mark.parametrize(
    "entries",
    [
        [],
        {"a": 1},
        {"a": entry(dtype="F31")},
        {"a": entry(dtype=["F32"])},
        {"a": entry(dtype=None)},
        {"a": entry(shape=[2, -3])},
        {"a": entry(shape=[2, 3.0])},
        {"a": entry(shape=[True, 6])},
        {"a": entry(shape=None)},
        {"a": entry(shape=[1] * 9 + [6])},
        {"a": entry(shape=[2**62, 2**62])},
        {"a": entry(data_offsets=[0])},
        {"a": entry(data_offsets=[0, 12, 24])},
        {"a": entry(data_offsets=[24, 0])},
        {"a": entry(data_offsets=[0, 20])},
        {"a": entry(data_offsets=[-24, 0])},
        {"a": entry(data_offsets=[4, 28])},
        {"a": entry(), "b": entry()},
        {"a": entry(), "b": entry(data_offsets=[12, 36])},
        {"a": entry(), "b": entry(data_offsets=[28, 52])},
    ],
    ids=json.dumps,
)
def test_a_header_that_does_not_add_up_is_refused(entries):
    with pytest.raises(HeaderUnreadable):
        parse_header(json.dumps(entries).encode(), 24)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x10",
        b"PK\x03\x04" + b"\0" * 100,
        (2**63).to_bytes(8, "little") + b"{}",
        (0).to_bytes(8, "little"),
        (20).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"{[",
        (4).to_bytes(8, "little") + b"\xff\xff\xff\xff",
        header_bytes({"a": entry()}) + b"\0" * 23,
        header_bytes({"a": entry()}) + b"\0" * 25,
        b"\x60\0\0\0\0\0\0\0" + b"[" * 96,
    ],
    ids=lambda data: repr(data[:16]),
)
def test_a_file_that_is_no_safetensors_is_refused(data):
    with pytest.raises(HeaderUnreadable) as error:
        read_tensors(Reads(data), len(data))
    assert error.value.message.endswith(".")


def test_a_name_that_stands_twice_is_refused():
    one = b'"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}'
    assert parse_header(b"{%b}" % one, 1)
    with pytest.raises(HeaderUnreadable):
        parse_header(b"{%b, %b}" % (one, one), 1)


def test_too_many_tensors_are_refused():
    entries = {str(number): {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for number in range(20_001)}
    with pytest.raises(HeaderUnreadable, match="20,001"):
        parse_header(json.dumps(entries).encode(), 0)


def test_a_name_beyond_all_use_is_refused():
    def header(length: int) -> bytes:
        return json.dumps({"a" * length: {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}}).encode()

    assert parse_header(header(LONGEST_NAME), 0)
    with pytest.raises(HeaderUnreadable, match="longer than"):
        parse_header(header(LONGEST_NAME + 1), 0)


def test_the_main_dtype_is_that_of_most_bytes():
    data = save({"a": np.zeros(10, np.float16), "b": np.zeros(6, np.float32)})
    assert main_dtype(read_tensors(Reads(data), len(data))) == "float32"
    assert main_dtype(()) is None


def test_indices_beside_weights_do_not_name_the_dtype():
    data = save({"weights": np.zeros(2, np.float16), "indices": np.zeros(99, np.int32)})
    assert main_dtype(read_tensors(Reads(data), len(data))) == "float16"
    data = save({"indices": np.zeros(99, np.int32)})
    assert main_dtype(read_tensors(Reads(data), len(data))) == "int32"
