"""What every test needs: an environment that reaches no real Hub, and the embedded base, converted once."""

# ruff: noqa: E402
from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, TypeVar

# The Hub's client reads these when it is imported, so they stand before every other import.
hf_home = tempfile.TemporaryDirectory(prefix="adapter-ui-hf-home-")
os.environ["HF_HOME"] = hf_home.name
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
for variable in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "SPACE_ID"):
    os.environ.pop(variable, None)

from adapter_ui.settings import Settings, prepare_environment

prepare_environment()

import pytest
from filelock import FileLock
from platformdirs import user_cache_path

from adapter_ui.catalog.storage.embedded import fetch_embedded
from tests.browser import browser, page, visitors  # noqa: F401 - fixtures of the page's tests
from tests.hub import LoopbackHub, catalogue
from tests.hub.tiny_models import build_tiny_models

Result = TypeVar("Result")


def finish(work: Generator[Any, None, Result]) -> Result:
    """Run a generator to its end and give what it returns."""
    while True:
        try:
            next(work)
        except StopIteration as stop:
            return stop.value


@pytest.fixture(scope="session")
def embedded_base_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which the embedded base is ready; it is fetched once and kept between runs."""
    chosen = os.environ.get("ADAPTER_UI_TEST_CACHE")
    cache = Path(chosen) if chosen else user_cache_path("adapter-ui-tests", appauthor=False)
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / "lock"):
        base = finish(fetch_embedded(Settings(home=cache)))
    home = tmp_path_factory.mktemp("home")
    (home / "bases").mkdir()
    (home / "bases" / base.name).symlink_to(base)
    return home


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny real checkpoints: `llama`, `bert`, and adapters over them: `lora`, `dora`, `ia3`, …"""
    return build_tiny_models(tmp_path_factory.mktemp("tiny-models"))


@pytest.fixture(scope="module")
def hub(tiny_models: Path) -> Iterator[LoopbackHub]:
    """The tiny models and adapters on a Hub of this machine, for files that have none of their own."""
    with LoopbackHub() as hub:
        catalogue.add_real_repos(hub, tiny_models)
        yield hub
