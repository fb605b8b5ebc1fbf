"""The run in view, over the fake service: its figures, its samples, a pause and the queue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from adapter_ui.domain import RunState, RunStatus, Sample, SampleAnswer
from adapter_ui.ui.tuning.run import run_view, runs_list
from adapter_ui.ui.tuning.samples import samples_view
from tests.browser import fill_in
from tests.ui.served import served

RUNNING = RunStatus(
    "r1",
    RunState.RUNNING,
    step=2,
    total_steps=4,
    history=(
        {
            "step": 2,
            "loss": 1.5,
            "learning_rate": 2e-4,
            "grad_norm": 0.75,
            "tokens_per_second": 1234.0,
            "memory_bytes": 700_000_000,
        },
    ),
)
ANSWERS = tuple(SampleAnswer(step, f"answer {step}") for step in (0, 50, 100))
SAMPLE = Sample("Who?", "Anne", "answer 0", "answer 100", ANSWERS)


def test_every_figure_of_a_step_is_shown() -> None:
    page = run_view(RUNNING)
    for name, figure in (
        ("loss", "1.500"),
        ("learning rate", "0.0002"),
        ("gradient norm", "0.75"),
        ("tokens per second", "1,234"),
        ("memory", "700 MB"),
    ):
        assert f"<dd>{figure}</dd><dt>{name}</dt>" in page


def test_a_metric_of_some_rows_only_says_so() -> None:
    assert "of the first 32 of these rows" in run_view(replace(RUNNING, metrics_after={"rouge_l": 0.5}))
    assert "of the first" not in run_view(replace(RUNNING, metrics_after={"accuracy": 0.5}))


def test_a_place_in_the_queue_is_told_in_the_run_and_in_the_list() -> None:
    waiting = replace(RUNNING, state=RunState.QUEUED, step=0, history=(), place=2)
    assert "place 2 in the queue" in run_view(waiting)
    assert "next in the queue" in runs_list([replace(waiting, place=1)], "")


def test_the_strip_names_its_ends_and_starts_with_the_newest() -> None:
    strip = samples_view([SAMPLE])
    for name in ("Before", "Step 50", "After, step 100"):
        assert f">{name}</label>" in strip
    assert strip.count(" checked") == 1
    assert 'id="sample-step-100" checked' in strip
    assert strip.count('class="edge"') == 2
    unfinished = samples_view([replace(SAMPLE, after="", answers=ANSWERS[:2])])
    assert ">Step 50</label>" in unfinished
    assert "After" not in unfinished
    assert samples_view([]) == ""


@pytest.fixture
def address() -> Iterator[str]:
    with served(0.0) as url:
        yield url


def start(page: Page, address: str) -> None:
    page.goto(f"{address}/?tab=finetune")
    page.get_by_role("tab", name="1 Data").click()  # a page that is opened while a run is going shows the run
    page.locator("#data-example").click()
    expect(page.locator("#data-preview")).to_contain_text("30 rows")
    page.locator("#data-next").click()
    page.locator("#recipe-next").click()
    expect(page.locator("#check-report")).to_contain_text("Ready to start.")
    page.locator("#start-run").click()


@pytest.mark.slow
def test_a_run_is_paused_and_resumed_and_a_chosen_sample_stays_through_redrawing(
    page: Page, address: str
) -> None:
    start(page, address)
    samples = page.locator("#run-view .samples")
    expect(samples.locator("label", has_text="Step 32")).to_be_visible()
    samples.locator("label", has_text="Step 16").click()
    page.locator("#pause-run").click()
    view = page.locator("#run-view")
    expect(view).to_contain_text("its memory is free")
    expect(page.locator("#pause-run")).to_be_hidden()
    expect(page.locator("#stop-run")).to_be_hidden()
    page.locator("#resume-run", has_text="Resume from step").click()
    expect(samples.locator("label", has_text="After, step 48")).to_be_visible()
    expect(samples.locator(".sample:visible h4", has_text="Step 16")).to_have_count(1)
    samples.locator("label", has_text="After, step 48").click()
    expect(samples.locator(".sample:visible h4", has_text="After, step 48")).to_have_count(1)
    page.keyboard.press("ArrowLeft")
    expect(samples.locator(".sample:visible h4", has_text="Step 32")).to_have_count(1)


@pytest.mark.slow
def test_an_open_form_for_name_and_notes_follows_the_run_that_is_clicked(page: Page, address: str) -> None:
    start(page, address)
    rows = page.locator("#runs [data-run]")
    expect(rows).to_have_count(1)
    start(page, address)
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_have_attribute("aria-pressed", "true")  # what was started is in view
    page.locator("#run-notes > button").click()
    title, notes = (
        page.locator("#run-title").locator("input, textarea"),
        page.locator("#run-notes-text textarea"),
    )
    expect(title).not_to_have_value("")
    fill_in(title, "Pirates")
    fill_in(notes, "Loud.")
    page.locator("#save-notes").click()
    expect(rows.nth(0)).to_contain_text("Pirates")
    page.locator("#run-notes > button").click()
    expect(title).to_be_visible()
    rows.nth(1).click()
    expect(notes).to_have_value("")
    expect(title).not_to_have_value("Pirates")
    rows.nth(0).click()
    expect(title).to_have_value("Pirates")
    expect(notes).to_have_value("Loud.")
