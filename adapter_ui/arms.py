"""Several arms asked at once: what each of them has said so far, whole, as they grow.

Between the service, which checks what people ask for, and the answers by name. Knows nothing of the engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from adapter_ui.answers import Answers
from adapter_ui.domain import (
    ArmAnswer,
    Asked,
    Generation,
    GenerationOptions,
    Precision,
    Progress,
)
from adapter_ui.errors import AdapterUIError


def compare(
    answers: Answers,
    asked: Sequence[Asked],
    options: GenerationOptions,
    precision: Precision,
    base_model: str,
) -> Iterator[tuple[ArmAnswer, ...]]:
    """The answers of all arms so far, in their order. An arm that fails keeps its place, with its error."""
    so_far = [ArmAnswer(one.arm) for one in asked]
    for index, one in enumerate(asked):
        try:
            for event in answers.generate(
                one.arm.adapter, one.messages, options, precision, one.arm.strength, base_model
            ):
                so_far[index] = grown(so_far[index], event)
                yield tuple(so_far)
        except AdapterUIError as error:
            so_far[index] = replace(so_far[index], progress=None, error=error.message)
            yield tuple(so_far)


def grown(answer: ArmAnswer, event: Progress | Generation) -> ArmAnswer:
    if isinstance(event, Progress):
        return replace(answer, progress=event)
    return replace(answer, progress=None, generation=event)
