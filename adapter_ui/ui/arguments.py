"""Checks of what a caller of the API sent: a value of the right kind, or a sentence that names the field.

All raise InvalidInput. What a value means is checked where it is used.
"""

from __future__ import annotations

import math

from adapter_ui.domain import TEXT_BOUND, Arm, ChatMessage, GenerationOptions, ModelChoice, Precision
from adapter_ui.errors import InvalidInput


def checked_text(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{field} must be a string.", field=field)
    if len(value) > TEXT_BOUND:
        raise InvalidInput(f"{field} has at most {TEXT_BOUND:,} characters.", field=field)
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidInput(f"{field} holds half of a character (a lone surrogate); delete it.", field=field)
    return value


def number(value: object, field: str) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or (isinstance(value, float) and not math.isfinite(value)):
        raise InvalidInput(f"{field} must be a number.", field=field)
    return value


def whole(value: object, field: str) -> int:
    """An integer; JSON clients send 8 as 8.0."""
    if number(value, field) != int(value):
        raise InvalidInput(f"{field} must be a whole number.", field=field)
    return int(value)


def bound(value: object, field: str) -> int | None:
    """One end of a range; None leaves that end open."""
    return None if value is None else whole(value, field)


def boolean(value: object, field: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput(f"{field} must be true or false.", field=field)
    return value


def strings(value: object, field: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidInput(f"{field} must be a list of strings.", field=field)
    return tuple(value)


def precision_of(name: object, default: Precision) -> Precision:
    """The named precision; `default` for ""."""
    if checked_text(name, "precision") == "":
        return default
    if name not in set(Precision):
        names = ", ".join(precision.value for precision in Precision)
        raise InvalidInput(f"precision must be one of {names}.", field="precision")
    return Precision(name)


def generation_options(
    max_new_tokens: object,
    temperature: object,
    top_p: object,
    top_k: object,
    repetition_penalty: object,
    seed: object,
    stop: object,
    raw: object,
) -> GenerationOptions:
    return GenerationOptions(
        max_new_tokens=whole(max_new_tokens, "max_new_tokens"),
        temperature=number(temperature, "temperature"),
        top_p=number(top_p, "top_p"),
        top_k=whole(top_k, "top_k"),
        repetition_penalty=number(repetition_penalty, "repetition_penalty"),
        seed=bound(seed, "seed"),
        stop=strings(stop, "stop"),
        raw=boolean(raw, "raw"),
    )


def chat_messages(prompt: object, system: object) -> tuple[ChatMessage, ...]:
    """One question, after the system's turn where there is one."""
    instruction = checked_text(system, "system")
    system_turn = (ChatMessage("system", instruction),) if instruction else ()
    return (*system_turn, ChatMessage("user", checked_text(prompt, "prompt")))


def chosen_arms(value: object) -> tuple[Arm, ...]:
    """A list of {"adapter": …, "strength": …, "base_model": …, "model_class": …}; what is left out of one is
    the base, at strength 1, and its own model.
    """
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise InvalidInput('arms must be a list of {"adapter": …, "strength": …}.', field="arms")
    known = {"adapter", "strength", "base_model", "model_class"}
    unknown = sorted({str(name)[:40] for item in value for name in item} - known)
    if unknown:
        raise InvalidInput(
            f"An arm has an adapter, a strength, a base_model and a model_class, and no {unknown[0]}.",
            field="arms",
        )
    return tuple(
        Arm(
            checked_text(item.get("adapter", ""), "adapter"),
            number(item.get("strength", 1.0), "strength"),
            ModelChoice(
                checked_text(item.get("base_model", ""), "base_model"),
                checked_text(item.get("model_class", ""), "model_class"),
            ),
        )
        for item in value
    )
