"""RAM under control groups of both versions, in files as the kernel writes them."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from adapter_ui.ram import ram

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
    total, available = ram(tmp_path, own)
    assert total == psutil.virtual_memory().total
    assert 0 < available <= total


def test_a_limit_of_version_2(tmp_path, own):
    write(tmp_path, memory__max=GIB, memory__current=GIB // 4)
    assert ram(tmp_path, own) == (GIB, GIB - GIB // 4)


def test_cached_files_count_as_available(tmp_path, own):
    write(tmp_path, memory__max=GIB, memory__current=GIB, memory__stat=f"anon 5\ninactive_file {GIB // 2}")
    assert ram(tmp_path, own)[1] == GIB // 2


@pytest.mark.parametrize("mapped", ["total_mapped_file", "file_mapped"])
def test_files_that_were_read_again_count_as_available_where_nobody_has_them_in_memory(tmp_path, own, mapped):
    prefix = "total_" if mapped.startswith("total") else ""
    stat = f"{prefix}inactive_file {GIB // 8}\n{prefix}active_file {GIB // 2}\n{mapped} {GIB // 4}"
    write(tmp_path, memory__max=GIB, memory__current=GIB, memory__stat=stat)
    assert ram(tmp_path, own)[1] == GIB // 8 + GIB // 4


def test_max_means_no_limit(tmp_path, own):
    write(tmp_path, memory__max="max", memory__current=GIB)
    assert ram(tmp_path, own)[0] == psutil.virtual_memory().total


def test_a_limit_of_version_1(tmp_path, own):
    own.write_text("4:memory:/box\n2:cpu,cpuacct:/box\n")
    write(tmp_path / "memory", memory__limit_in_bytes=2**63 - 4096, memory__usage_in_bytes=GIB)
    write(tmp_path / "memory" / "box", memory__limit_in_bytes=GIB, memory__usage_in_bytes=3 * GIB // 4)
    assert ram(tmp_path, own) == (GIB, GIB // 4)


def test_the_tightest_of_nested_limits_counts(tmp_path, own):
    own.write_text("0::/user/app\n")
    write(tmp_path / "user", memory__max=GIB, memory__current=3 * GIB // 4)
    write(tmp_path / "user" / "app", memory__max=2 * GIB, memory__current=0)
    assert ram(tmp_path, own) == (GIB, GIB // 4)


def test_more_used_than_allowed_leaves_nothing(tmp_path, own):
    write(tmp_path, memory__max=GIB, memory__current=2 * GIB)
    assert ram(tmp_path, own)[1] == 0
