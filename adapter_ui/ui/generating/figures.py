"""What stands under an answer: its figures, whether it is the base's, why it takes turns, or its error.

Knows no component; texts in, markup out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from markupsafe import Markup

from adapter_ui.domain import ArmAnswer, Generation, Level, Progress
from adapter_ui.ui import format
from adapter_ui.ui.markup import badge, fill, notice
from adapter_ui.ui.state import BASE_ARM, ChosenArm, Turn

CANCELLED = "cancelled"
WAITS = "figures waits"
"""The class of a foot whose arm has not begun to answer."""
REASONS = {"length": "stopped at max new tokens", CANCELLED: "stopped"}
WORD = re.compile(r"\S+")
LONGEST_WORD = 40


def figures_of(event: Generation) -> str:
    """Speed and counts of an answer, in words."""
    speed, first = event.tokens_per_second, event.first_token_seconds
    parts = [
        format.plural(event.tokens, "token"),
        f"{speed:.1f} tok/s" if speed else "",
        "" if first is None else f"first token {format.duration(first)}",
        f"prompt {format.plural(event.prompt_tokens, 'token')}" if event.done else "",
        f"seed {event.seed}" if event.done and event.seed is not None else "",
        REASONS.get(event.reason or "", ""),
    ]
    return " · ".join(filter(None, parts))


def below_answer(turn: Turn | None, one: ChosenArm, answer: ArmAnswer | None = None) -> Markup:
    """What stands under an arm's newest answer; `answer` is what it says just now, None when it rests."""
    if answer is not None and answer.error:
        return notice(answer.error, Level.BLOCKER)
    figures, kind = turn.figures.get(one.key, "") if turn else "", "figures"
    if answer is not None and answer.progress is not None and not answer.generation.text:
        figures, kind = waiting(answer.progress), WAITS
    reason = answer.takes_turns if answer is not None else ""
    return fill(
        '<p class="{kind}">{mark}{figures}</p>{turns}',
        kind=kind,
        mark=beside_base(turn, one) if turn else "",
        figures=figures,
        turns=fill('<p class="figures takes-turns">Takes turns: {reason}</p>', reason=reason)
        if reason
        else "",
    )


def waiting(step: Progress) -> str:
    share = f" {step.done / step.total:.0%}" if step.done and step.total else ""
    return f"{step.message}{share}"


def beside_base(turn: Turn, one: ChosenArm) -> Markup:
    """A quiet mark when this arm says word for word what the base says, else where it departs from it.

    Nothing before both have come to their end.
    """
    base, mine = (WORD.findall(turn.answers.get(key, "")) for key in (BASE_ARM, one.key))
    if not one.arm.adapter or not base or not mine or not {BASE_ARM, one.key} <= turn.whole:
        return Markup("")
    if base == mine:
        return badge("same as the base", "warning", "Word for word what the base answers") + " "
    number, word = departure(base, mine)
    return fill(
        '<span class="departs" title="Up to there it says what the base says">departs at word '
        "{number}: <mark>{word}</mark></span> · ",
        number=f"{number:,}",
        word=word,
    )


def departure(base: Sequence[str], mine: Sequence[str]) -> tuple[int, str]:
    """The first word of `mine` that is not the base's, counted from 1; "(ends)" when it is only shorter."""
    for at, word in enumerate(mine):
        if at >= len(base) or word != base[at]:
            return at + 1, word if len(word) <= LONGEST_WORD else f"{word[:LONGEST_WORD]}…"
    return len(mine) + 1, "(ends)"
