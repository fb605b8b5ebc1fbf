"""A loopback Hub, settings that point at it, and the catalog over both; the library is empty at first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter_ui.catalog.bases import reader
from adapter_ui.catalog.catalog import Catalog
from adapter_ui.catalog.hub.client import Hub
from adapter_ui.catalog.storage import library
from adapter_ui.settings import Settings
from tests.hub import LoopbackHub


@pytest.fixture
def server() -> Iterator[LoopbackHub]:
    with LoopbackHub() as server:
        yield server


@pytest.fixture(autouse=True)
def starter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A starter set of this test's own, so that the one that is shipped changes no count."""
    folder = tmp_path / "starter"
    folder.mkdir()
    monkeypatch.setattr(library, "STARTER", folder)
    monkeypatch.setattr(reader, "PACKAGED", folder / "base.json")
    return folder


@pytest.fixture
def settings(server: LoopbackHub, tmp_path: Path) -> Settings:
    folder = tmp_path / "folder"
    folder.mkdir()
    return Settings(home=tmp_path / "home", hub_endpoint=server.endpoint, folder=folder, package_index=False)


@pytest.fixture
def hub(settings: Settings) -> Hub:
    return Hub(settings)


@pytest.fixture
def catalog(settings: Settings) -> Iterator[Catalog]:
    catalog = Catalog(settings)
    yield catalog
    catalog.close()
