"""Small pieces of HTML that several parts of the page share. What goes into a template is escaped by `fill`.

They are given to `gr.HTML` through its plain `${value}` template. Its `{{…}}` templates are not used: they
escape HTML, but their output is then run as a JavaScript template literal, where `${…}` in a stranger's text
would be code.
"""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from adapter_ui.domain import Level, Progress
from adapter_ui.ui import format

ICONS = {
    Level.GOOD: '<path d="M3.5 8.5l3 3 6-7"/>',
    Level.INFO: '<path d="M8 7.2v4.3M8 4.6v.1"/>',
    Level.WARNING: '<path d="M8 4v5M8 11.4v.1"/>',
    Level.BLOCKER: '<path d="M4.5 4.5l7 7M11.5 4.5l-7 7"/>',
}
LEVEL_NAMES = {Level.GOOD: "Good", Level.INFO: "Note", Level.WARNING: "Warning", Level.BLOCKER: "Blocker"}
TASK_NAMES = {
    "CAUSAL_LM": "text",
    "SEQ_CLS": "classify",
    "TOKEN_CLS": "entities",
    "QUESTION_ANS": "answers",
    "FEATURE_EXTRACTION": "embed",
    "SEQ_2_SEQ_LM": "seq2seq",
}
"""Short names of PEFT's task types, for badges."""


def fill(template: str, **values: object) -> Markup:
    """The template with every value escaped, unless it is Markup already."""
    return Markup(template).format(**values)


def join(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)


def badge(text: str, kind: str = "plain", title: str = "") -> Markup:
    return fill(
        '<span class="badge badge-{kind}" title="{title}">{text}</span>', kind=kind, text=text, title=title
    )


def icon(level: Level) -> Markup:
    return fill(
        '<svg class="icon icon-{level}" viewBox="0 0 16 16" role="img" aria-label="{name}">{path}</svg>',
        level=level.value,
        name=LEVEL_NAMES[level],
        path=Markup(ICONS[level]),
    )


def notice(text: str, level: Level = Level.WARNING) -> Markup:
    return fill(
        '<div class="notice notice-{level}" role="status">{icon}<span>{text}</span></div>',
        level=level.value,
        icon=icon(level),
        text=text,
    )


def empty(title: str, hint: str) -> Markup:
    return fill(
        '<div class="empty"><p class="empty-title">{title}</p><p>{hint}</p></div>', title=title, hint=hint
    )


def meter(share: float, label: str, kind: str = "plain") -> Markup:
    """A bar that is `share` of one full; `label` is what a screen reader says."""
    percent = f"{max(0.0, min(1.0, share)) * 100:.2f}"
    return fill(
        '<span class="meter meter-{kind}" role="img" aria-label="{label}"><span '
        'style="width:{percent}%"></span></span>',
        percent=percent,
        label=label,
        kind=kind,
    )


def progress(step: Progress) -> Markup:
    """One step of long work: a bar with its figure where the total is known, a moving one where not."""
    known = step.done is not None and bool(step.total)
    figure = ""
    if known and step.unit == "bytes":
        figure = f"{format.size(step.done)} of {format.size(step.total)}"
    elif known:
        figure = f"{step.done:,} of {step.total:,} {step.unit}"
    bar = meter(
        (step.done or 0) / step.total if known else 1.0,
        figure or step.message,
        "progress" if known else "moving",
    )
    return fill(
        '<div class="step" role="status"><div class="step-line"><span>{message}</span><span '
        'class="figure">{figure}</span></div>{bar}</div>',
        message=step.message,
        figure=figure,
        bar=bar,
    )


def at_rest(shown: str, stopped: Markup) -> str:
    """What stays of `shown` when its work is over: a step of it says that it goes on, and nothing does."""
    return stopped if '<div class="step"' in shown else shown


def stats(pairs: Iterable[tuple[str, str]]) -> Markup:
    """Figures with their names under them, in one row that wraps."""
    cells = join(
        fill("<div><dd>{value}</dd><dt>{name}</dt></div>", name=name, value=value) for name, value in pairs
    )
    return fill('<dl class="stats">{cells}</dl>', cells=cells)


def table(
    headers: Iterable[str], rows: Iterable[Iterable[object]], *, numbers: Iterable[int] = (), kind: str = ""
) -> Markup:
    """A plain table; the columns in `numbers` stand to the right."""
    right = set(numbers)

    def line(tag: str, cells: Iterable[object]) -> Markup:
        return join(
            fill(
                "<{tag}{style}>{cell}</{tag}>",
                tag=Markup(tag),
                style=Markup(' class="number"' if at in right else ""),
                cell=cell,
            )
            for at, cell in enumerate(cells)
        )

    body = join(fill("<tr>{cells}</tr>", cells=line("td", row)) for row in rows)
    return fill(
        '<div class="table-scroll"><table class="plain-table {kind}"><thead><tr>{head}</tr></thead>'
        "<tbody>{body}</tbody></table></div>",
        head=line("th", headers),
        body=body,
        kind=kind,
    )
