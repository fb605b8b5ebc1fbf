"""The config explained field by field, what differs from the defaults first, and its JSON one click away."""

from __future__ import annotations

import json
from collections.abc import Iterable

from markupsafe import Markup

from adapter_ui.catalog.profiles.explain import Explanation
from adapter_ui.domain import AdapterProfile
from adapter_ui.ui.markup import badge, empty, fill, join

MOST_ROWS = 200
MOST_JSON = 60_000


def config_panel(profile: AdapterProfile, rows: Iterable[Explanation]) -> Markup:
    """The fields with their meaning and effect; defaults can be left out."""
    rows = tuple(rows)
    if not rows:
        return fill(
            "{empty}{raw}", empty=empty("No config", "The config could not be read."), raw=raw_json(profile)
        )
    ordered = sorted(rows, key=lambda one: one.default is True)[:MOST_ROWS]
    usual = sum(one.default is True for one in ordered)
    switch = fill(
        '<label class="switch"><input type="checkbox" class="only-changed"> Only what differs from the '
        "defaults "
        '<span class="muted">({changed} of {count})</span></label>',
        changed=len(ordered) - usual,
        count=len(ordered),
    )
    return fill(
        '<section class="config">{switch}<div class="table-scroll"><table class="plain-table config-table">'
        "<thead><tr>"
        '<th scope="col">Field</th><th scope="col">Value</th><th scope="col">What it means</th></tr></thead>'
        "<tbody>{rows}</tbody></table></div>{raw}</section>",
        switch=switch if usual else "",
        rows=join(row(one) for one in ordered),
        raw=raw_json(profile),
    )


def row(one: Explanation) -> Markup:
    """One field; a default is quiet, and one that a newer PEFT wrote says so."""
    marks = (
        [badge("newer PEFT", "warning", "The PEFT of this app does not know this field")] if one.newer else []
    )
    if one.default is True:
        marks.append(fill('<span class="muted">default</span>'))
    return fill(
        '<tr class="{kind}"><th scope="row"><code>{field}</code> {marks}</th><td>{value}</td>'
        "<td>{meaning}<small>{effect}</small></td></tr>",
        kind="is-default" if one.default is True else "",
        field=breakable(one.field),
        marks=join(marks),
        value=one.value,
        meaning=one.meaning,
        effect=one.effect,
    )


def breakable(name: str) -> Markup:
    """A field's name that may go on in the next line after an underscore, and nowhere else."""
    return Markup("_<wbr>").join(name.split("_"))


def raw_json(profile: AdapterProfile) -> Markup:
    """The config as it was read, folded, with a button that copies it."""
    text = json.dumps(dict(profile.config), indent=2, ensure_ascii=False, default=str)
    shown = text if len(text) <= MOST_JSON else f"{text[:MOST_JSON]}\n…"
    return fill(
        '<details class="fold"><summary>Raw JSON</summary><div class="raw"><button type="button" '
        'class="copy" '
        'data-copy="text" data-text="{text}">Copy</button><pre tabindex="0"><code>{text}</code></pre></div>'
        "</details>",
        text=shown,
    )
