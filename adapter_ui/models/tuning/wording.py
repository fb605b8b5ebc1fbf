"""A row of text as the one text that a model reads, and the spans of it that are learned: in the base's chat
template, in the recipe's own, or in none.

The base's template is a stranger's program. Knows nothing of token ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from adapter_ui.errors import InvalidRecipe
from adapter_ui.models.decoding.prompt import has_chat_template
from adapter_ui.training.prompt_template import BETWEEN_TURNS, Span, Wording, in_template

ANSWERS_ONLY = Wording()


def learned_text(
    row: Mapping[str, Any], tokenizer: PreTrainedTokenizerBase, wording: Wording = ANSWERS_ONLY
) -> tuple[str, list[Span], bool]:
    """The text of a row, its spans to learn, and whether the tokenizer adds its special tokens around it."""
    end = tokenizer.eos_token or ""
    turns = [] if "text" in row else messages_of(row)
    by_base = bool(turns) and not wording.template and has_chat_template(tokenizer)
    if by_base:
        text, answers = templated(turns, tokenizer)
    elif turns:
        text, answers = in_template(turns, wording.template) if wording.template else joined(turns)
        text += end
        answers[-1] = (answers[-1][0], len(text))
    else:
        text, answers = row["text"] + end, []
    return text, answers if answers and wording.answers_only else [(0, len(text))], not by_base


def joined(turns: Sequence[Mapping[str, str]]) -> tuple[str, list[Span]]:
    """The conversation without any template, and where each answer lies in it, the break before it included:
    a prompt ends without one.
    """
    text, spans = "", []
    for turn in turns:
        begin = len(text)
        text += f"{BETWEEN_TURNS if text else ''}{turn['content']}"
        if turn["role"] == "assistant":
            spans.append((begin, len(text)))
    return text, spans


def templated(
    turns: Sequence[Mapping[str, str]], tokenizer: PreTrainedTokenizerBase
) -> tuple[str, list[Span]]:
    """The conversation in the base's chat template, and where each answer lies in it."""
    try:
        text = tokenizer.apply_chat_template(turns, tokenize=False)
        spans = []
        for index, turn in enumerate(turns):
            if turn["role"] == "assistant":
                asked = tokenizer.apply_chat_template(
                    turns[:index], tokenize=False, add_generation_prompt=True
                )
                answered = tokenizer.apply_chat_template(turns[: index + 1], tokenize=False)
                spans.append((shared_length(text, asked), shared_length(text, answered)))
    except TemplateError as error:
        raise InvalidRecipe(
            f"The base's chat template refuses a conversation of the data ({error}); "
            "check its roles and their order.",
            field="data",
        ) from error
    return text, spans


def shared_length(text: str, beginning: str) -> int:
    """How far both agree: a template may write an earlier turn differently once others follow it."""
    pairs = enumerate(zip(text, beginning, strict=False))
    return next((index for index, (one, other) in pairs if one != other), min(len(text), len(beginning)))


def messages_of(row: Mapping[str, Any]) -> Sequence[Mapping[str, str]]:
    if "messages" in row:
        return row["messages"]
    return [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["completion"]}]
