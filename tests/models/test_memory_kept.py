"""The memory that a load of the embedded base takes and keeps: the targets of benchmarks/memory.py, held."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter_ui.domain import Precision
from benchmarks.memory import build_tiny, in_shards, measure_in_child
from tests.tiers import in_tiers

SHARD = "60MB"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny(tmp_path_factory.mktemp("tiny") / "llama")


@pytest.fixture(scope="module")
def bases(embedded_base_home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The embedded base as it is, in one file, and in several."""
    (base,) = (embedded_base_home / "bases").iterdir()
    return {"one file": base, "shards": in_shards(base, SHARD, tmp_path_factory.mktemp("shards"))}


@pytest.mark.parametrize("layout", in_tiers(["one file", "shards"], slow=["one file"]))
@pytest.mark.parametrize("precision", Precision, ids=str)
def test_a_load_keeps_and_peaks_at_little_more_than_the_weights(bases, tiny, precision, layout):
    memory = measure_in_child(precision, bases[layout], tiny)
    print(memory)
    assert memory.kept <= memory.kept_target
    assert memory.peak <= memory.peak_target
