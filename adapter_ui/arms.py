"""Several arms asked at once: what each of them has said so far, whole, as they grow.

Between the service, which checks what people ask for, and the answers by name. The engine decodes the arms of
one base together where it can.
"""

from __future__ import annotations

import secrets
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from adapter_ui.answers import Answers
from adapter_ui.domain import (
    ArmAnswer,
    Asked,
    ChatMessage,
    Generation,
    GenerationOptions,
    LoadReport,
    ModelChoice,
    Precision,
    Progress,
)
from adapter_ui.engine import protocol
from adapter_ui.errors import AdapterUIError, InvalidInput

MOST_ARMS = 8
SoFar = list[ArmAnswer]


def check_asked(asked: Sequence[Asked]) -> None:
    """Raise InvalidInput unless there are one to eight arms, each with something to answer."""
    if not 1 <= len(asked) <= MOST_ARMS:
        raise InvalidInput(f"Name 1 to {MOST_ARMS} arms to ask.", field="arms")
    for one in asked:
        check_question(one.messages)


def check_question(messages: Sequence[ChatMessage]) -> None:
    if not any(message.role == "user" and message.content.strip() for message in messages):
        raise InvalidInput("The prompt is empty; write something to answer.", field="prompt")


def all_waiting(asked: Sequence[Asked], place: Progress) -> tuple[ArmAnswer, ...]:
    """The arms while none of them has begun."""
    return tuple(ArmAnswer(one.arm, progress=place) for one in asked)


def compare(
    answers: Answers,
    asked: Sequence[Asked],
    options: GenerationOptions,
    precision: Precision,
    base_model: str,
) -> Iterator[tuple[ArmAnswer, ...]]:
    """The answers of all arms so far, in their order, on one seed. An arm that fails keeps its place, with
    its error.
    """
    so_far = [ArmAnswer(one.arm) for one in asked]
    specs = yield from found_specs(answers, asked, precision, base_model, so_far)
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    options = replace(options, seed=seed)
    places = sorted(specs)
    requests = [
        protocol.Generate(
            specs[place],
            asked[place].messages,
            options,
            asked[place].arm.strength if asked[place].arm.adapter else 0.0,
        )
        for place in places
    ]
    arms = [asked[place].arm for place in places]
    # the base arm asks with the first adapter's spec, which is remembered as that arm's
    remember_as = [on_base(arm.choice, base_model) if arm.adapter else None for arm in arms]
    with closing(answers.ask_all(requests, remember_as)) as events:
        for number, event in events:
            place = places[number]
            so_far[place] = grown(so_far[place], event)
            yield tuple(so_far)


def found_specs(
    answers: Answers, asked: Sequence[Asked], precision: Precision, base_model: str, so_far: SoFar
) -> Generator[tuple[ArmAnswer, ...], None, dict[int, protocol.ModelSpec]]:
    """What to ask the engine for, by the arms' places; an arm that cannot be found is told its error.

    A base arm that names no base is the first adapter at strength 0, so that both answers come from one
    loaded model; one that names a class is that adapter's base in this class.
    """
    specs: dict[int, protocol.ModelSpec] = {}
    adapters_first = sorted(range(len(asked)), key=lambda place: not asked[place].arm.adapter)
    for place in adapters_first:
        arm = asked[place].arm
        choice = on_base(arm.choice, base_model)
        if not arm.adapter and specs and not choice.base_model:
            specs[place] = in_class(next(iter(specs.values())), choice.model_class)
            continue
        looking = answers.writer(arm.adapter, precision, choice)
        try:
            while True:
                so_far[place] = replace(so_far[place], progress=next(looking))
                yield tuple(so_far)
        except StopIteration as found:
            specs[place] = found.value
        except AdapterUIError as error:
            so_far[place] = replace(so_far[place], progress=None, error=error.message)
            yield tuple(so_far)
    return specs


def on_base(choice: ModelChoice, base_model: str) -> ModelChoice:
    """The arm's own choice; where it names no base, with the one that all arms are asked on."""
    return replace(choice, base_model=choice.base_model or base_model)


def in_class(first: protocol.ModelSpec, model_class: str) -> protocol.ModelSpec:
    """The first adapter's own spec, or its base alone in another class than the adapter was put into."""
    if model_class in ("", first.model_class):
        return first
    return replace(first.base_alone, model_class=model_class)


def grown(answer: ArmAnswer, event: protocol.Event | AdapterUIError) -> ArmAnswer:
    match event:
        case Progress():
            return replace(answer, progress=event)
        case Generation():
            return replace(answer, progress=None, generation=event)
        case LoadReport():
            return replace(answer, takes_turns=event.takes_turns)
        case AdapterUIError():
            return replace(answer, progress=None, error=event.message)
    return answer
