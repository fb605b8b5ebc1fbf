"""What is refused before a download is what the page of methods says that cannot work."""

from __future__ import annotations

import pytest

from adapter_ui.domain import Precision
from adapter_ui.domain.loadable import UNSUPPORTED_PRECISIONS, unsupported_precision
from tests.models.method_table import NOT_POSSIBLE, PAGE, signs_of

SIGNS = signs_of(PAGE.read_text(encoding="utf-8"))
TASKS = sorted({task for precision, task, _ in SIGNS if precision == Precision.BF16})
METHODS = sorted({method for _, _, method in SIGNS})


def tasks_of(method: str, precision: Precision) -> set[str]:
    """Those in which the method works in this precision."""
    return {task for task in TASKS if SIGNS[precision, task, method] != NOT_POSSIBLE}


@pytest.mark.parametrize("method", [one for one in METHODS if tasks_of(one, Precision.BF16)])
def test_a_method_is_refused_in_the_precisions_that_it_fails_in(method: str) -> None:
    """Whatever the task: all that work in bf16 work in the precision, or none does."""
    for precision in Precision:
        refused = bool(unsupported_precision(method, precision))
        assert tasks_of(method, precision) == (set() if refused else tasks_of(method, Precision.BF16)), (
            precision
        )


def test_the_sentence_names_what_works() -> None:
    assert set(METHODS) >= UNSUPPORTED_PRECISIONS.keys()
    sentence = unsupported_precision("LOHA", Precision.NF4)
    assert sentence is not None
    assert sentence.endswith("choose one of fp32, bf16, fp16, int8.")
    assert unsupported_precision(None, Precision.NF4) is None
