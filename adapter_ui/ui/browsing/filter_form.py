"""The fields of a search: the text, the usual filters, and the rest, which unfolds. Widgets; what
they do to a search is not known here.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from adapter_ui.catalog.methods.table import METHODS, PIPELINE_TAGS
from adapter_ui.service import AdapterService
from adapter_ui.ui.browsing.base_field import base_field
from adapter_ui.ui.browsing.filters import ACCESS, FIELDS, LICENSES, LONGEST_TEXT, SORTS, SOURCES
from adapter_ui.ui.browsing.results_table import method_name
from adapter_ui.ui.page import html

COMMON_METHODS = (
    "LORA",
    "IA3",
    "ADALORA",
    "LOHA",
    "LOKR",
    "VERA",
    "OFT",
    "PROMPT_TUNING",
    "PREFIX_TUNING",
    "P_TUNING",
)
WATCH_BAR = (
    "adapterUI.fold(element, watch);"
    "adapterUI.actions(element, (name, value) => trigger('act', {name, value}))"
)


def filter_form(service: AdapterService) -> tuple[dict[str, gr.Component], gr.HTML]:
    """The fields by the names of Filters and in their order, and the line that says which of them narrow the
    search."""
    made: dict[str, gr.Component] = {"text": search_box()}
    with gr.Row(elem_id="filters"):
        made |= usual_filters(service)
    bar = html(elem_id="filter-bar", js_on_load=WATCH_BAR)
    # Folded by a style and not by an Accordion, which would not keep its fields in the page.
    with gr.Row(elem_id="more-filters"):
        made |= further_filters()
    return {name: made[name] for name in FIELDS}, bar


def search_box() -> gr.Textbox:
    return gr.Textbox(
        "",
        label="Search adapters",
        show_label=False,
        container=False,
        placeholder="Search adapters by name, or paste org/name   ( / )",
        max_length=LONGEST_TEXT,
        elem_id="search",
        html_attributes=gr.InputHTMLAttributes(spellcheck=False, autocorrect="off"),
    )


def usual_filters(service: AdapterService) -> dict[str, gr.Component]:
    base_model, variants = base_field(service)
    return {
        "base_model": base_model,
        "variants": variants,
        "task_type": choice("Task", "Any task", {task: task for task in PIPELINE_TAGS}, "filter-task"),
        "method": choice("Method", "Any method", method_choices(), "filter-method"),
        "sort": gr.Dropdown(
            [(label, name) for name, label in SORTS.items()],
            value=FIELDS["sort"],
            label="Sort",
            min_width=110,
            elem_id="filter-sort",
        ),
    }


def further_filters() -> dict[str, gr.Component]:
    return {
        "author": line("Author", "any user or organisation", "filter-author"),
        "source": choice("Source", "Everywhere", SOURCES, "filter-source"),
        "license": choice("License", "Any license", {name: name for name in LICENSES}, "filter-license"),
        "access": choice("Access", "Any access", ACCESS, "filter-access"),
        "min_rank": line("Rank from", "1", "filter-min-rank"),
        "max_rank": line("Rank to", "any", "filter-max-rank"),
        "min_size": line("Size from (MB)", "0", "filter-min-size"),
        "max_size": line("Size to (MB)", "any", "filter-max-size"),
        "safetensors": gr.Checkbox(
            False, label="Safetensors only", container=False, elem_id="filter-safetensors", min_width=110
        ),
    }


def method_choices() -> dict[str, str]:
    """Every method with its name, the common ones first."""
    return {name: method_name(name) for name in dict.fromkeys((*COMMON_METHODS, *sorted(METHODS)))}


def choice(label: str, everything: str, choices: dict[str, str], elem_id: str) -> gr.Dropdown:
    named = [(everything, ""), *((name, value) for value, name in choices.items())]
    return gr.Dropdown(named, value="", label=label, min_width=110, elem_id=elem_id)


def line(label: str, placeholder: str, elem_id: str) -> gr.Textbox:
    options: dict[str, Any] = {"max_lines": 1, "max_length": 96, "min_width": 90}
    return gr.Textbox("", label=label, placeholder=placeholder, elem_id=elem_id, **options)
