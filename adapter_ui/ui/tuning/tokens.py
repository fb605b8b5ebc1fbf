"""The first rows as the base's own tokens: coloured where they are learned, quiet where they are not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr
from markupsafe import Markup

from adapter_ui.domain import Level, Token, TokenPreview, TokenRow
from adapter_ui.errors import AdapterUIError
from adapter_ui.service import AdapterService
from adapter_ui.ui import format
from adapter_ui.ui.markup import badge, fill, join, notice
from adapter_ui.ui.tuning.data import DataStep
from adapter_ui.ui.tuning.wording import ANSWERS_ONLY, TEMPLATE, WordingForm

Job = Callable[[tuple[Any, ...]], tuple[dict[str, Any], Any]]
NO_TOKENS = Markup("")
WHITE = {"\n": "↵\n", "\t": "⇥\t"}
# each starts a process that reads a tokenizer, so few run at once
PREVIEWS: dict[str, Any] = {
    "concurrency_limit": 2,
    "concurrency_id": "token-previews",
    "trigger_mode": "always_last",
    "show_progress": "minimal",
    "api_visibility": "private",
}


def token_events(
    service: AdapterService,
    data: DataStep,
    job_of: Job,
    job: list[gr.Component],
    fields: dict[str, gr.Component],
    wording: WordingForm,
) -> None:
    """Draw the tokens anew whenever the rows, their columns, the base or what is learned have changed; beside
    the rows, and beside the template. All of it is one event: of two, an older answer could come last.
    """
    told = (fields["base_model"].blur, fields["adapter"].blur, fields["max_length"].blur)
    worded = (wording.fields[TEMPLATE].change, wording.fields[ANSWERS_ONLY].change)
    gr.on(
        [data.shown.change, *told, *worded, *(slot.input for slot in data.slots)],
        partial(both_shown, service, job_of),
        job,
        [data.tokens, wording.tokens],
        **PREVIEWS,
    )


def both_shown(service: AdapterService, job_of: Job, *values: Any) -> tuple[Markup, Markup]:
    shown = shown_tokens(service, job_of, *values)
    return shown, shown


def shown_tokens(service: AdapterService, job_of: Job, *values: Any) -> Markup:
    """What cannot be shown yet is said in its place: half a choice of columns is no error."""
    try:
        recipe, data = job_of(values)
        if not str(data).strip():
            return NO_TOKENS
        return token_preview(service.preview_tokens(recipe, data))
    except AdapterUIError as error:
        return notice(f"No tokens to show: {error.message}", Level.INFO)


def token_preview(found: TokenPreview) -> Markup:
    if found.missing:
        return notice(found.missing, Level.INFO)
    rows = join(token_row(row, found.limit) for row in found.rows)
    return fill(
        '<section class="tokens"><p class="hint">The first rows as this base reads them. '
        '<span class="token token-learned">Coloured</span> tokens are learned, '
        '<span class="token">plain</span> ones are only read.</p>{rows}</section>',
        rows=rows,
    )


def token_row(row: TokenRow, limit: int | None) -> Markup:
    learned = sum(token.learned for token in row.tokens)
    facts = [format.plural(row.length, "token")]
    if limit is not None and row.length > limit:
        facts.append(f"cut at {limit:,}")
    if len(row.tokens) < min(row.length, limit or row.length):
        facts.append(f"the first {len(row.tokens)} shown")
    facts.append(f"{learned} learned" if not row.label else "learned: the label")
    label = badge(row.label, "method") if row.label else Markup("")
    return fill(
        '<div class="token-row"><p class="token-facts">{facts} {label}</p><p class="token-text">{tokens}</p>'
        "</div>",
        facts=", ".join(facts),
        label=label,
        tokens=join(token_span(token) for token in row.tokens),
    )


def token_span(token: Token) -> Markup:
    """White space is drawn where it is a token's own, so that two tokens never look like one."""
    text = "".join(WHITE.get(mark, mark) for mark in token.text)
    label = fill("<sub>{label}</sub>", label=token.label) if token.label else Markup("")
    return fill(
        '<span class="token{kind}">{text}{label}</span>',
        kind=" token-learned" if token.learned else "",
        text=text,
        label=label,
    )
