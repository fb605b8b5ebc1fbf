"""Step 4: a run as it moves, and the list of all runs. Only reads: a reload changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from markupsafe import Markup

from adapter_ui.domain import Level, RunStatus
from adapter_ui.training.metrics import METRICS, partly
from adapter_ui.training.overfitting import overfitting
from adapter_ui.ui import format
from adapter_ui.ui.markup import badge, empty, fill, join, meter, notice, stats, table
from adapter_ui.ui.plots import loss_plot
from adapter_ui.ui.run_states import STATE_BADGES
from adapter_ui.ui.tuning.samples import samples_view

NO_RUN = empty("No run yet", "Start one from the check, or choose one from the list.")
MEASURED: Mapping[str, tuple[str, Callable[[float], str]]] = {
    # what a step is logged with besides its loss: its name on the page, and how its value is written
    "learning_rate": ("learning rate", lambda rate: f"{rate:.2g}"),
    "grad_norm": ("gradient norm", lambda norm: f"{norm:.3g}"),
    "tokens_per_second": ("tokens per second", lambda speed: f"{speed:,.0f}"),
    "memory_bytes": ("memory", lambda held: format.size(int(held))),
}
NO_RUNS = Markup('<p class="hint">No runs yet.</p>')


def run_view(status: RunStatus) -> Markup:
    """Progress, figures, loss, metrics and samples of one run."""
    return fill(
        '<article class="run">{head}{progress}{figures}{plot}{turned}{metrics}{samples}</article>',
        head=run_head(status),
        progress=run_progress(status),
        figures=run_figures(status),
        plot=loss_plot(status.history, status.total_steps),
        turned=notice(turned) if (turned := overfitting(status.history)) else "",
        metrics=metrics_view(status),
        samples=samples_view(status.samples),
    )


def run_head(status: RunStatus) -> Markup:
    problem = notice(status.error, Level.BLOCKER) if status.error else Markup("")
    older = notice(saved, Level.INFO) if (saved := adapter_of(status)) else Markup("")
    return fill(
        '<header><h3>{name}</h3><p class="hint">on {base} · {message}</p>{problem}{older}{notes}</header>',
        name=status.name or status.run_id,
        base=format.short_name(status.base_model)[1] or status.recipe.get("adapter", ""),
        message=status.message or status.state.value,
        problem=problem,
        older=older,
        notes=fill('<p class="run-notes">{notes}</p>', notes=status.notes) if status.notes else "",
    )


def adapter_of(status: RunStatus) -> str:
    """After which step the adapter was saved, where the run has come to another since."""
    if status.adapter is None or status.adapter_step in (None, status.step):
        return ""
    return f"The adapter is that of step {status.adapter_step:,}."


def run_progress(status: RunStatus) -> Markup:
    if status.state.ended:
        return Markup("")
    total = status.total_steps
    left = f"about {format.duration(status.eta_seconds)} left" if (status.eta_seconds or 0) >= 1 else ""
    if status.place is not None:
        left = queue_place(status.place)
    text = f"step {status.step:,} of {total:,}" if total else status.message or status.state.value
    bar = meter(
        status.step / total if total else 1.0, text, "progress" if total and status.step else "moving"
    )
    return fill(
        '<div class="step"><div class="step-line"><span>{text}</span><span class="figure">'
        "{left}</span></div>{bar}</div>",
        text=text,
        left=left,
        bar=bar,
    )


def queue_place(place: int) -> str:
    return "next in the queue" if place == 1 else f"place {place} in the queue"


def run_figures(status: RunStatus) -> Markup:
    latest: dict[str, float] = {}
    for row in status.history:
        latest.update(row)
    pairs = [
        ("state", status.state.value),
        ("step", f"{status.step:,} of {status.total_steps:,}" if status.total_steps else format.UNKNOWN),
    ]
    if "loss" in latest:
        pairs.append(("loss", f"{latest['loss']:.3f}"))
    pairs += [
        (metric.title, figure(name, latest[f"eval_{name}"]))
        for name, metric in METRICS.items()
        if f"eval_{name}" in latest
    ]
    pairs += [(title, written(latest[name])) for name, (title, written) in MEASURED.items() if name in latest]
    if status.seconds is not None:
        pairs.append(("time", format.duration(status.seconds)))
    return stats(pairs)


def metrics_view(status: RunStatus) -> Markup:
    """The metrics on the rows held back, before and after the training side by side."""
    before, after = status.metrics_before, status.metrics_after
    rows = [
        (METRICS[name].title, cell(name, before), cell(name, after), change(name, before, after))
        for name in METRICS
        if name in before or name in after
    ]
    if not rows:
        return Markup("")
    headers = ("On the rows held back", "Before", "After", "")
    return fill(
        '<section class="metrics" aria-label="Metrics">{table}{notes}</section>',
        table=table(headers, rows, numbers=(1, 2)),
        notes=join(fill('<p class="hint">{note}</p>', note=note) for note in partly(before, after)),
    )


def cell(name: str, metrics: Mapping[str, float]) -> str:
    return figure(name, metrics[name]) if name in metrics else format.UNKNOWN


def figure(name: str, value: float) -> str:
    """Losses and perplexities as they are, shares in percent."""
    return f"{value:,.3f}" if METRICS[name].less_is_better else f"{value:.1%}"


def change(name: str, before: Mapping[str, float], after: Mapping[str, float]) -> str:
    if name not in before or name not in after or before[name] == after[name]:
        return ""
    return "better" if (after[name] < before[name]) == METRICS[name].less_is_better else "worse"


def runs_list(runs: Iterable[RunStatus], shown: str) -> Markup:
    """All runs as buttons, newest first; the one in view is marked."""
    rows = join(
        fill(
            '<button type="button" class="run-row" data-run="{run_id}" aria-pressed="{pressed}"><span '
            'class="name">{name}</span>'
            '{badge}<span class="below">{detail}</span>{bar}</button>',
            run_id=run.run_id,
            pressed="true" if run.run_id == shown else "false",
            name=run.name or run.run_id,
            badge=badge(run.state.value, STATE_BADGES[run.state]),
            detail=" · ".join(filter(None, row_details(run))),
            bar=meter(run.step / run.total_steps, f"step {run.step}", "progress")
            if run.total_steps and not run.state.ended
            else "",
        )
        for run in runs
    )
    return fill('<nav class="runs" aria-label="Runs">{rows}</nav>', rows=rows) if rows else NO_RUNS


def row_details(run: RunStatus) -> tuple[str, ...]:
    place = queue_place(run.place) if run.place is not None else ""
    return format.short_name(run.base_model)[1], format.day(run.created), place
