"""What is refused before a download is what the page of methods says that cannot work."""

from __future__ import annotations

import pytest

from adapter_ui.domain import Precision
from adapter_ui.domain.loadable import UNSUPPORTED_PRECISIONS, unsupported_precision
from tests.models.every_method import PAGE


def rows_of_the_page() -> list[dict[str, str]]:
    """The cells of each method that works in bf16, by the name of their column."""
    lines = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    rows = [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
    return [row for row in rows if not row["bf16"].startswith("–")]


@pytest.mark.parametrize("row", rows_of_the_page(), ids=lambda row: row["Method"])
def test_a_method_is_refused_in_the_precisions_that_it_fails_in(row: dict[str, str]) -> None:
    for precision in (Precision.BF16, Precision.FP16, Precision.INT8, Precision.NF4, Precision.FP4):
        fails = row[precision.value].startswith("–")
        assert bool(unsupported_precision(row["Method"], precision)) == fails, precision


def test_the_sentence_names_what_works() -> None:
    assert UNSUPPORTED_PRECISIONS.keys() <= {row["Method"] for row in rows_of_the_page()}
    sentence = unsupported_precision("LOHA", Precision.NF4)
    assert sentence is not None
    assert sentence.endswith("choose one of fp32, bf16, fp16, int8.")
    assert unsupported_precision(None, Precision.NF4) is None
