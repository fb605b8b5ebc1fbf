"""The base model to search adapters for: a field with suggestions under it, and whether its variants count.

What is typed or pasted counts as it is; browse.js opens the list and fills the field from it.
"""

from __future__ import annotations

from collections.abc import Iterable

import gradio as gr
from markupsafe import Markup

from adapter_ui.domain import BaseSuggestion
from adapter_ui.service import AdapterService
from adapter_ui.ui import format
from adapter_ui.ui.browsing.filters import LONGEST_TEXT
from adapter_ui.ui.errors import shown_to_user
from adapter_ui.ui.markup import fill, join
from adapter_ui.ui.page import EACH, LOOK_UP, html

WATCH = "adapterUI.suggestions(element, (text) => trigger('suggest', {text}), watch)"


def base_field(service: AdapterService) -> tuple[gr.Textbox, gr.Checkbox]:
    """The field and the box for the variants."""

    def suggest(event: gr.EventData) -> Markup:
        with shown_to_user():
            text = str(event.text)[:LONGEST_TEXT]
            return suggestion_list(text, service.suggest_bases(text.strip()))

    with gr.Column(min_width=200, elem_id="base-and-variants"):
        base_model = gr.Textbox(
            "",
            label="Base model",
            placeholder="any, or org/name",
            max_lines=1,
            max_length=LONGEST_TEXT,
            elem_id="filter-base",
            html_attributes=gr.InputHTMLAttributes(spellcheck=False, autocapitalize="off"),
        )
        suggestions = html(elem_id="base-suggestions", js_on_load=WATCH)
        variants = gr.Checkbox(
            False, label="with its variants", container=False, elem_id="filter-variants", min_width=100
        )
    suggestions.suggest(suggest, None, suggestions, show_progress="hidden", **LOOK_UP, **EACH)
    return base_model, variants


def suggestion_list(text: str, found: Iterable[BaseSuggestion]) -> Markup:
    """The bases `found` for `text`, which is named so that no two answers are the same to the page."""
    options = join(
        fill(
            '<li role="option" id="base-option-{at}" data-value="{id}" aria-selected="false">'
            '<span class="name">{id}</span><small>{known}</small></li>',
            at=at,
            id=one.id,
            known=known_of(one),
        )
        for at, one in enumerate(found)
    )
    return fill(
        '<ul class="suggestions" role="listbox" id="base-listbox" aria-label="Base models" '
        'data-text="{text}">{options}</ul>',
        text=text,
        options=options,
    )


def known_of(base: BaseSuggestion) -> str:
    """What tells bases apart: adapters known here, else downloads."""
    if base.adapters:
        return format.plural(base.adapters, "adapter")
    return f"{format.count(base.downloads)} downloads" if base.downloads else ""
