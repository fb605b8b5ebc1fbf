"""A base, or a further copy of one, is loaded only where there is room for it, and idle copies make some."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from adapter_ui.domain import Precision
from adapter_ui.errors import DoesNotFit, ModelFailure
from adapter_ui.models import pool as pool_module
from adapter_ui.models.placement import room_for_a_base
from adapter_ui.models.pool import Pool
from tests.models.test_decoding import Writer, prompt_of, spec_for


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    """On a machine that holds one copy of a base and no more."""
    pool = Pool()
    monkeypatch.setattr(pool_module, "free_bytes", lambda device: 0 if pool.residents else 10**12)
    return pool


def test_a_copy_that_answers_nobody_makes_room_for_the_next(pool: Pool, tiny_models: Path) -> None:
    gates, dora = (spec_for(tiny_models / "llama", tiny_models / name) for name in ("ia3", "dora"))
    pool.load(gates)
    pool.load(dora)
    assert [one.adapters for one in pool.contents()] == [(dora.adapter,)]
    pool.load(gates)
    assert [one.adapters for one in pool.contents()] == [(gates.adapter,)]


def test_a_copy_that_answers_somebody_stays(pool: Pool, tiny_models: Path) -> None:
    gates, dora = (spec_for(tiny_models / "llama", tiny_models / name) for name in ("ia3", "dora"))
    resident, _ = pool.load(gates)
    writer = Writer(resident)
    row = writer.row(prompt_of(9), gates.adapter)
    writer.step()
    with pytest.raises(ModelFailure, match=r"needs a copy of .* of its own"):
        pool.load(dora)
    writer.finish()
    assert row.answer.reason == "length"
    assert [one.adapters for one in pool.contents()] == [(gates.adapter,)]


def test_a_base_whose_room_has_gone_since_its_download_is_refused_and_costs_nobody_else(
    tiny_models: Path,
) -> None:
    pool = Pool()
    small = spec_for(tiny_models / "llama")
    resident, _ = pool.load(small)
    writer = Writer(resident)
    row = writer.row(prompt_of(9))
    writer.step()
    room = room_for_a_base(Precision.FP32)
    large = replace(small, base="tiny/large", predicted_bytes=2 * room)
    with pytest.raises(DoesNotFit, match=r"tiny/large in fp32 needs about .* still free; ask again"):
        pool.load(large)
    pool.load(replace(small, predicted_bytes=2 * room))  # it is there already, and takes nothing
    writer.finish()
    assert row.answer.reason == "length"
    _, report = pool.load(replace(large, predicted_bytes=room // 2))
    assert report.measured_bytes > 0
