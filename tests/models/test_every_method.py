"""Every method of the installed PEFT on every task and precision: nothing is missing without a reason."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from adapter_ui.domain import Precision
from tests.models.every_method import Bench
from tests.models.held_to_peft import Column
from tests.models.method_table import (
    NOT_POSSIBLE,
    PAGE,
    SIGNS,
    columns,
    impossible,
    on_any_cpu,
    outcomes,
    signs_of,
)

pytestmark = pytest.mark.slow
PRECISIONS = (Precision.FP32, Precision.BF16, Precision.FP16)
THOROUGH = (Precision.FP16, Precision.INT8, Precision.FP4)
"""fp16 computes as bf16 does and fp4 as nf4, but for their numbers; int8 as nf4 does, but for its layers."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("methods"))


def name_of(column: Column) -> str:
    return f"{column.precision}-{column.name}"


def held(precisions: Iterable[Precision]) -> list[Any]:
    """The columns of these precisions, as parameters of a test."""
    return [
        pytest.param(one, marks=pytest.mark.thorough if precision in THOROUGH else (), id=name_of(one))
        for precision in precisions
        for one in columns(precision)
    ]


def hold(bench: Bench, column: Column) -> None:
    """No answer differs from plain PEFT's, nothing is refused that PEFT can do, and the page says what is."""
    found = outcomes(bench, column)
    assert {method: one for method, one in found.items() if one.startswith(("FAILS", "refused"))} == {}
    shown = signs_of(PAGE.read_text(encoding="utf-8"))
    signs = {method: SIGNS.get(one, NOT_POSSIBLE) for method, one in found.items()}
    assert {method: on_any_cpu(sign, column.precision) for method, sign in signs.items()} == {
        method: on_any_cpu(shown[column.precision, column.name, method], column.precision) for method in found
    }


@pytest.mark.parametrize("column", held(PRECISIONS))
def test_every_method_is_held_to_plain_peft(bench: Bench, column: Column) -> None:
    hold(bench, column)


@pytest.mark.parametrize("column", impossible(), ids=name_of)
def test_what_is_in_no_table_no_method_can_do(bench: Bench, column: Column) -> None:
    found = set(outcomes(bench, column).values())
    assert not any(one in SIGNS or one.startswith(("FAILS", "refused")) for one in found)
    assert column.name in PAGE.read_text(encoding="utf-8").partition("In none of the tables")[2]


def test_the_page_has_every_method_and_every_reason() -> None:
    text = PAGE.read_text(encoding="utf-8")
    reasons = text.partition("Reasons;")[2].splitlines()[2:]
    assert [int(line.partition(".")[0]) for line in reasons] == list(range(1, len(reasons) + 1))
    assert all(len(line.partition(". ")[2]) > 5 for line in reasons)
    assert f"({len(reasons)})" in text and f"({len(reasons) + 1})" not in text
    assert Path(PAGE).read_text(encoding="utf-8").count("| LORA |") == len(Precision)
