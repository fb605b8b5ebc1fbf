"""A conversation with one to four arms at once: what stands where, and what triggers what.

Each arm has a column. All columns are on the page from the start, and the styles show as many as there are
arms (`data-arms` in the bar above them): nothing is built or torn down while an answer streams.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
from markupsafe import Markup

from adapter_ui.service import AdapterService
from adapter_ui.ui.generating.answering import (
    answer,
    ask,
    ask_again,
    cleared,
    example,
    keep_and_rest,
)
from adapter_ui.ui.generating.arms import arm_bar, arm_menu
from adapter_ui.ui.generating.choosing import change_arms, follow, linked, suggest
from adapter_ui.ui.generating.sampling import sampling_controls, settings_events
from adapter_ui.ui.page import EACH, INSTANT, LOOK_UP, MODEL, QUIET, Page, html
from adapter_ui.ui.state import MOST_ARMS, Conversation, Link, Selection
from adapter_ui.ui.visitor import for_visitor

EXAMPLES = (
    "What is the capital of France?",
    "Explain gravity to a child in two sentences.",
    "Write a short poem about the sea.",
    "Give me three tips for a good night's sleep.",
)
EMPTY_COLUMN = "The same question is answered here, side by side."
WATCH_HEAD = "adapterUI.armHead(element, (event) => trigger('act', event), watch)"
WATCH_BAR = "adapterUI.armBar(element, (picked) => trigger('suggest', {picked}), watch)"
WATCH_MENU = "adapterUI.armMenu(element, (event) => trigger('act', event))"


@dataclass(frozen=True)
class ChatWidgets:
    """`heads`, `chats`, `feet` have one for each column; `settings` are `answer`'s arguments, in order."""

    bar: gr.HTML
    menu: gr.HTML
    heads: tuple[gr.HTML, ...]
    chats: tuple[gr.Chatbot, ...]
    feet: tuple[gr.HTML, ...]
    status: gr.HTML
    question: gr.Textbox
    send: gr.Button
    stop: gr.Button
    again: gr.Button
    clear: gr.Button
    settings: list[gr.Component]


def chat(service: AdapterService, page: Page) -> None:
    """Build the conversation; it follows `page.selected` and `page.precision`."""
    with gr.Row(equal_height=False, elem_id="generate"):
        with gr.Column(scale=16, min_width=320, elem_id="chat-column"):
            bar = html(arm_bar(Conversation.fresh("")), elem_id="arm-bar", js_on_load=WATCH_BAR)
            menu = html(arm_menu(()), elem_id="arm-menu", js_on_load=WATCH_MENU)
            with gr.Row(elem_id="chats", equal_height=False):
                columns = zip(*(chat_column(number) for number in range(1, MOST_ARMS + 1)), strict=True)
            status = html(elem_id="generate-status")
            question = question_box()
            with gr.Row(elem_id="chat-buttons"):
                buttons = chat_buttons()
        with gr.Column(scale=5, min_width=270, elem_id="controls"):
            settings: list[gr.Component] = [system_box()]
            with gr.Accordion("Sampling", open=False, elem_id="sampling"):
                settings += sampling_controls()
    chat_events(service, page, ChatWidgets(bar, menu, *columns, status, question, *buttons, settings))
    settings_events(page, settings)


def chat_events(service: AdapterService, page: Page, chat: ChatWidgets) -> None:
    conversation, kept = gr.State(Conversation()), page.kept
    said = [conversation, *chat.chats, *chat.feet]
    buttons = [chat.send, chat.stop, chat.again]
    put = {
        "fn": ask,
        "inputs": [conversation, chat.question],
        "outputs": [chat.question, *said, *buttons],
        **QUIET,
    }
    asking = [
        gr.on([chat.send.click, chat.question.submit], **put),
        chat.chats[0].example_select(example, None, chat.question, **INSTANT).then(**put),
        chat.again.click(ask_again, conversation, [*said, *buttons], **QUIET),
    ]
    inputs = [page.selected, page.precision, conversation, *chat.settings]
    outputs = [*said, *buttons, chat.status]
    stream = {"show_progress": "hidden", **MODEL}
    answers = [asked.success(for_visitor(service, answer), inputs, outputs, **stream) for asked in asking]
    rest = (keep_and_rest, [kept, conversation, *chat.feet], [kept, chat.status, *chat.feet, *buttons])
    for answering in answers:
        answering.then(*rest, **INSTANT)
        answering.failure(*rest, **INSTANT)  # after an error Gradio's page runs nothing else
    chat.stop.click(*rest, cancels=answers, **INSTANT)
    arm_events(service, page, chat, conversation, answers, rest)


