"""A prompt template as its user writes it: a text with named places, filled in by plain replacement.

A row's own text is never read as a template, and a template is no program. Knows rows as text; nothing of
tokens or models.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from adapter_ui.errors import InvalidRecipe
from adapter_ui.training.reading import text_problem

if TYPE_CHECKING:
    from adapter_ui.training.examples import Examples
    from adapter_ui.training.recipe import Recipe

PLACES = ("system", "prompt", "completion")
PLACE = re.compile(r"\{([A-Za-z_]\w*)\}", re.ASCII)
ANSWER = "{completion}"
BETWEEN_TURNS = "\n\n"
LONGEST_TEMPLATE = 4_000
Span = tuple[int, int]


@dataclass(frozen=True)
class Wording:
    """How a prompt and its answer become one text, and whether only the answer is learned. Without a template
    the base's own is taken.
    """

    template: str = ""
    answers_only: bool = True

    @classmethod
    def of(cls, recipe: Recipe) -> Wording:
        return cls(recipe.prompt_template, recipe.completion_only_loss)


def in_template(turns: Sequence[Mapping[str, str]], template: str) -> tuple[str, list[Span]]:
    """A conversation in the template, exchange by exchange, and where each answer lies in it.

    The blanks before an answer belong to it, since most tokenizers make one token of a blank and its word. A
    system text without a place of its own stands in front.
    """
    before, _, ending = template.partition(ANSWER)
    text, spans = "", []
    system = BETWEEN_TURNS.join(turn["content"] for turn in turns if turn["role"] == "system")
    if system and "{system}" not in template:
        text, system = f"{system}{BETWEEN_TURNS}", ""
    asked: list[str] = []
    for turn in turns:
        if turn["role"] == "user":
            asked.append(turn["content"])
        elif turn["role"] == "assistant":
            parted = BETWEEN_TURNS if spans else ""
            filled = filled_in(before, {"system": system, "prompt": BETWEEN_TURNS.join(asked)})
            text += f"{parted}{filled}"
            begin = len(text.rstrip(" "))
            text += f"{turn['content']}{ending}"
            spans.append((begin, len(text)))
            asked, system = [], ""
    return text, spans


def filled_in(template: str, values: Mapping[str, str]) -> str:
    return PLACE.sub(lambda place: values[place[1]], template)


def refuse_bad_template(recipe: Recipe) -> None:
    """A template that cannot be filled in, or that the task does not read. Raises InvalidRecipe."""
    template = recipe.prompt_template
    if not template:
        return
    if recipe.task_type != "CAUSAL_LM":
        refuse(f"prompt_template is for CAUSAL_LM, and task_type is {recipe.task_type}; leave it out.")
    if problem := text_problem(template):
        refuse(f"prompt_template {problem}; remove it.")
    found = PLACE.findall(template)
    known = " and ".join(f"{{{place}}}" for place in PLACES)
    for place in found:
        if place not in PLACES:
            refuse(f"prompt_template has a place {{{place[:40]}}}, and a row has {known}; use those.")
        if found.count(place) > 1:
            refuse(f"prompt_template has {{{place}}} twice; a row has it once.")
    if "prompt" not in found:
        refuse("prompt_template has no {prompt}, the place where a row's prompt goes; add it.")
    if found[-1] != "completion":
        refuse("prompt_template must have {completion}, the answer's place, and as the last one; move it.")


def refuse_template_of_whole_texts(recipe: Recipe, examples: Examples) -> None:
    """A template has nowhere to put rows that are texts without a prompt. Raises InvalidRecipe."""
    if recipe.prompt_template and "text" in examples.columns:
        refuse(
            "prompt_template has places for a prompt and its answer, and the rows are whole texts; leave it "
            "out, or say in columns which are prompt and completion."
        )


def refuse(message: str) -> NoReturn:
    raise InvalidRecipe(message, field="prompt_template")
