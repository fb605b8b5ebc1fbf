"""What the page makes of a run's metrics, and of data that is questions on a text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapter_ui.domain import RunState, RunStatus
from adapter_ui.training.data import read_table
from adapter_ui.training.metrics import METRICS
from adapter_ui.ui.tuning.data import guess_form
from adapter_ui.ui.tuning.run import run_view

DONE = RunStatus(
    "r1",
    RunState.DONE,
    history=({"step": 4, "loss": 0.5, "eval_loss": 0.25, "eval_accuracy": 0.9},),
    metrics_before={"loss": 0.75, "accuracy": 0.5, "majority_accuracy": 0.53},
    metrics_after={"loss": 0.25, "accuracy": 0.9},
)


def test_metrics_stand_side_by_side_and_say_whether_they_are_better() -> None:
    page = run_view(DONE)
    assert (
        '<td>accuracy</td><td class="number">50.0%</td><td class="number">90.0%</td><td>better</td>' in page
    )
    assert '<td class="number">0.750</td><td class="number">0.250</td><td>better</td>' in page
    assert METRICS["majority_accuracy"].title in page
    assert "<dd>90.0%</dd><dt>accuracy</dt>" in page


def test_more_perplexity_and_less_accuracy_are_worse() -> None:
    for before, after in (({"perplexity": 3.0}, {"perplexity": 4.0}), ({"accuracy": 0.5}, {"accuracy": 0.4})):
        assert "<td>worse</td>" in run_view(replace(DONE, metrics_before=before, metrics_after=after))


def test_without_rows_held_back_there_is_no_table() -> None:
    assert "On the rows held back" not in run_view(replace(DONE, metrics_before={}, metrics_after={}))


FORMS = [
    ('[{"question": "Who?", "context": "Ann.", "answers": {"text": ["Ann"]}}]', "Question on a text"),
    ("question,context,answer,answer_start\nWho?,Ann.,Ann,0\n", "Question on a text"),
    ("question,context,answer\nWho?,Ann.,It is Ann.\n", "Prompt and answer"),
    ("input,target\nlong,short\n", "Prompt and answer"),
    ("text,label\nx,a\n", "Text and label"),
]


@pytest.mark.parametrize(("text", "form"), FORMS)
def test_the_form_of_a_row_is_guessed_from_its_columns(text: str, form: str) -> None:
    assert guess_form(read_table(text))[0] == form
