"""An app beside the loopback Hub with the tiny models, for files that have none of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.app_process import AppProcess
from tests.hub.server import LoopbackHub


@pytest.fixture(scope="module")
def app(hub: LoopbackHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppProcess]:
    with AppProcess(tmp_path_factory.mktemp("app"), hub.endpoint) as app:
        yield app
