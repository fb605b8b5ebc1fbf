"""Data files that are wrong: each gets its error with the place and the way out, or its counted repair.

A case says exactly what must happen: `Refused`, or `Kept` with every row that is trained on.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter_ui.errors import InvalidRecipe
from adapter_ui.service import AdapterService
from adapter_ui.settings import Settings
from adapter_ui.training import file_text
from adapter_ui.training.data import read_table
from adapter_ui.training.examples import to_examples
from tests.hub import catalogue
from tests.hub.server import LoopbackHub
from tests.training.bad_files import ENCODINGS, FOREIGN, TABLE, TABLES, TEXTS, Case, Refused
from tests.training.bad_rows import CHATS, CLASSES, JSON

SECONDS = 60.0
MOST_MEMORY = 500_000_000

CASES = {**ENCODINGS, **FOREIGN, **TABLES, **TEXTS, **JSON, **CHATS, **CLASSES}
# what costs most for its size: 20 MB of each
FLOODS = {
    "blank lines": (b"prompt,completion\n" + b"\n" * 19_900_000, "The data has no rows"),
    "blank lines first": (b"\n" * 19_900_000 + b"a", "The data has no rows"),
    "bad json lines": (b"{x\n" + b"x\n" * 9_900_000, "more than 100,000 rows"),
    "comments": (b"# x\n" * 4_900_000, "more than 100,000 rows"),
    "short rows": (b"a\n" * 9_900_000, "more than 100,000 rows"),
    "numbers": (b"[" + b"1," * 9_900_000 + b"1]", "more than 100,000 rows"),
    "brackets": (b"[" * 19_900_000, "more than 1,000,000 lists and objects"),
    "lists, a line": (b'{"a":[' + b"[]," * 6_000_000 + b"1]}", "more than 1,000,000 lists and objects"),
    "blanks in an object": (b'{"a":' + b" " * 19_900_000, "line 1: no JSON"),
    "quotes": (b'"' * 19_900_000, "The data has no rows"),
    "commas": (b"," * 19_900_000, "The data has no rows"),
}


def written(case: Case, folder: Path) -> Path:
    path = folder / case.name
    path.write_bytes(case.content)
    return path


def is_one_sentence(message: str) -> bool:
    return "\n" not in message and len(message) < 500 and message[-1] in ".?" and "Traceback" not in message


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_bad_data_is_refused_with_a_sentence_or_repaired_by_count(case: Case, tmp_path: Path) -> None:
    path = written(case, tmp_path)
    if isinstance(case.result, Refused):
        with pytest.raises(InvalidRecipe) as caught:
            to_examples(read_table(path), {}, case.task_type)
        assert case.result.sentence in caught.value.message
        assert caught.value.field == case.result.field
        assert is_one_sentence(caught.value.message)
        return
    examples = to_examples(read_table(path), {}, case.task_type)
    assert [dict(row) for row in examples.rows] == case.result.rows
    assert examples.dropped == case.result.dropped
    assert bool(examples.problems) == bool(case.result.dropped)
    if case.result.dropped:
        assert examples.problems[0].startswith(case.result.reason)


@pytest.mark.parametrize(("content", "sentence"), FLOODS.values(), ids=FLOODS)
def test_the_costliest_data_is_refused_soon(content: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_bytes(content)
    begun = time.monotonic()
    with pytest.raises(InvalidRecipe, match=sentence):
        read_table(tmp_path / "data.csv")
    assert time.monotonic() - begun < SECONDS


def test_as_many_lists_as_are_allowed_fit_into_memory(tmp_path: Path) -> None:
    nested = b'{"a":[' + b"[]," * 900_000 + b"1]}\n"
    (tmp_path / "data.jsonl").write_bytes(nested)
    tracemalloc.start()
    try:
        read_table(tmp_path / "data.jsonl")
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "large.csv").open("wb").truncate(file_text.MAX_BYTES + 1)
    for name, sentence in {
        "": "not there any more; choose it again",
        "missing.csv": "not there any more; choose it again",
        "large.csv": "the limit is 20 MB",
        "x" * 5_000: "cannot be opened; choose it again",
    }.items():
        with pytest.raises(InvalidRecipe, match=sentence) as caught:
            read_table(tmp_path / name)
        assert caught.value.field == "data"


@pytest.fixture(scope="module")
def service(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdapterService]:
    with LoopbackHub() as hub:
        catalogue.add_real_repos(hub, tiny_models)
        home = tmp_path_factory.mktemp("home")
        service = AdapterService.start(Settings(home=home, hub_endpoint=hub.endpoint))
        yield service
        service.close()


def test_a_text_file_of_blank_lines_is_read_soon(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_bytes(b"\n" * 19_900_000 + b"a")
    begun = time.monotonic()
    assert read_table(tmp_path / "book.txt").rows == ({"text": "a"},)
    assert time.monotonic() - begun < SECONDS


def test_one_service_lives_through_all_of_them(service: AdapterService, tmp_path: Path) -> None:
    """Of the repaired ones, the first of a kind is checked, which starts a process that counts its tokens."""
    recipe = {"base_model": "tiny-org/tiny-llama", "precision": "fp32"}
    (tmp_path / "good.csv").write_text(TABLE)
    checked = set()
    for name, case in CASES.items():
        path = written(case, tmp_path)
        fitting = {**recipe, "task_type": case.task_type}
        if isinstance(case.result, Refused):
            with pytest.raises(InvalidRecipe) as caught:
                service.check_finetune(fitting, path)
            assert case.result.sentence in caught.value.message, name
        else:
            assert service.row_facts(fitting, path).count == len(case.result.rows), name
            kind = (case.task_type, case.result.dropped > 0)
            if kind in checked:
                continue
            checked.add(kind)
            found = service.check_finetune(fitting, path)
            assert found.rows == len(case.result.rows), name
            left_out = f"Rows left out: {case.result.dropped}; the first: {case.result.reason}"
            assert any(warning.startswith(left_out) for warning in found.warnings) == (
                case.result.dropped > 0
            ), name
    assert service.check_finetune(recipe, tmp_path / "good.csv").rows == 2
