"""A conversation with an adapter, its base, or both: what stands where, and what triggers what."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import gradio as gr

from adapter_ui.service import AdapterService
from adapter_ui.ui.generating.answering import (
    ARMS,
    answer,
    answer_again,
    ask,
    cleared,
    example,
    follow,
    keep_and_rest,
    shown_columns,
)
from adapter_ui.ui.generating.sampling import sampling_controls
from adapter_ui.ui.page import INSTANT, MODEL, QUIET, Page, html
from adapter_ui.ui.state import ADAPTER_ARM, BASE_ARM, Conversation

EXAMPLES = (
    "What is the capital of France?",
    "Explain gravity to a child in two sentences.",
    "Write a short poem about the sea.",
    "Give me three tips for a good night's sleep.",
)


@dataclass(frozen=True)
class ChatWidgets:
    """`columns`, `chats`, `figures` have one for each arm; `settings` are `answer`'s arguments, in order."""

    columns: tuple[gr.Column, ...]
    chats: tuple[gr.Chatbot, ...]
    figures: tuple[gr.HTML, ...]
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
            with gr.Row(elem_id="chats", equal_height=False):
                columns = zip(*(chat_column(arm) for arm in (ADAPTER_ARM, BASE_ARM)), strict=True)
            status = html(elem_id="generate-status")
            question = question_box()
            with gr.Row(elem_id="chat-buttons"):
                buttons = chat_buttons()
        with gr.Column(scale=6, min_width=280, elem_id="controls"):
            settings = arm_controls()
            with gr.Accordion("Sampling", open=False, elem_id="sampling"):
                settings += sampling_controls()
    chat_events(service, page, ChatWidgets(*columns, status, question, *buttons, settings))


def chat_events(service: AdapterService, page: Page, chat: ChatWidgets) -> None:
    conversation, kept = gr.State(Conversation()), page.kept
    shown = [conversation, *chat.chats, *chat.figures]
    outputs = [*shown, chat.status, chat.send, chat.stop]
    inputs = [page.selected, page.precision, conversation, *chat.settings]
    box = [conversation, chat.question]
    put = {"fn": ask, "inputs": box, "outputs": [*box, *chat.chats], **QUIET}
    asking = [
        gr.on([chat.send.click, chat.question.submit], **put),
        *(one.example_select(example, None, chat.question, **INSTANT).then(**put) for one in chat.chats),
    ]
    stream = {"show_progress": "hidden", **MODEL}
    answers = [
        *(asked.success(partial(answer, service), inputs, outputs, **stream) for asked in asking),
        chat.again.click(partial(answer_again, service), inputs, outputs, **stream),
    ]
    rest = (keep_and_rest, [kept, conversation], [kept, chat.status, chat.send, chat.stop])
    for answering in answers:
        answering.then(*rest, **INSTANT)
    chat.stop.click(*rest, cancels=answers, **INSTANT)
    clearing = [chat.clear.click, *(one.clear for one in chat.chats)]
    gr.on(clearing, cleared, conversation, shown, cancels=answers, **INSTANT).then(*rest, **INSTANT)
    page.selected.change(follow, [page.selected, conversation, kept], shown, cancels=answers, **INSTANT)
    chat.settings[0].change(shown_columns, chat.settings[0], list(chat.columns), **INSTANT)


def chat_column(arm: str) -> tuple[gr.Column, gr.Chatbot, gr.HTML]:
    with gr.Column(visible=arm == ADAPTER_ARM, min_width=260, elem_classes="chat-arm") as column:
        messages = gr.Chatbot(
            label="Adapter" if arm == ADAPTER_ARM else "Base",
            buttons=["copy"],
            height="100%",
            layout="bubble",
            allow_tags=False,
            feedback_options=None,
            reasoning_tags=[("<think>", "</think>")],
            examples=[{"text": text} for text in EXAMPLES],
            elem_id=f"chat-{arm}",
        )
        figures = html(elem_id=f"stats-{arm}")
    return column, messages, figures


def question_box() -> gr.Textbox:
    return gr.Textbox(
        "",
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


def arm_controls() -> list[gr.Component]:
    arm = gr.Radio(list(ARMS), value="Adapter", label="Answer with", elem_id="arm", elem_classes="segmented")
    strength = gr.Slider(
        0,
        2,
        1,
        step=0.05,
        label="Strength",
        info="1 is the adapter as trained, 0 is its base.",
        elem_id="strength",
    )
    system = gr.Textbox(
        "", label="System prompt", lines=3, placeholder="none", max_length=20_000, elem_id="system"
    )
    return [arm, strength, system]
