"""A conversation with an adapter, its base, or both side by side on the same seed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

import gradio as gr
from markupsafe import Markup

from adapter_ui.domain import Generation, GenerationOptions, Precision, Progress
from adapter_ui.errors import InvalidInput
from adapter_ui.service import AdapterService
from adapter_ui.ui import format
from adapter_ui.ui.errors import shown_to_user
from adapter_ui.ui.markup import fill, progress
from adapter_ui.ui.page import INSTANT, MODEL, QUIET, Page, html
from adapter_ui.ui.sampling import options_of, sampling_controls
from adapter_ui.ui.state import ADAPTER_ARM, BASE_ARM, Conversation, Selection, keep, recall

ARMS = {"Adapter": (ADAPTER_ARM,), "Base": (BASE_ARM,), "Side by side": (ADAPTER_ARM, BASE_ARM)}
EXAMPLES = (
    "What is the capital of France?",
    "Explain gravity to a child in two sentences.",
    "Write a short poem about the sea.",
    "Give me three tips for a good night's sleep.",
)
REDRAW_SECONDS = 0.08


def chat(service: AdapterService, page: Page) -> None:
    """Build the conversation; it follows `page.selected` and `page.precision`."""
    conversation, kept = gr.State(Conversation()), page.kept
    with gr.Row(equal_height=False, elem_id="generate"):
        with gr.Column(scale=16, min_width=320, elem_id="chat-column"):
            with gr.Row(elem_id="chats", equal_height=False):
                columns, chats, figures = zip(
                    *(chat_column(arm) for arm in (ADAPTER_ARM, BASE_ARM)), strict=True
                )
            status = html(elem_id="generate-status")
            question = gr.Textbox(
                "",
                show_label=False,
                container=False,
                lines=1,
                max_lines=8,
                placeholder="Ask something   (Enter sends, Esc stops)",
                max_length=20_000,
                elem_id="question",
            )
            with gr.Row(elem_id="chat-buttons"):
                send = gr.Button("Send", variant="primary", size="md", min_width=90, elem_id="send")
                stop = gr.Button(
                    "Stop", variant="stop", size="md", min_width=90, visible=False, elem_id="stop"
                )
                again = gr.Button("Regenerate", size="md", min_width=90, elem_id="regenerate")
                clear = gr.Button("Clear", size="md", min_width=70, elem_id="clear")
        with gr.Column(scale=6, min_width=280, elem_id="controls"):
            arm, strength, system = arm_controls()
            with gr.Accordion("Sampling", open=False, elem_id="sampling"):
                sampling = sampling_controls()

    outputs = [conversation, *chats, *figures, status, send, stop]
    settings = [arm, strength, system, *sampling]
    inputs = [page.selected, page.precision, conversation, *settings]
    stream = {"show_progress": "hidden", **MODEL}
    asked = [conversation, question, *chats]
    asking = [
        gr.on([send.click, question.submit], ask, [conversation, question], asked, **QUIET),
        *(
            one.example_select(example, None, question, **INSTANT).then(
                ask, [conversation, question], asked, **QUIET
            )
            for one in chats
        ),
    ]
    answers = [
        *(one.success(partial(answer, service), inputs, outputs, **stream) for one in asking),
        again.click(partial(answer_again, service), inputs, outputs, **stream),
    ]
    rested = [kept, status, send, stop]
    for answering in answers:
        answering.then(keep_and_rest, [kept, conversation], rested, **INSTANT)
    stop.click(keep_and_rest, [kept, conversation], rested, cancels=answers, **INSTANT)
    shown = [conversation, *chats, *figures]
    gr.on(
        [clear.click, *(one.clear for one in chats)],
        cleared,
        conversation,
        shown,
        cancels=answers,
        **INSTANT,
    ).then(keep_and_rest, [kept, conversation], rested, **INSTANT)
    page.selected.change(follow, [page.selected, conversation, kept], shown, **INSTANT)
    arm.change(
        lambda choice: [gr.Column(visible=one in ARMS[choice]) for one in (ADAPTER_ARM, BASE_ARM)],
        arm,
        list(columns),
        **INSTANT,
    )


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


def arm_controls() -> tuple[gr.Radio, gr.Slider, gr.Textbox]:
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
    return arm, strength, system


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
    """The outputs of one step, in the order of `outputs`."""
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
