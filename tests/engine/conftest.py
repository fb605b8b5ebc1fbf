"""An engine of its own for each test; a file whose tests can share one has its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter_ui.engine.local import LocalEngine


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[LocalEngine]:
    engine = LocalEngine(tmp_path / "worker.log")
    yield engine
    engine.close()
