"""The rows of a comparison as HTML: figures, findings, config and modules, one cell an adapter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from markupsafe import Markup

from adapter_ui.domain import AdapterRef, Agreement, ComparedRow, Level, ModuleGroup, SideBySide
from adapter_ui.ui import format
from adapter_ui.ui.comparison.text import (
    NOT_SET,
    change_text,
    config_text,
    cut,
    figure_name,
    figure_text,
    layers_text,
)
from adapter_ui.ui.markup import LEVEL_NAMES, fill, icon, join

MOST_ITEMS = 60
LONGEST_ITEM = 80
LEVELS = (Level.BLOCKER, Level.WARNING, Level.GOOD, Level.INFO)
NOTHING = Markup('<span class="side-absent">–</span>')
ABSENT = fill('<span class="side-absent">{text}</span>', text=NOT_SET)
NULL = Markup('<span class="side-absent">null</span>')

Cell = Callable[[AdapterRef], object]


def line(name: object, agreement: Agreement, refs: Iterable[AdapterRef], cell: Cell) -> Markup:
    return fill(
        '<tr class="side-{agreement}"><th scope="row">{name}</th>{cells}</tr>',
        agreement=agreement.value,
        name=name,
        cells=join(fill("<td>{cell}</td>", cell=cell(ref)) for ref in refs),
    )


def figure_row(row: ComparedRow, found: SideBySide) -> Markup:
    """Figures that read the same are not marked, though they may differ in what rounding hides."""
    refs = [one.ref for one in found.adapters]
    shown = {ref: figure_text(row, ref) for ref in refs if ref in row.values}
    alike = len(shown) == len(refs) and len(set(shown.values())) == 1
    agreement = Agreement.SAME if alike else row.agreement
    return line(figure_name(row, found.precision.value), agreement, refs, lambda ref: shown.get(ref, NOTHING))


def findings_rows(found: SideBySide) -> list[Markup]:
    """One row a level that any of them has; findings that all of them have do not tell them apart."""
    refs = [one.ref for one in found.adapters]
    rows = []
    for level in LEVELS:
        messages = {
            one.ref: tuple(finding.message for finding in one.findings if finding.level is level)
            for one in found.profiles
        }
        if any(messages.values()):
            agreement = Agreement.SAME if len(set(messages.values())) == 1 else Agreement.DIFFERS
            name = fill("{icon} {name}", icon=icon(level), name=LEVEL_NAMES[level])
            rows.append(line(name, agreement, refs, partial(findings_cell, messages)))
    return rows


def findings_cell(messages: Mapping[AdapterRef, Sequence[str]], ref: AdapterRef) -> Markup:
    said = [fill("<p>{message}</p>", message=message) for message in messages.get(ref, ())]
    return join(said[:MOST_ITEMS]) or NOTHING


def config_row(row: ComparedRow, found: SideBySide) -> Markup:
    lists = [frozenset(map(str, value)) for value in row.values.values() if isinstance(value, list)]
    differing_lists = row.agreement is Agreement.DIFFERS and len(lists) == len(row.values)
    common = frozenset[str].intersection(*lists) if differing_lists else frozenset[str]()
    readable = {one.ref for one in found.profiles if one.config}

    def cell(ref: AdapterRef) -> object:
        if ref not in row.values:
            return ABSENT if ref in readable else NOTHING
        value = row.values[ref]
        if value is None:
            return NULL
        return own_items(value, common) if differing_lists else config_text(value)

    name = fill("<code>{field}</code>", field=cut(row.name))
    return line(name, row.agreement, [one.ref for one in found.adapters], cell)


def own_items(values: Sequence[Any], common: frozenset[str]) -> Markup:
    """A list with what not all have made bold."""
    items = [
        fill("{item}" if str(item) in common else "<b>{item}</b>", item=config_text(item)[:LONGEST_ITEM])
        for item in values[:MOST_ITEMS]
    ]
    rest = f" and {len(values) - MOST_ITEMS:,} more" if len(values) > MOST_ITEMS else ""
    return fill("{items}{rest}", items=Markup(", ").join(items), rest=rest)


def module_row(group: ModuleGroup, refs: Sequence[AdapterRef]) -> Markup:
    parts_differ = len({change.parts for change in group.changes.values()}) > 1

    def cell(ref: AdapterRef) -> object:
        change = group.changes.get(ref)
        if change is None:
            return NOTHING
        return fill(
            "{said}<small>{parameters} parameters{parts}</small>",
            said=change_text(change, group),
            parameters=format.parameters(change.parameters),
            parts=cut(f" in {', '.join(change.parts)}") if parts_differ and change.parts else "",
        )

    said = (layers_text(group.layers), modules_text(group), owners_text(group, refs))
    name = fill(
        '<code title="{place}">{kind}</code><small>{where}</small>',
        place=cut(group.place),
        kind=cut(group.kind),
        where=", ".join(filter(None, said)),
    )
    return line(name, group.agreement, refs, cell)


def modules_text(group: ModuleGroup) -> str:
    """How many modules there are, where the layers do not say it."""
    return "" if group.count == max(len(group.layers), 1) else format.plural(group.count, "module")


def owners_text(group: ModuleGroup, refs: Sequence[AdapterRef]) -> str:
    """How many of the adapters change these modules, where that is not all."""
    if group.agreement is not Agreement.PARTLY:
        return ""
    return "only in one" if len(group.changes) == 1 else f"in {len(group.changes)} of {len(refs)}"
