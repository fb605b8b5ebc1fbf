"""A stranger's text on the page: names, configs, cards and answers must stay text."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from adapter_ui.domain import (
    AdapterSummary,
    Entity,
    LabelScore,
    Prediction,
    RunState,
    RunStatus,
    Sample,
    SampleAnswer,
    Table,
)
from adapter_ui.ui import plots
from adapter_ui.ui.browsing.results_table import results_table
from adapter_ui.ui.card import render_card
from adapter_ui.ui.generating.prediction import shown
from adapter_ui.ui.tuning.data import preview_of
from adapter_ui.ui.tuning.run import run_view, runs_list
from tests.ui.fake_data import CARD, HOSTILE, ROWS

HARMLESS = {"href", "class", "target", "rel", "title", "style"}


class Elements(HTMLParser):
    """Collects what a browser would make of some markup."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


def hostile_row() -> AdapterSummary:
    return next(row for row in ROWS if row.title == HOSTILE)


def hostile_run() -> RunStatus:
    return RunStatus(
        "r1",
        RunState.FAILED,
        HOSTILE,
        HOSTILE,
        HOSTILE,
        samples=(Sample(HOSTILE, HOSTILE, HOSTILE, HOSTILE, (SampleAnswer(2, HOSTILE),)),),
        error=HOSTILE,
    )


def everything_hostile() -> dict[str, str]:
    rows = Table((HOSTILE,), ({HOSTILE: HOSTILE},), (HOSTILE,), ("line 2",), 1)
    answer = Prediction("SEQ_CLS", labels=(LabelScore(HOSTILE, 0.5),))
    entity = Prediction("TOKEN_CLS", entities=(Entity(HOSTILE[:9], HOSTILE, 0, 9, 0.5),))
    return {
        "table": results_table([hostile_row()], {str(hostile_row().ref)}),
        "labels": shown(answer, HOSTILE, ""),
        "entities": shown(entity, HOSTILE, ""),
        "data": preview_of(rows),
        "run": run_view(hostile_run()),
        "runs": runs_list([hostile_run()], "r1"),
        "card": render_card(HOSTILE),
    }


@pytest.mark.parametrize(("name", "markup"), everything_hostile().items())
def test_hostile_text_makes_no_element_and_no_handler(name: str, markup: str) -> None:
    elements = Elements(markup)
    assert not {"img", "script", "iframe", "form", "object"} & elements.tags
    assert not [attribute for attribute, _ in elements.attributes if attribute.startswith("on")]


def test_a_card_keeps_its_text_and_loses_what_could_act() -> None:
    card = render_card(CARD)
    elements = Elements(card)
    assert "<strong>Trained on 3,000 rows</strong>" in card
    assert {"table", "pre", "h1"} <= elements.tags
    assert not {"img", "form", "input", "div", "script"} & elements.tags
    links = [value for name, value in elements.attributes if name == "href"]
    assert links == ["https://example.com/data"]
    assert "logo" in card


def test_a_card_does_not_reach_out_by_reference_links_or_autolinks() -> None:
    card = render_card("[x][1] <javascript:alert(1)> ![y][1]\n\n[1]: data:text/html,hack")
    assert "data:" not in "".join(value for _, value in Elements(card).attributes)
    assert not [
        value for name, value in Elements(card).attributes if name == "href" and not value.startswith("http")
    ]


def test_unknown_details_are_on_their_way_until_the_row_is_complete() -> None:
    row = ROWS[0]
    assert 'class="awaited"' in results_table([row], reading=True)
    assert 'class="awaited"' not in results_table([row])
    assert 'class="awaited"' not in results_table([replace(row, complete=True)], reading=True)


def test_a_loss_plot_takes_a_flat_line_one_point_and_nothing() -> None:
    assert "polyline" not in plots.loss_plot([], 10)
    for history in ([{"step": 1, "loss": 2.0}], [{"step": at, "loss": 0.0} for at in range(1, 5)]):
        assert 'class="plot-mean"' in plots.loss_plot(history, 10)


def test_a_loss_plot_leaves_out_what_is_not_finite_and_shows_validation() -> None:
    plot = plots.loss_plot(
        [{"step": 1, "loss": 2.0}, {"step": 2, "loss": float("nan")}, {"step": 3, "eval_loss": 1.5}], 3
    )
    assert "nan" not in plot
    assert "validation at step 3: 1.5" in plot
    assert 'aria-label="training loss, now 2.000, validation loss, now 1.500"' in plot
    assert "validation loss" in plot


def test_a_loss_plot_explains_the_lines_that_it_has() -> None:
    plot = plots.loss_plot([{"step": 1, "loss": 2.0}], 3)
    assert "training loss" in plot
    assert "validation loss" not in plot


def test_smoothing_starts_on_the_line() -> None:
    assert plots.smoothed([(1, 3.0), (2, 3.0)])[0] == pytest.approx((1, 3.0))
