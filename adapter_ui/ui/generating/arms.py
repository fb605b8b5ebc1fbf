"""The arms as markup: a chip over each column, the line that adds one, and the menu of what to add.

The buttons carry `data-act` and `data-value`; arms.js reports them. Knows no component.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from adapter_ui.domain import STRONGEST, AdapterRef, Source
from adapter_ui.ui import format
from adapter_ui.ui.markup import fill, join
from adapter_ui.ui.state import BASE_ARM, LONGEST_KEY, MOST_ARMS, ChosenArm, Conversation, link_of

CROSS = Markup(
    '<button type="button" class="arm-cross" data-act="remove" data-value="{key}" '
    'aria-label="Remove {name}" title="Remove this arm">×</button>'
)
STRENGTH = Markup(
    '<label class="arm-strength" title="Strength: 1 is the adapter as trained, 0 is its base">×'
    '<input type="number" min="0" max="{most}" step="0.05" value="{strength}" data-key="{key}" '
    'aria-label="Strength of {name}"></label>'
)


@dataclass(frozen=True)
class Suggestion:
    """An adapter that may be added, "" for the base, and in a few words where it comes from."""

    ref: str
    note: str


def arm_head(conversation: Conversation, one: ChosenArm, base: str) -> Markup:
    """The chip over a column; `base` is the base model of the selected adapter."""
    name = adapter_name(one.arm.adapter) if one.arm.adapter else base_name(conversation, base)
    strength = STRENGTH.format(
        most=f"{STRONGEST:g}", strength=f"{one.arm.strength:g}", key=one.key, name=name
    )
    return fill(
        '<div class="arm-head"><span class="chip arm-chip {kind}" title="{title}"><i class="dot"></i>'
        "<b>{name}</b>{strength}</span>{cross}</div>",
        kind="arm-base" if one.key == BASE_ARM else "",
        title=one.arm.adapter or f"{name}, without any adapter",
        name=name,
        strength=strength if one.arm.adapter else "",
        cross=CROSS.format(key=one.key, name=name) if len(conversation.arms) > 1 else "",
    )


def adapter_name(adapter: str) -> str:
    """What a person calls an adapter: its name without its owner or source, with its revision and folder."""
    ref = AdapterRef.parse(adapter)
    return format.short_name(adapter)[1] if ref.source is Source.HUB else ref.name


def base_name(conversation: Conversation, base: str) -> str:
    """The base arm is the base of the first arm with an adapter; `base` is known for the selected one."""
    first = next((one.arm.adapter for one in conversation.arms if one.arm.adapter), conversation.ref)
    if first != conversation.ref:
        return f"Base of {adapter_name(first)}"
    return f"Base · {format.short_name(base)[1]}" if base else "Base"


def arm_bar(conversation: Conversation) -> Markup:
    """The line above the columns. `data-arms` tells the styles how many columns there are, `data-link` the
    page's address which.
    """
    count = len(conversation.arms)
    full = count == MOST_ARMS
    return fill(
        '<div class="arm-bar" data-arms="{count}" data-link="{link}"><span class="muted">{said}</span>'
        '<button type="button" class="copy arm-add" data-open-menu aria-expanded="false" '
        'aria-controls="arm-menu"{disabled} title="{title}">+ Add an arm</button></div>',
        count=count,
        link=link_of(conversation),
        said="One arm" if count == 1 else f"{count} arms, asked at once",
        disabled=Markup(" disabled") if full else "",
        title=f"{MOST_ARMS} at most" if full else "Ask one more adapter, or this one at another strength",
    )


def arm_menu(suggestions: Iterable[Suggestion]) -> Markup:
    """A field for any adapter's name, and what is at hand."""
    rows = join(
        fill(
            '<li><button type="button" data-act="add" data-value="{ref}"><span>{name}</span>'
            "<small>{note}</small></button></li>",
            ref=one.ref,
            name=one.ref or "The base alone",
            note=one.note,
        )
        for one in suggestions
    )
    return fill(
        '<div class="arm-menu" role="dialog" aria-label="Add an arm"><div class="arm-field">'
        '<input type="text" class="arm-ref" placeholder="org/name, run:ID, mix:NAME …" '
        'aria-label="Adapter to add" maxlength="{most}" spellcheck="false" autocapitalize="off">'
        '<button type="button" class="copy" data-act="add-typed">Add</button></div>'
        "<ul>{rows}</ul></div>",
        most=LONGEST_KEY,
        rows=rows,
    )
