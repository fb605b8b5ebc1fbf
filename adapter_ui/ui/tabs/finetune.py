"""The Fine-tune tab: data, recipe, check and run as four steps that can be revisited, beside all runs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from adapter_ui.domain import RunState, RunStatus
from adapter_ui.service import AdapterService
from adapter_ui.training.defaults import RowFacts
from adapter_ui.training.methods import METHODS
from adapter_ui.ui.errors import shown_to_user
from adapter_ui.ui.page import CHECK, EACH, INSTANT, LOOK_UP, SETS_STATE, Page, html
from adapter_ui.ui.tuning.check import NOT_CHECKED
from adapter_ui.ui.tuning.checking import check_events
from adapter_ui.ui.tuning.data import (
    FORMS,
    SLOTS,
    Shown,
    columns_of,
    data_step,
    refuse_unsure_columns,
    source_of,
)
from adapter_ui.ui.tuning.defaults import default_events
from adapter_ui.ui.tuning.drafts import draft_events
from adapter_ui.ui.tuning.notes import NotesForm, form_shown, notes_events, notes_form
from adapter_ui.ui.tuning.outgoing_panel import (
    LastMerge,
    OutgoingPanel,
    outgoing_events,
    outgoing_panel,
    panel_shown,
    results_shown,
)
from adapter_ui.ui.tuning.recipe import recipe_of, recipe_step
from adapter_ui.ui.tuning.run import NO_RUN, NO_RUNS, run_view, runs_list
from adapter_ui.ui.tuning.take_away import (
    launch_command,
    take_away_buttons,
    take_away_events,
    take_away_shown,
)
from adapter_ui.ui.tuning.targets import target_events
from adapter_ui.ui.tuning.tokens import token_events
from adapter_ui.ui.tuning.wording import has_wording, without_wording, wording_events

TICK_SECONDS = 2.0
STOP, LEAVE = "Stop and keep the adapter so far", "Leave the queue"
WATCH_RUNS = "adapterUI.runs(element, (run) => trigger('pick', {run}))"

KEEP_SAMPLE = "adapterUI.samples(element, watch)"


@dataclass(frozen=True)
class RunWidgets:
    """The run in view, what can be done with it, and the list of all runs beside it."""

    view: gr.HTML
    pause: gr.Button
    stop: gr.Button
    resume: gr.Button
    try_it: gr.Button
    browse: gr.Button
    take_away: dict[str, gr.Button]
    command: gr.HTML
    outgoing: OutgoingPanel
    notes: NotesForm
    runs: gr.HTML


def finetune_tab(service: AdapterService, page: Page) -> None:
    with gr.Row(equal_height=False, elem_id="finetune"):
        with gr.Column(scale=16, min_width=320, elem_id="steps-column"), gr.Tabs(elem_id="steps") as steps:
            with gr.Tab("1  Data", id="data"):
                data, to_recipe = data_step(service)
            with gr.Tab("2  Recipe", id="recipe") as recipe_tab:
                fields, targets, wording, to_check = recipe_step(page)
            with gr.Tab("3  Check", id="check") as check_tab:
                report = html(NOT_CHECKED, elem_id="check-report")
                start = gr.Button(
                    "Start fine-tuning", variant="primary", interactive=False, elem_id="start-run"
                )
            with gr.Tab("4  Run", id="run"):
                in_view = run_in_view()
        with gr.Column(scale=6, min_width=260, elem_id="runs-column"):
            html('<h3 class="side-title">Runs</h3>')
            runs = html(NO_RUNS, elem_id="runs", js_on_load=WATCH_RUNS)
    names, job = list(fields), [*data.inputs, *fields.values()]
    draft_events(page, data, fields)
    for button, step in ((to_recipe, "recipe"), (to_check, "check")):
        button.click(partial(gr.Tabs, selected=step), None, steps, **INSTANT)
    token_events(service, data, partial(job_of, names), job, fields, wording)
    wording_events(wording, data.form)
    deciding = [data.form, *fields.values()]  # not the rows, which may be long
    asked, rows = (partial(recipe_alone, names), deciding, fields), gr.State(RowFacts())
    target_events(service, *asked, targets, rows, recipe_tab.select)
    default_events(service, partial(job_of, names), job, *asked, rows, recipe_tab.select)
    timing = check_events(service, partial(job_of, names), job, check_tab, report, start)
    chosen, starting = gr.State(""), {"show_progress": "minimal", **CHECK}
    begun = start.click(
        partial(begin, service, names), job, [chosen, steps, start], cancels=[timing], **starting
    )
    run_events(service, page, steps, RunWidgets(*in_view, runs), chosen, begun)
    page.load(partial(first_step, service), None, steps, **INSTANT)


def run_in_view() -> tuple[Any, ...]:
    """The widgets of a run, in the order of RunWidgets."""
    view = html(NO_RUN, elem_id="run-view", js_on_load=KEEP_SAMPLE)
    with gr.Row(elem_id="run-buttons"):
        pause = gr.Button("Pause", visible=False, elem_id="pause-run")
        stop = gr.Button(STOP, variant="stop", visible=False, elem_id="stop-run")
        resume = gr.Button("Resume", visible=False, elem_id="resume-run")
        try_it = gr.Button("Try it", variant="primary", visible=False, elem_id="run-try")
        browse = gr.Button("Show in Browse", visible=False, elem_id="run-browse")
        take_away = take_away_buttons()
    command = launch_command()
    return view, pause, stop, resume, try_it, browse, take_away, command, outgoing_panel(), notes_form()


def run_events(
    service: AdapterService, page: Page, steps: gr.Tabs, run: RunWidgets, chosen: gr.State, begun: Any
) -> None:
    """Keep the view and the list as the runs are. The run that was `chosen` last is drawn at once; what is
    clicked beside it means the run that is drawn.
    """
    drawn, seen = gr.State(""), gr.State(())
    buttons = [run.pause, run.stop, run.resume, run.try_it, run.browse, *run.take_away.values()]
    outgoing = [run.outgoing.panel, *run.outgoing.results]
    shown_with_it = [run.command, *outgoing, run.notes.form, *run.notes.fields]
    outputs = [run.runs, run.view, *buttons, *shown_with_it, drawn, seen]
    refresh = (partial(refreshed, service), [chosen, run.outgoing.last, drawn, seen], outputs)

    def choose(event: gr.EventData) -> tuple[str, gr.Tabs]:
        return str(event.run), gr.Tabs(selected="run")

    now = {"trigger_mode": "always_last", **INSTANT}
    begun.success(*refresh, **now)
    run.runs.pick(choose, None, [chosen, steps], **INSTANT, **EACH).then(*refresh, **now)
    quiet = {"show_progress": "hidden", **LOOK_UP}
    for button, act in ((run.pause, pause_run), (run.stop, stop_run), (run.resume, resume_run)):
        button.click(partial(act, service), drawn, None, **quiet).then(*refresh, **now)
    gr.Timer(TICK_SECONDS).tick(*refresh, **INSTANT)
    for button, tab in ((run.try_it, "generate"), (run.browse, "browse")):
        button.click(partial(open_run, tab), drawn, [page.asked, page.tabs], **SETS_STATE)
    take_away_events(service, run.take_away, drawn)
    outgoing_events(service, run.outgoing, drawn)
    notes_events(service, run.notes, drawn)


def first_step(service: AdapterService) -> Any:
    """A page that is opened while a run is going shows the run."""
    with shown_to_user():
        going = any(not run.state.ended for run in service.runs())
        return gr.Tabs(selected="run") if going else gr.skip()


def job_of(names: list[str], values: tuple[Any, ...]) -> tuple[dict[str, Any], Any]:
    """The recipe and the data from the values of the job's components. Raises InvalidRecipe (see
    `refuse_unsure_columns`).
    """
    text, file, form, shown, *rest = values
    chosen, fields = tuple(rest[:SLOTS]), list(rest[SLOTS:])
    refuse_unsure_columns(Shown.of(text, file, form), shown, chosen)
    recipe = recipe_of(names, fields, FORMS[form][0], columns_of(form, chosen))
    return recipe if has_wording(form) else without_wording(recipe), source_of(text, file)


def recipe_alone(names: list[str], values: tuple[Any, ...]) -> dict[str, Any]:
    """The recipe without columns, for what does not depend on the rows."""
    form, *fields = values
    recipe = recipe_of(names, fields, FORMS[form][0], {})
    return recipe if has_wording(form) else without_wording(recipe)


def begin(service: AdapterService, names: list[str], *values: Any) -> tuple[str, gr.Tabs, gr.Button]:
    """Start a run; the button rests until the next check, so that a second click starts no second run."""
    with shown_to_user():
        run_id = service.finetune(*job_of(names, values))
        return run_id, gr.Tabs(selected="run"), gr.Button(interactive=False)


def refreshed(
    service: AdapterService, chosen: str, last: LastMerge, drawn: str, seen: tuple[Any, ...]
) -> list[Any]:
    """The list and the run in view: the `chosen` one; without a choice the one that is `drawn` stays. Nothing
    at all when nothing has moved since the page last looked.
    """
    with shown_to_user():
        every = service.runs()
        wanted, looks = chosen or drawn, tuple(map(look_of, every))
        if seen[:2] == (wanted, looks):
            return [gr.skip()] * 24
        current = next((run for run in every if run.run_id == wanted), None) or live(every)
        run_id = current.run_id if current else ""
        texts = (current.name, current.notes) if current else ()
        return [
            runs_list(every, run_id),
            run_view(current) if current else NO_RUN,
            *buttons(current),
            *results_shown(run_id, last, anew=run_id != drawn),
            *form_shown(current, anew=(run_id, *texts) != (drawn, *seen[2:])),
            run_id,
            (wanted, looks, *texts),
        ]


def look_of(run: RunStatus) -> tuple[Any, ...]:
    """What tells that a run has to be drawn anew."""
    written = run.name, run.notes, run.message
    answered = sum(len(sample.answers) for sample in run.samples)
    return run.run_id, run.state.value, run.place, run.step, answered, run.adapter, run.adapter_step, *written


def live(runs: tuple[RunStatus, ...]) -> RunStatus | None:
    """The newest run that is not over: what a page that was just opened shows."""
    return next((run for run in runs if not run.state.ended), runs[0] if runs else None)


def buttons(run: RunStatus | None) -> list[gr.Button | gr.Accordion]:
    going = run is not None and not run.state.ended
    usable = run is not None and run.adapter is not None
    waiting = run is not None and run.state is RunState.QUEUED
    return [
        gr.Button(visible=pausable(run)),
        gr.Button(LEAVE if waiting else STOP, visible=going),
        gr.Button(resume_label(run), visible=run is not None and run.resumable),
        gr.Button(visible=usable),
        gr.Button(visible=usable),
        *take_away_shown(run),
        panel_shown(run),
    ]


def pausable(run: RunStatus | None) -> bool:
    """Whether it trains, with a method that can go on from a checkpoint."""
    if run is None or run.state is not RunState.RUNNING:
        return False
    method = METHODS.get(str(run.recipe.get("method", "LORA")))
    return method is not None and method.resumable


def resume_label(run: RunStatus | None) -> str:
    step = run.checkpoint_step if run else None
    return f"Resume from step {step:,}" if step else "Start again"


def pause_run(service: AdapterService, shown: str) -> None:
    with shown_to_user():
        service.pause_run(shown)


def stop_run(service: AdapterService, shown: str) -> None:
    with shown_to_user():
        service.stop_run(shown)


def resume_run(service: AdapterService, shown: str) -> None:
    with shown_to_user():
        service.resume_run(shown)


def open_run(tab: str, shown: str) -> tuple[str, gr.Tabs]:
    return f"run:{shown}", gr.Tabs(selected=tab)
