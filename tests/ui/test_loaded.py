"""What is in memory, in the bar and in the library: a base and precision once, in however many classes."""

from __future__ import annotations

from adapter_ui.domain import Agreement, ComparedRow, LoadedBase, Precision
from adapter_ui.ui.bar import loaded_chip
from adapter_ui.ui.comparison.rows import figure_row
from adapter_ui.ui.tabs.library import loaded_rows
from tests.ui.fake_service import FakeService

MB = 1_000_000
CLASSIFIER = LoadedBase(
    "org/bert", Precision.BF16, "BertForSequenceClassification", "SEQ_CLS", "cpu", MB, ("a/b",)
)
ENCODER = LoadedBase(
    "org/bert", Precision.BF16, "BertModel", "FEATURE_EXTRACTION", "cpu", 2 * MB, ("a/c", "a/d")
)
WHOLE = LoadedBase("org/bert", Precision.FP32, "BertModel", None, "cpu", 4 * MB)


def test_copies_of_a_base_are_one_chip_with_all_their_adapters() -> None:
    chips = loaded_chip((CLASSIFIER, ENCODER, WHOLE))
    assert chips.count("chip-quiet") == 2
    assert "bert · bf16 · 3 adapters" in chips
    assert 'title="org/bert on cpu: a/b, a/c, a/d"' in chips
    assert "bert · fp32</span>" in chips


def test_copies_of_a_base_are_one_row_since_they_are_unloaded_together() -> None:
    rows = loaded_rows((CLASSIFIER, ENCODER, WHOLE))
    assert rows.count("library-row") == rows.count('data-act="unload"') == 2
    assert "BertForSequenceClassification: a/b · BertModel: a/c, a/d" in rows
    assert "BertModel: no adapters on it" in rows
    assert "3.0 MB" in rows


def test_figures_that_read_the_same_are_not_marked_as_different() -> None:
    found = FakeService().side_by_side(["starter:pirate", "starter:formal"])
    one, other = (compared.ref for compared in found.adapters)
    alike = ComparedRow("size_bytes", {one: 1_900_001, other: 1_900_002}, Agreement.DIFFERS)
    assert figure_row(alike, found).startswith('<tr class="side-same">')
    apart = ComparedRow("size_bytes", {one: 1_900_001, other: 2_900_002}, Agreement.DIFFERS)
    assert figure_row(apart, found).startswith('<tr class="side-differs">')
    partly = ComparedRow("size_bytes", {one: 1_900_001}, Agreement.PARTLY)
    assert figure_row(partly, found).startswith('<tr class="side-partly">')
