"""The table of codes, the source and the tests know the same codes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import adapter_ui.catalog
from adapter_ui.catalog.findings.codes import CODES
from adapter_ui.errors import ConfigUnreadable, HeaderTooLarge, HeaderUnreadable, NonFiniteNumber
from tests.catalog.test_findings import CASES
from tests.catalog.test_findings_inspected import INSPECTED

# Where the code stands among the arguments.
PLACES = {"Finding": 1, "good": 0, "info": 0, "warning": 0, "blocker": 0}
BAD_FILE = (ConfigUnreadable, NonFiniteNumber, HeaderUnreadable, HeaderTooLarge)
SOURCE = Path(adapter_ui.catalog.__file__).parent


def codes_in_source() -> set[str]:
    """Every code that the catalog's source writes into a finding, and those of its errors for a bad file."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in SOURCE.rglob("*.py")]
    written = {code for tree in trees for node in ast.walk(tree) for code in codes_of(node)}
    return written | {error.code for error in BAD_FILE}


def codes_of(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in PLACES:
        place = PLACES[node.func.id]
        for inner in ast.walk(node.args[place]) if len(node.args) > place else ():
            if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                yield inner.value
    if isinstance(node, ast.ClassDef) and "BadAdapter" in {ast.unparse(base) for base in node.bases}:
        for line in node.body:
            if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "code":
                yield ast.literal_eval(line.value)


def test_every_code_of_the_source_is_in_the_table():
    assert codes_in_source() == CODES.keys()


def test_every_code_has_a_case_that_has_it_and_one_that_has_not():
    assert {case.code for case in CASES} | INSPECTED.keys() == CODES.keys()


def test_meanings_are_short_and_say_something_each():
    meanings = [code.meaning for code in CODES.values()]
    assert len(set(meanings)) == len(meanings)
    assert all(10 < len(meaning) < 100 and not meaning.endswith(".") for meaning in meanings)
