"""What happens when somebody adds, removes or strengthens an arm, or chooses another adapter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr
from markupsafe import Markup

from adapter_ui.domain import SearchQuery, Source
from adapter_ui.errors import InvalidInput
from adapter_ui.service import AdapterService
from adapter_ui.ui import format
from adapter_ui.ui.arguments import checked_text, number
from adapter_ui.ui.errors import shown_to_user
from adapter_ui.ui.generating.arms import Suggestion, arm_bar, arm_head, arm_menu
from adapter_ui.ui.generating.as_written import as_written
from adapter_ui.ui.generating.figures import below_answer
from adapter_ui.ui.state import (
    BASE_ARM,
    LONGEST_KEY,
    MOST_ARMS,
    Conversation,
    Link,
    Selection,
    keep,
    linked_arms,
    recall,
)

MOST_PICKED = 4
MOST_OF_A_SOURCE = 8
TEXT_TASKS = (None, "", "CAUSAL_LM", "SEQ_2_SEQ_LM")


def follow(selected: Selection, conversation: Conversation, kept: object, link: Link) -> list[Any]:
    """Another adapter has its own conversation: the one that the browser kept, or a fresh one. The one before
    is kept as far as it went, an answer that is being written included.

    The arms of the page's address count once. With another base for the same adapter, the chips name it.
    """
    if selected.ref == conversation.ref:
        return [gr.skip(), link, *laid_out(conversation, selected)]
    left = keep(kept, conversation) if conversation.ref else gr.skip()
    found = recall(kept, selected.ref)
    if link.ref == selected.ref:
        found = replace(found, arms=linked_arms(link.arms, link.ref) or found.arms)
        link = Link()
    return [left, link, *laid_out(found, selected)]


def linked(request: gr.Request) -> Link:
    """What the page's address says of arms."""
    asked = request.query_params
    return Link(asked.get("adapter", "")[:LONGEST_KEY], asked.get("arms", "")[: MOST_ARMS * LONGEST_KEY])


def change_arms(selected: Selection, conversation: Conversation, event: gr.EventData) -> list[Any]:
    """What arms.js reports: a button of a chip or of the menu, or a new strength."""
    with shown_to_user():
        value = checked_text(event.value, "arms")[:LONGEST_KEY]
        if event.name == "add":
            conversation = conversation.add(value.strip())
        elif event.name == "remove":
            conversation = conversation.remove(value)
        elif event.name == "strength":
            conversation = conversation.strengthen(value, number(event.strength, "strength"))
        else:
            raise InvalidInput("Arms can be added, removed and strengthened.", field="arms")
        return laid_out(conversation, selected)


def laid_out(conversation: Conversation, selected: Selection) -> list[Any]:
    """Everything of a conversation at rest: itself, the bar, and of each column head, chat and foot."""
    turn = conversation.turns[-1] if conversation.turns else None
    arms = conversation.arms
    spare = [""] * (MOST_ARMS - len(arms))
    return [
        conversation,
        arm_bar(conversation),
        *(arm_head(conversation, one, selected.base) for one in arms),
        *spare,
        *(as_written(conversation.for_page(one.key)) for one in arms),
        *([] for _ in spare),
        *(below_answer(turn, one) for one in arms),
        *spare,
    ]


def suggest(
    service: AdapterService, selected: Selection, conversation: Conversation, picked: object
) -> Markup:
    """The menu with what is at hand now; `picked` are the refs chosen for comparison on Browse."""
    with shown_to_user():
        found: dict[str, Suggestion] = {}
        for one in suggestions(service, selected, conversation, picked):
            found.setdefault(one.ref, one)
        return arm_menu(found.values())


def suggestions(
    service: AdapterService, selected: Selection, conversation: Conversation, picked: object
) -> Iterator[Suggestion]:
    """The base and the selected adapter, what was picked, what is loaded, then what is on this machine."""
    if all(one.key != BASE_ARM for one in conversation.arms):
        yield Suggestion("", "no adapter")
    asked = any(one.arm.adapter == selected.ref for one in conversation.arms)
    yield Suggestion(selected.ref, "at another strength" if asked else "selected")
    for ref in picked[:MOST_PICKED] if isinstance(picked, list) else []:
        if isinstance(ref, str) and len(ref) <= LONGEST_KEY:
            yield Suggestion(ref, "picked for comparison")
    for base in service.loaded():
        if base.task_type in TEXT_TASKS:
            yield from (Suggestion(ref, "loaded") for ref in base.adapters if ref)
    for source in Source:
        if source is not Source.HUB:
            for row in service.search(SearchQuery(source=source.value, limit=MOST_OF_A_SOURCE)).adapters:
                if row.task_type in TEXT_TASKS:
                    yield Suggestion(
                        str(row.ref), f"{source.value}{other_base(row.base_model, selected.base)}"
                    )


def other_base(base: str | None, selected: str) -> str:
    """Said where it differs: arms on different bases need both of them in memory."""
    return f" on {format.short_name(base)[1]}" if base and selected and base != selected else ""
