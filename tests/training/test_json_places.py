"""What is wrong in JSON is told with its line in the file, whatever holds the rows."""

from __future__ import annotations

import json
import time

import pytest

from adapter_ui.errors import InvalidRecipe
from adapter_ui.training.data import read_table
from adapter_ui.training.examples import to_examples

GOOD = {"prompt": "Where?", "completion": "Here."}
BAD = {"prompt": "Where?", "completion": ""}


def in_an_object(*rows: object, name: str = "data") -> str:
    """One row a line, from line 4 on."""
    listed = ",\n".join(json.dumps(row) for row in rows)
    return f'{{"version": "1, [2]",\n "about": {{"{name}": [1]}},\n "{name}": [\n{listed}\n]}}'


def test_rows_of_a_list_in_an_object_have_their_lines() -> None:
    table = read_table(in_an_object(GOOD, GOOD, 5, BAD, name='the "rows"'.replace('"', "'")))
    assert table.places == ("row 1 (line 4)", "row 2 (line 5)", "row 4 (line 7)")
    assert table.dropped == ("row 3 (line 6): not an object with named fields",)
    examples = to_examples(table, {}, "CAUSAL_LM")
    assert examples.problems[-1] == "row 4 (line 7): “completion” is empty"


def test_rows_on_one_line_have_only_their_numbers() -> None:
    assert read_table(json.dumps({"data": [GOOD, GOOD]})).places == ("row 1", "row 2")


@pytest.mark.parametrize("before", ["", '"version": 1, "by": "us",\n'])
def test_a_fault_in_an_object_of_rows_is_told_with_its_line(before: str) -> None:
    broken = (
        in_an_object(GOOD, GOOD, GOOD).replace("Here.", 'He"re.', 2).replace('"version": "1, [2]",\n', before)
    )
    broken = broken.replace(' "about": {"data": [1]},\n', "")
    line = broken.split("\n").index(next(part for part in broken.split("\n") if 'He"re' in part)) + 1
    with pytest.raises(InvalidRecipe, match=f"The JSON object cannot be read: .* at line {line}, column"):
        read_table(broken)


def test_json_lines_with_a_broken_first_line_are_still_read() -> None:
    turns = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    table = read_table("\n".join([json.dumps(turns)[:-3], json.dumps(turns), json.dumps(turns)]))
    assert table.places == ("line 2", "line 3")


def test_a_long_first_line_is_looked_at_once() -> None:
    began = time.monotonic()
    with pytest.raises(InvalidRecipe):
        read_table("{" + '"a": "b", ' * 400_000 + "\n")
    assert time.monotonic() - began < 10
