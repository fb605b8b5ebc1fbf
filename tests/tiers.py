"""When a case of a test runs: always, with the slow tests, or with the thorough ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def in_tiers(cases: Iterable[Any], *, quick: Collection[Any] = (), slow: Collection[Any] = ()) -> list[Any]:
    """The cases as parameters of a test."""
    return [pytest.param(case, marks=marks_of(case, quick, slow)) for case in cases]


def marks_of(case: Any, quick: Collection[Any], slow: Collection[Any]) -> list[pytest.MarkDecorator]:
    if case in quick:
        return []
    return [pytest.mark.slow if case in slow else pytest.mark.thorough]
