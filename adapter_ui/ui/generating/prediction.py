"""A form for adapters that do not chat: labels as bars, entities in their text, an answer in its context, and
embeddings with how alike they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from adapter_ui.domain import Precision, Prediction, Progress
from adapter_ui.service import AdapterService
from adapter_ui.ui import format
from adapter_ui.ui.errors import shown_to_user
from adapter_ui.ui.markup import empty, fill, join, meter, notice, progress, stats
from adapter_ui.ui.page import INSTANT, MODEL, Page, html
from adapter_ui.ui.state import Selection
from adapter_ui.ui.visitor import for_visitor

MOST_LABELS = 20
SHOWN_NUMBERS = 16
FORMS = {
    # task: the names of its two texts ("" hides the second) and an example of each
    "SEQ_CLS": ("Text", "Second text (only for pairs)", "I loved every minute of it.", ""),
    "TOKEN_CLS": ("Text", "", "Ada Lovelace met Charles Babbage in London.", ""),
    "QUESTION_ANS": (
        "Question",
        "Context",
        "Where does it flow?",
        "The Seine flows through Paris to the sea.",
    ),
    "FEATURE_EXTRACTION": (
        "Text",
        "Second text (to compare)",
        "The harbour was quiet at night.",
        "No ship moved in the dark port.",
    ),
}
WAITING = empty("No answer yet", "Write a text and press Run; the model is loaded first when it is not.")


def prediction(service: AdapterService, page: Page) -> None:
    """Build the form; it follows `page.selected` and `page.precision`."""
    with gr.Row(equal_height=False, elem_id="predict"):
        with gr.Column(scale=1, min_width=320):
            text = gr.Textbox("", label="Text", lines=4, max_length=20_000, elem_id="predict-text")
            pair = gr.Textbox(
                "", label="Second text", lines=3, max_length=20_000, visible=False, elem_id="predict-pair"
            )
            with gr.Row():
                run = gr.Button("Run", variant="primary", min_width=90, elem_id="predict-run")
                stop = gr.Button("Stop", variant="stop", min_width=90, visible=False, elem_id="predict-stop")
                example = gr.Button("Example", min_width=90, elem_id="predict-example")
        with gr.Column(scale=1, min_width=320):
            result = html(WAITING, elem_id="predict-result")
    outputs = [result, run, stop]
    running = gr.on(
        [run.click, text.submit],
        for_visitor(service, predict),
        [page.selected, page.precision, text, pair],
        outputs,
        show_progress="hidden",
        **MODEL,
    )
    running.failure(at_rest, None, outputs, **INSTANT)
    stop.click(at_rest, None, outputs, cancels=[running], **INSTANT)
    # what is being answered is of the adapter before
    page.selected.change(shown_form, page.selected, [text, pair, result], cancels=[running], **INSTANT)
    example.click(
        lambda selected: FORMS.get(selected.task_type, FORMS["SEQ_CLS"])[2:],
        page.selected,
        [text, pair],
        **INSTANT,
    )


def shown_form(selected: Selection) -> list[Any]:
    first, second, *_ = FORMS.get(selected.task_type, FORMS["SEQ_CLS"])
    return [gr.Textbox(label=first), gr.Textbox(label=second or "Second text", visible=bool(second)), WAITING]


def at_rest() -> list[Any]:
    return [WAITING, gr.Button(visible=True), gr.Button(visible=False)]


def predict(
    service: AdapterService, selected: Selection, precision: str, text: str, pair: str, *, visitor: str = ""
) -> Iterator[list[Any]]:
    with shown_to_user():
        yield [progress(Progress("start", "Starting")), gr.Button(visible=False), gr.Button(visible=True)]
        events = service.predict(
            selected.ref,
            text,
            pair,
            Precision(precision),
            base_model=selected.choice.base_model,
            model_class=selected.choice.model_class,
            visitor=visitor,
        )
        for event in events:
            if isinstance(event, Progress):
                yield [progress(event), gr.Button(visible=False), gr.Button(visible=True)]
            else:
                yield [shown(event, text, pair), gr.Button(visible=True), gr.Button(visible=False)]


def shown(answer: Prediction, text: str, pair: str) -> Markup:
    """The answer in the way of its task, and the time it took."""
    body = VIEWS.get(answer.task_type, text_view)(answer, text, pair)
    return fill(
        '<div class="prediction">{unread}{body}<p class="figures">{time}</p></div>',
        unread=unread_line(answer.unread_tokens),
        body=body,
        time=format.duration(answer.seconds),
    )


def unread_line(tokens: int | None) -> Markup:
    if not tokens:
        return Markup("")
    left_out = format.plural(tokens, "token")
    return notice(f"The text is longer than this model can read: {left_out} at its end are left out.")


def label_view(answer: Prediction, text: str, pair: str) -> Markup:
    return join(
        fill(
            '<div class="label-row"><span>{label}</span>{bar}<span class="figure">{score}</span></div>',
            label=one.label,
            bar=meter(one.score, f"{one.label} {one.score:.3f}", "accent" if at == 0 else "quiet"),
            score=f"{one.score:.3f}",
        )
        for at, one in enumerate(answer.labels[:MOST_LABELS])
    )


def entity_view(answer: Prediction, text: str, pair: str) -> Markup:
    """The text with its spans marked; overlapping ones are marked once."""
    spans = [(one.start, one.end, one.label, one.score) for one in answer.entities]
    return (
        marked(text, spans) if spans else empty("Nothing found", "The model marked no entity in this text.")
    )


def answer_view(answer: Prediction, text: str, pair: str) -> Markup:
    if answer.start is None or answer.end is None or not answer.answer:
        return empty("No answer", "The model found none in this context.")
    return marked(pair, [(answer.start, answer.end, "answer", answer.score or 0.0)])


def marked(text: str, spans: list[tuple[int, int, str, float]]) -> Markup:
    """The text with its spans marked, each with its label and score; white space around one stays outside."""
    parts, at = [], 0
    for start, end, label, score in sorted(spans):
        span = text[start:end].strip()
        if not at <= start < end <= len(text) or not span:
            continue
        start += text[start:end].index(span)
        parts.append(fill("{text}", text=text[at:start]))
        parts.append(
            fill(
                "<mark>{text}<b>{label} <small>{score}</small></b></mark>",
                score=f"{score:.3f}",
                text=span,
                label=label,
            )
        )
        at = start + len(span)
    return fill('<p class="marked">{parts}{rest}</p>', parts=join(parts), rest=text[at:])


def embedding_view(answer: Prediction, text: str, pair: str) -> Markup:
    """One embedding or two, and how alike two are: the bar begins where they have nothing in common."""
    figures = stats(
        [("dimensions", f"{len(answer.embedding):,}"), ("pooling", answer.pooling or format.UNKNOWN)]
    )
    names = ("Text", "Second text")
    both = zip(names, (answer.embedding, answer.pair_embedding), strict=True)
    vectors = join(vector(name, values) for name, values in both if values)
    return fill("{similarity}{figures}{vectors}", similarity=alike(answer), figures=figures, vectors=vectors)


def alike(answer: Prediction) -> Markup:
    if answer.similarity is None:
        return Markup("")
    cosine = f"{answer.similarity:.3f}"
    return fill(
        '<div class="label-row"><span>similarity</span>{bar}<span class="figure">{cosine}</span></div>'
        '<p class="hint">The cosine between both embeddings: 1 is the same direction, 0 has nothing in '
        "common, below 0 points away. Compare it with that of other texts, not with 1.</p>",
        bar=meter(answer.similarity, f"cosine similarity {cosine}", "accent"),
        cosine=cosine,
    )


def vector(name: str, values: Sequence[float]) -> Markup:
    """The first numbers of an embedding; the button copies all of them."""
    first = ", ".join(f"{value:.4f}" for value in values[:SHOWN_NUMBERS])
    return fill(
        '<div class="vector"><p>{name}<button type="button" class="copy" data-copy="text" data-text="{all}" '
        'aria-label="Copy the embedding of {name}">Copy all</button></p><pre>[{first}{rest}]</pre></div>',
        name=name,
        all=f"[{', '.join(f'{value:.6g}' for value in values)}]",
        first=first,
        rest=", …" if len(values) > SHOWN_NUMBERS else "",
    )


def text_view(answer: Prediction, text: str, pair: str) -> Markup:
    return fill('<p class="marked">{text}</p>', text=answer.text or "")


VIEWS: dict[str, Callable[[Prediction, str, str], Markup]] = {
    "SEQ_CLS": label_view,
    "TOKEN_CLS": entity_view,
    "QUESTION_ANS": answer_view,
    "FEATURE_EXTRACTION": embedding_view,
}
