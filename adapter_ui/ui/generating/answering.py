"""What happens when somebody asks: the answers of the chosen arms, streamed into a conversation."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import gradio as gr
from markupsafe import Markup

from adapter_ui.domain import Generation, GenerationOptions, Precision, Progress
from adapter_ui.errors import InvalidInput
from adapter_ui.service import AdapterService
from adapter_ui.ui import format
from adapter_ui.ui.errors import shown_to_user
from adapter_ui.ui.generating.sampling import options_of
from adapter_ui.ui.markup import fill, progress
from adapter_ui.ui.state import ADAPTER_ARM, BASE_ARM, Conversation, Selection, keep, recall

ARMS = {"Adapter": (ADAPTER_ARM,), "Base": (BASE_ARM,), "Side by side": (ADAPTER_ARM, BASE_ARM)}
REDRAW_SECONDS = 0.08


def ask(conversation: Conversation, question: str) -> list[Any]:
    """Put the question on screen at once, before anything is loaded."""
    with shown_to_user():
        if not question.strip():
            raise InvalidInput("The question is empty; write something to answer.", field="prompt")
        asked = conversation.ask(question.strip())
        return [asked, "", *(asked.for_page(arm) for arm in (ADAPTER_ARM, BASE_ARM))]


def answer(
    service: AdapterService,
    selected: Selection,
    precision: str,
    conversation: Conversation,
    choice: str,
    strength: float,
    system: str,
    *sampling: Any,
) -> Iterator[list[Any]]:
    """Stream the answer of each chosen arm to the last question, one arm after the other on one seed."""
    with shown_to_user():
        options = options_of(*sampling)
        figures = {ADAPTER_ARM: Markup(""), BASE_ARM: Markup("")}
        yield drawn(conversation, figures, Progress("start", "Starting"))
        for arm in ARMS[choice]:
            last = None
            for event in thinned(
                arm_events(service, selected, precision, conversation, arm, strength, system, options)
            ):
                if isinstance(event, Generation):
                    conversation, last = conversation.answer(arm, event.text), event
                    figures[arm] = figures_of(event)
                yield drawn(conversation, figures, event)
            options = replace(options, seed=last.seed if last else options.seed)


def arm_events(
    service: AdapterService,
    selected: Selection,
    precision: str,
    conversation: Conversation,
    arm: str,
    strength: float,
    system: str,
    options: GenerationOptions,
) -> Iterator[Progress | Generation]:
    """The base arm is the adapter at strength 0, so that both answers come from one loaded model."""
    return service.generate(
        selected.ref,
        conversation.for_model(arm, system),
        options,
        Precision(precision),
        strength=0.0 if arm == BASE_ARM else strength,
    )


def answer_again(
    service: AdapterService, selected: Selection, precision: str, conversation: Conversation, *settings: Any
) -> Iterator[list[Any]]:
    with shown_to_user():
        if not conversation.turns:
            raise InvalidInput("There is no answer yet to write anew; ask something first.", field="prompt")
    yield from answer(service, selected, precision, conversation.ask_again(), *settings)


def thinned(events: Iterator[Progress | Generation]) -> Iterator[Progress | Generation]:
    """The stream with some of its steps left out, so that the page is not redrawn for each token."""
    drawn_at = float("-inf")
    with closing(events):
        for event in events:
            done = isinstance(event, Generation) and event.done
            if done or time.monotonic() - drawn_at > REDRAW_SECONDS:
                yield event
                drawn_at = time.monotonic()


def drawn(conversation: Conversation, figures: dict[str, Markup], event: Progress | Generation) -> list[Any]:
    """One step on the page: conversation, chats, figures, status, Send, Stop."""
    status = progress(event) if isinstance(event, Progress) else ""
    chats = [conversation.for_page(arm) for arm in (ADAPTER_ARM, BASE_ARM)]
    return [
        conversation,
        *chats,
        *figures.values(),
        status,
        gr.Button(visible=False),
        gr.Button(visible=True),
    ]


def figures_of(event: Generation) -> Markup:
    """Speed and counts under an answer."""
    speed = event.tokens_per_second
    reasons = {"length": "stopped at max new tokens", "cancelled": "stopped"}
    parts = [
        format.plural(event.tokens, "token"),
        f"{speed:.1f} tok/s" if speed else "",
        f"first token {format.duration(event.first_token_seconds)}"
        if event.first_token_seconds is not None
        else "",
        f"prompt {format.plural(event.prompt_tokens, 'token')}" if event.done else "",
        f"seed {event.seed}" if event.done and event.seed is not None else "",
        reasons.get(event.reason or "", ""),
    ]
    return fill('<p class="figures">{text}</p>', text=" · ".join(filter(None, parts)))


def keep_and_rest(kept: object, conversation: Conversation) -> list[Any]:
    return [keep(kept, conversation), "", gr.Button(visible=True), gr.Button(visible=False)]


def cleared(conversation: Conversation) -> list[Any]:
    return [Conversation(conversation.ref), [], [], "", ""]


def follow(selected: Selection, conversation: Conversation, kept: object) -> list[Any]:
    """Another adapter has its own conversation: the one that the browser kept, or an empty one."""
    if selected.ref == conversation.ref:
        return [gr.skip()] * 5
    known = recall(kept, selected.ref)
    return [known, *(known.for_page(arm) for arm in (ADAPTER_ARM, BASE_ARM)), "", ""]


def example(event: gr.SelectData) -> str:
    return str(event.value["text"])


def shown_columns(choice: str) -> list[gr.Column]:
    """A column for each chosen arm."""
    return [gr.Column(visible=arm in ARMS[choice]) for arm in (ADAPTER_ARM, BASE_ARM)]
