"""A loopback Hub with the tiny models and an app beside it, for files that have none of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.app_process import AppProcess
from tests.hub import catalogue
from tests.hub.server import LoopbackHub


@pytest.fixture(scope="module")
def hub(tiny_models: Path) -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        catalogue.add_real_repos(hub, tiny_models)
        yield hub


@pytest.fixture(scope="module")
def app(hub: LoopbackHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppProcess]:
    with AppProcess(tmp_path_factory.mktemp("app"), hub.endpoint) as app:
        yield app
