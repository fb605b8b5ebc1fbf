"""Every method of the installed PEFT on every task and precision: nothing is missing without a reason."""

import re

import pytest

from tests.models.every_method import PAGE, Bench, methods, page, row

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("methods"))


@pytest.fixture(scope="module")
def rows(bench: Bench) -> dict[str, list[str]]:
    return {method: row(bench, method) for method in methods()}


def test_no_answer_differs_from_plain_peft(rows: dict[str, list[str]]):
    wrong = {
        method: outcome for method, outcomes in rows.items() for outcome in outcomes if "FAILS" in outcome
    }
    assert wrong == {}


def test_the_page_says_what_is(rows: dict[str, list[str]]):
    """Compared without the text of PEFT's own reasons, which another build of torch words otherwise."""

    def signs(text: str) -> list[str]:
        return [re.sub(r"\(\d+\)", "", line) for line in text.splitlines() if line.startswith("|")]

    assert signs(PAGE.read_text(encoding="utf-8")) == signs(page(rows))
