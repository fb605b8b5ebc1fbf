"""A further copy of a base is loaded only where there is room for it, and idle copies make some."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter_ui.errors import ModelFailure
from adapter_ui.models import pool as pool_module
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
