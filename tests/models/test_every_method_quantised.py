"""Every method of the installed PEFT on quantised bases; a file of its own, so that two can run at once."""

from __future__ import annotations

import pytest

from adapter_ui.domain import Precision
from tests.models.every_method import Bench
from tests.models.held_to_peft import Column
from tests.models.test_every_method import bench, held, hold  # noqa: F401 - bench is a fixture

pytestmark = pytest.mark.slow
PRECISIONS = (Precision.INT8, Precision.NF4, Precision.FP4)


@pytest.mark.parametrize("column", held(PRECISIONS))
def test_every_method_is_held_to_plain_peft(bench: Bench, column: Column) -> None:  # noqa: F811
    hold(bench, column)
