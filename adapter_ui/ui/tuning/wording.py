"""How prompts and answers become text, and what of it is learned: two fields of the recipe, with the tokens
that come of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from adapter_ui.training.prompt_template import LONGEST_TEMPLATE
from adapter_ui.training.recipe import FIELD_HELP
from adapter_ui.ui.page import INSTANT, html
from adapter_ui.ui.tuning.fields import checkbox, element_id

TEMPLATE, ANSWERS_ONLY = "prompt_template", "completion_only_loss"
WORDED_FORMS = ("Prompt and answer", "Conversations")
TRIED = "To try such an adapter, tick “Raw completion” in Generate and write the text up to the answer."


@dataclass(frozen=True)
class WordingForm:
    """The two fields by their names, folded together with the first rows as tokens."""

    form: gr.Accordion
    fields: dict[str, gr.Component]
    tokens: gr.HTML


def wording_form() -> WordingForm:
    with gr.Accordion("Template, and what is learned", open=False, elem_id="recipe-wording") as form:
        template = gr.Textbox(
            "",
            label="Prompt template",
            info=f"{FIELD_HELP[TEMPLATE]} {TRIED}",
            placeholder="the base's chat template",
            lines=3,
            max_lines=12,
            max_length=LONGEST_TEMPLATE,
            elem_id=element_id(TEMPLATE),
        )
        answers_only = checkbox(ANSWERS_ONLY, "Learn the answers only")
        tokens = html("", elem_id="recipe-tokens")
    return WordingForm(form, {TEMPLATE: template, ANSWERS_ONLY: answers_only}, tokens)


def wording_events(wording: WordingForm, form: gr.Radio) -> None:
    """Only rows with prompts and answers have something to choose."""
    form.change(lambda chosen: gr.Accordion(visible=has_wording(chosen)), form, wording.form, **INSTANT)


def has_wording(form: str) -> bool:
    return form in WORDED_FORMS


def without_wording(recipe: dict[str, object]) -> dict[str, object]:
    """What the page hides is not the recipe's."""
    return {name: value for name, value in recipe.items() if name not in (TEMPLATE, ANSWERS_ONLY)}
