"""A row of text as the one text that a model reads, and the spans of it that are learned: in the base's chat
template, in the recipe's own, or in none.

The base's template is a stranger's program. Knows nothing of token ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from adapter_ui.models.decoding.prompt import has_chat_template
from adapter_ui.training.prompt_template import BETWEEN_TURNS, Span, Wording, in_template

ANSWERS_ONLY = Wording()
LONGEST_REASON = 200
OTHER_ANSWER = "\ue000"
"""A character for private use, so that no answer begins or ends with it."""


class RefusedByTemplate(Exception):
    """Why the base's chat template cannot write one conversation; caught where the rows are encoded."""


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
    answers = [at for at, turn in enumerate(turns) if turn["role"] == "assistant"]
    try:
        text = tokenizer.apply_chat_template(turns, tokenize=False)
        return text, [answer_span(text, turns, at, tokenizer) for at in answers]
    except TemplateError as error:
        raise RefusedByTemplate(str(error)[:LONGEST_REASON]) from error


def answer_span(
    text: str, turns: Sequence[Mapping[str, str]], at: int, tokenizer: PreTrainedTokenizerBase
) -> Span:
    """Where the answer of turn `at` lies in the whole conversation, with the end of its turn.

    A template may write a turn differently once others follow it (Qwen3 thinks in the last one alone). Then
    what changes with the answer is the answer, and its turn ends as it does where nothing follows.
    """
    asked = tokenizer.apply_chat_template(turns[:at], tokenize=False, add_generation_prompt=True)
    answered = tokenizer.apply_chat_template(turns[: at + 1], tokenize=False)
    if text.startswith(asked) and text.startswith(answered):
        return len(asked), len(answered)
    changed = [*turns[:at], {**turns[at], "content": OTHER_ANSWER}, *turns[at + 1 :]]
    other = tokenizer.apply_chat_template(changed, tokenize=False)
    begin, end = shared_length(text, other), len(text) - shared_length(text[::-1], other[::-1])
    said = text[begin:end]
    ending = answered[answered.rfind(said) + len(said) :]
    end += shared_length(text[end:], ending)
    return len(asked) if text.startswith(asked) else begin, end


def shared_length(text: str, beginning: str) -> int:
    """How far both agree."""
    pairs = enumerate(zip(text, beginning, strict=False))
    return next((index for index, (one, other) in pairs if one != other), min(len(text), len(beginning)))


def messages_of(row: Mapping[str, Any]) -> Sequence[Mapping[str, str]]:
    if "messages" in row:
        return row["messages"]
    return [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["completion"]}]
