"""A comparison as HTML: one column an adapter, one row a fact, and what can share a base above them."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from adapter_ui.domain import AdapterRef, ComparedAdapter, Level, SideBySide, Source, Verdict
from adapter_ui.ui import format
from adapter_ui.ui.comparison.rows import config_row, figure_row, findings_rows, module_row
from adapter_ui.ui.comparison.text import as_markdown
from adapter_ui.ui.markup import fill, icon, join, notice

MOST_ROWS = 200
VERDICTS = {True: (Level.GOOD, "yes"), False: (Level.WARNING, "no"), None: (Level.INFO, "not known")}
SKELETON = Markup(
    '<div class="skeleton" role="status" aria-label="Reading the adapters"><i></i><i></i><i></i></div>'
)


def comparison_view(found: SideBySide) -> Markup:
    """The whole comparison; what is alike in all is marked so that a checkbox can hide it."""
    refs = [one.ref for one in found.adapters]
    parts = (
        section("Sizes and figures", refs, [figure_row(row, found) for row in found.figures]),
        section("Findings", refs, findings_rows(found)),
        section("Config", refs, [config_row(row, found) for row in found.config]),
        section("Modules", refs, [module_row(group, refs) for group in found.modules]),
    )
    body = fill(
        '<ul class="side-verdicts">{base}{batch}</ul>'
        '<div class="side-scroll" tabindex="0" role="region" aria-label="Comparison">'
        '<table class="side-table" style="--columns:{count}">'
        "<thead><tr><td></td>{heads}</tr></thead>{parts}</table></div>",
        base=verdict("One base in memory", found.one_base),
        batch=verdict("One batch", found.one_batch),
        count=len(refs),
        heads=join(column_head(one) for one in found.adapters),
        parts=join(parts),
    )
    return frame(refs, body, as_markdown(found, MOST_ROWS))


def waiting_view(refs: Sequence[str]) -> Markup:
    return frame(refs, SKELETON)


def failed_view() -> Markup:
    return frame((), notice("These adapters could not be compared; go back and choose two to four others."))


def frame(refs: Sequence[AdapterRef] | Sequence[str], body: Markup, markdown: str = "") -> Markup:
    """What stands around a comparison in every state: the way back, the title, what can be done with it."""
    tools = (
        fill(
            '<label class="side-only"><input type="checkbox" class="side-toggle"> Only differences</label>'
            '<button type="button" class="copy" data-copy="markdown" data-text="{markdown}">'
            "Copy as Markdown</button>",
            markdown=markdown,
        )
        if markdown
        else ""
    )
    return fill(
        '<section class="side-view" aria-label="Side by side"><header class="side-head">'
        '<button type="button" class="copy side-back" data-action="side-close">← Back</button>'
        "<h2>{title}</h2>{tools}</header>{body}</section>",
        title=f"{format.plural(len(refs), 'adapter')} side by side" if refs else "Side by side",
        tools=tools,
        body=body,
    )


def verdict(question: str, answer: Verdict) -> Markup:
    level, word = VERDICTS[answer.possible]
    return fill(
        "<li>{icon}<span><b>{question}: {word}.</b> {reasons}</span></li>",
        icon=icon(level),
        question=question,
        word=word,
        reasons=" ".join(answer.reasons),
    )


def column_head(one: ComparedAdapter) -> Markup:
    owner, name = format.short_name(str(one.ref)) if one.ref.source is Source.HUB else ("", one.ref.name)
    buttons = join(
        fill(
            '<button type="button" class="copy" data-action="{action}" data-text="{ref}">{label}</button>',
            action=action,
            ref=str(one.ref),
            label=label,
        )
        for action, label in (("side-select", "Select"), ("side-remove", "Remove"))
    )
    return fill(
        '<th scope="col" title="{ref}"><span class="side-owner">{owner}</span><span class="side-name">{name}'
        '</span>{problem}<span class="side-actions">{buttons}</span></th>',
        ref=str(one.ref),
        owner=owner or f"{one.ref.source.value} adapter",
        name=name,
        problem=notice(one.error) if one.error else "",
        buttons=buttons,
    )


def section(title: str, refs: Sequence[AdapterRef], rows: Sequence[Markup]) -> Markup:
    """One part of the table, at most MOST_ROWS rows of it; nothing when it is empty."""
    if not rows:
        return Markup("")
    more = (
        fill(
            '<tr><td class="side-more" colspan="{span}">and {count} more</td></tr>',
            span=len(refs) + 1,
            count=f"{len(rows) - MOST_ROWS:,}",
        )
        if len(rows) > MOST_ROWS
        else ""
    )
    return fill(
        '<tbody><tr class="side-part"><th scope="rowgroup" colspan="{span}"><span>{title}</span></th></tr>'
        "{rows}{more}</tbody>",
        span=len(refs) + 1,
        title=title,
        rows=join(rows[:MOST_ROWS]),
        more=more,
    )
