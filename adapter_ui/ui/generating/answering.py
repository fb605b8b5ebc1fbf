"""What happens when somebody asks: the answers of all arms at once, streamed into a conversation."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import gradio as gr

from adapter_ui.domain import Arm, ArmAnswer, Asked, GenerationOptions, ModelChoice, Precision, Progress
from adapter_ui.errors import InvalidInput
from adapter_ui.service import AdapterService
from adapter_ui.ui.errors import shown_to_user
from adapter_ui.ui.generating.as_written import as_written
from adapter_ui.ui.generating.choosing import laid_out
from adapter_ui.ui.generating.figures import CANCELLED, WAITS, below_answer, figures_of
from adapter_ui.ui.generating.sampling import options_of
from adapter_ui.ui.markup import progress
from adapter_ui.ui.state import MOST_ARMS, Conversation, Selection, keep

REDRAW_SECONDS = 0.08
STARTING = Progress("start", "Starting")


def ask(conversation: Conversation, question: str) -> list[Any]:
    """Put the question on screen at once, before anything is loaded."""
    with shown_to_user():
        if not question.strip():
            raise InvalidInput("The question is empty; write something to answer.", field="prompt")
        return ["", *unanswered(conversation.ask(question.strip()))]


def ask_again(conversation: Conversation) -> list[Any]:
    """The last question, without its answers."""
    with shown_to_user():
        if not conversation.turns:
            raise InvalidInput("There is no answer yet to write anew; ask something first.", field="prompt")
        return unanswered(conversation.ask_again())


def unanswered(asked: Conversation) -> list[Any]:
    """What is about to be answered: conversation, chats, feet, and the buttons, so that nobody asks twice."""
    return [asked, *chats_of(asked), *[""] * MOST_ARMS, *buttons(answering=True)]


def buttons(*, answering: bool) -> list[gr.Button]:
    """Send, Stop, Regenerate; page.js lets Enter send nothing while Stop is there."""
    return [
        gr.Button(visible=not answering),
        gr.Button(visible=answering),
        gr.Button(interactive=not answering),
    ]


def answer(
    service: AdapterService,
    selected: Selection,
    precision: str,
    conversation: Conversation,
    system: str,
    *sampling: Any,
    visitor: str = "",
) -> Iterator[list[Any]]:
    """Stream the answers of all arms to the last question."""
    with shown_to_user():
        options = options_of(*sampling)
        yield drawn(conversation, [ArmAnswer(one.arm) for one in conversation.arms])
        steps = arm_answers(service, selected, precision, conversation, system, options, visitor)
        for answers in thinned(steps):
            for one, said in zip(conversation.arms, answers, strict=True):
                if said.generation.text or said.generation.done:
                    event = said.generation
                    whole = event.done and event.reason != CANCELLED
                    conversation = conversation.answer(one.key, event.text, figures_of(event), whole=whole)
            yield drawn(conversation, answers)


def arm_answers(
    service: AdapterService,
    selected: Selection,
    precision: str,
    conversation: Conversation,
    system: str,
    options: GenerationOptions,
    visitor: str,
) -> Iterator[tuple[ArmAnswer, ...]]:
    """Each arm asked with its own history; the base alone has to be named, else it is the adapters' base."""
    alone = not any(one.arm.adapter for one in conversation.arms)
    asked = [
        Asked(as_chosen(one.arm, selected, alone=alone), tuple(conversation.for_model(one.key, system)))
        for one in conversation.arms
    ]
    base = selected.base if alone else ""
    return service.compare(asked, options, Precision(precision), base_model=base, visitor=visitor)


def as_chosen(arm: Arm, selected: Selection, *, alone: bool) -> Arm:
    """The selected adapter answers on the model that was chosen for it; its base alone, in that class. Beside
    adapters the base is the first one's, in whatever class that has.
    """
    if arm.adapter == selected.ref:
        return replace(arm, choice=selected.choice)
    is_base_alone = alone and not arm.adapter
    return replace(arm, choice=ModelChoice(model_class=selected.choice.model_class)) if is_base_alone else arm


def thinned(steps: Iterator[tuple[ArmAnswer, ...]]) -> Iterator[tuple[ArmAnswer, ...]]:
    """The stream with some of its steps left out, so that the page is not redrawn for each token."""
    drawn_at, left = float("-inf"), None
    with closing(steps):
        for step in steps:
            left = step
            if time.monotonic() - drawn_at > REDRAW_SECONDS:
                yield step
                drawn_at, left = time.monotonic(), None
        if left is not None:
            yield left


def drawn(conversation: Conversation, answers: Sequence[ArmAnswer]) -> list[Any]:
    """One step on the page: conversation, chats, feet, buttons, status."""
    turn, said = conversation.turns[-1], zip(conversation.arms, answers, strict=True)
    feet = [below_answer(turn, one, answer) for one, answer in said]
    waiting = next((answer.progress for answer in answers if answer.progress), None)
    if waiting is None and not any(answer.generation.text or answer.ended for answer in answers):
        waiting = STARTING
    return [
        conversation,
        *chats_of(conversation),
        *feet,
        *[""] * (MOST_ARMS - len(feet)),
        *buttons(answering=True),
        progress(waiting) if waiting else "",
    ]


def chats_of(conversation: Conversation) -> list[list[dict[str, Any]]]:
    """The messages of each column, of those without an arm too."""
    chats = [as_written(conversation.for_page(one.key)) for one in conversation.arms]
    return chats + [[] for _ in range(MOST_ARMS - len(chats))]


def keep_and_rest(kept: object, conversation: Conversation, *feet: str) -> list[Any]:
    """At rest no column waits for anything any more; the other feet have figures, or an error, to keep."""
    rested = ["" if f'class="{WAITS}"' in foot else gr.skip() for foot in feet]
    return [keep(kept, conversation), "", *rested, *buttons(answering=False)]


def cleared(selected: Selection, conversation: Conversation) -> list[Any]:
    """The same arms with nothing said."""
    return laid_out(Conversation(conversation.ref, (), conversation.arms), selected)


def example(event: gr.SelectData) -> str:
    return str(event.value["text"])
