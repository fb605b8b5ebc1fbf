from __future__ import annotations

from datetime import UTC, datetime

import pytest

from adapter_ui.ui import format


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "–"),
        (0, "0 B"),
        (812, "812 B"),
        (1_848_872, "1.8 MB"),
        (269_060_552, "269 MB"),
        (999_960_000, "1.0 GB"),
        (16_060_556_616, "16.1 GB"),
    ],
)
def test_size(count: int | None, text: str) -> None:
    assert format.size(count) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "–"),
        (0, "0"),
        (940, "940"),
        (999, "999"),
        (1_204, "1.2k"),
        (9_960, "10k"),
        (48_211, "48k"),
        (1_761_332, "1.8M"),
        (2e9, "2B"),
    ],
)
def test_count(number: float | None, text: str) -> None:
    assert format.count(number) == text


def test_share_keeps_the_digits_that_matter() -> None:
    assert [format.share(ratio) for ratio in (None, 0, 0.00001, 0.0034, 0.048, 0.62)] == [
        "–",
        "0.00 %",
        "< 0.01 %",
        "0.34 %",
        "4.8 %",
        "62 %",
    ]


def test_day_is_a_distance_while_it_is_near() -> None:
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    days = (
        "2026-11-23T09:00:00Z",
        "2026-11-20T09:00:00Z",
        "2026-10-14T09:12:00Z",
        "2025-10-01T00:00:00Z",
        "no date",
        None,
    )
    assert [format.day(day, now) for day in days] == ["today", "3 d ago", "5 wk ago", "Oct 2025", "–", "–"]


def test_duration_has_two_units_at_most() -> None:
    lengths = (None, 0.0, 0.037, 0.0951, 0.41, 12.2, 59.7, 200, 3600, 7_530)
    assert [format.duration(seconds) for seconds in lengths] == [
        "–",
        "1 ms",
        "37 ms",
        "0.1 s",
        "0.4 s",
        "12 s",
        "1 min",
        "3 min 20 s",
        "1 h 0 min",
        "2 h 5 min",
    ]


def test_parameters_and_names() -> None:
    assert [format.parameters(number) for number in (None, 576, 460_800, 134_515_008, 8_030_261_248)] == [
        "–",
        "576",
        "460.8k",
        "134.5M",
        "8.0B",
    ]
    assert format.short_name("org/name") == ("org", "name")
    assert format.short_name("gpt2") == ("", "gpt2")
    assert (format.plural(1, "row"), format.plural(1_200, "row")) == ("1 row", "1,200 rows")