def arm_events(
    service: AdapterService,
    page: Page,
    chat: ChatWidgets,
    conversation: gr.State,
    answers: list[Any],
    rest: tuple[Any, ...],
) -> None:
    """What changes the arms, or clears what they said; answers that are being written are stopped, and `rest`
    is what comes after them.
    """
    chosen = [page.selected, conversation]
    laid_out = [conversation, chat.bar, *chat.heads, *chat.chats, *chat.feet]
    changes = {"inputs": chosen, "outputs": laid_out, "cancels": answers, **INSTANT}
    acts = [chat.menu.act, *(head.act for head in chat.heads)]  # gr.on takes no event of our own markup
    for changed in (
        chat.clear.click(cleared, **changes),
        *(act(change_arms, **changes, **EACH) for act in acts),
    ):
        changed.then(*rest, **INSTANT)
    link = gr.State(Link())
    page.load(linked, None, link, **INSTANT)
    following = [*chosen, page.kept, link]
    page.selected.change(follow, following, [page.kept, link, *laid_out], cancels=answers, **INSTANT)
    suggest_events(service, chat, chosen)


def suggest_events(service: AdapterService, chat: ChatWidgets, chosen: list[gr.State]) -> None:
    """The menu is filled when it opens."""

    def suggested(selected: Selection, conversation: Conversation, event: gr.EventData) -> Markup:
        # a partial of `suggest` would not do: Gradio gives the event to plain functions only
        return suggest(service, selected, conversation, event.picked)

    chat.bar.suggest(suggested, chosen, chat.menu, show_progress="hidden", **LOOK_UP, **EACH)


def chat_column(number: int) -> tuple[gr.HTML, gr.Chatbot, gr.HTML]:
    """Head, chat and foot; only the first column offers examples."""
    with gr.Column(min_width=0, elem_classes=["chat-arm", f"chat-arm-{number}"]):
        head = html(elem_id=f"arm-head-{number}", js_on_load=WATCH_HEAD)
        messages = gr.Chatbot(
            show_label=False,
            buttons=["copy"],
            height="100%",
            layout="bubble",
            allow_tags=False,
            feedback_options=None,
            reasoning_tags=[("<think>", "</think>")],
            placeholder=None if number == 1 else EMPTY_COLUMN,
            examples=[{"text": text} for text in EXAMPLES] if number == 1 else None,
            elem_classes="arm-chat",
            elem_id=f"chat-{number}",
        )
        foot = html(elem_id=f"stats-{number}")
    return head, messages, foot


def question_box() -> gr.Textbox:
    return gr.Textbox(
        "",
        label="Question",
        show_label=False,
        container=False,
        lines=1,
        max_lines=8,
        placeholder="Ask something   (Enter sends, Esc stops)",
        max_length=20_000,
        elem_id="question",
    )


def chat_buttons() -> tuple[gr.Button, ...]:
    """Send, stop, again, clear."""
    return (
        gr.Button("Send", variant="primary", size="md", min_width=90, elem_id="send"),
        gr.Button("Stop", variant="stop", size="md", min_width=90, visible=False, elem_id="stop"),
        gr.Button("Regenerate", size="md", min_width=90, elem_id="regenerate"),
        gr.Button("Clear", size="md", min_width=70, elem_id="clear"),
    )


def system_box() -> gr.Textbox:
    return gr.Textbox(
        "", label="System prompt", lines=3, placeholder="none", max_length=20_000, elem_id="system"
    )
