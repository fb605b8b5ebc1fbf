"""The page where nothing is over before a busy machine has looked at it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ui.served import served


@pytest.fixture(scope="module")
def at_leisure() -> Iterator[str]:
    """Where an answer takes ten seconds and reading the details of a page fifteen."""
    with served(0.5) as url:
        yield url
