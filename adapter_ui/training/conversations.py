"""A cell with a conversation as turns of one dialect, which begin with a question and end with an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapter_ui.training.cells import UnusableRow, parsed_cell, text_of

MAX_TURNS = 200
ROLES = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}


def conversation(value: object, system: str = "") -> list[dict[str, str]]:
    """Turns as `{"role", "content"}`, from that or from `{"from", "value"}`, ending with an answer. They have
    the text `system` in front unless they have one of their own.
    """
    value = parsed_cell(value) if isinstance(value, str) else value
    if not isinstance(value, list) or len(value) > MAX_TURNS:
        raise UnusableRow(f"the conversation is no list of at most {MAX_TURNS} turns")
    turns = [turn_of(turn) for turn in value if not is_empty_system(turn)]
    if system and all(turn["role"] != "system" for turn in turns):
        turns.insert(0, {"role": "system", "content": system})
    while turns and turns[-1]["role"] != "assistant":
        turns.pop()
    asked = next((at for at, turn in enumerate(turns) if turn["role"] == "user"), None)
    if asked is None:
        raise UnusableRow("the conversation has no question with an answer after it")
    # a greeting answers nothing that could be asked
    return [*(turn for turn in turns[:asked] if turn["role"] == "system"), *turns[asked:]]


def is_empty_system(turn: object) -> bool:
    """Exports write such a turn where nobody gave a system text."""
    if not isinstance(turn, dict) or role_of(turn) != "system":
        return False
    content = turn.get(content_field(turn))
    return content is None or (isinstance(content, str) and not content.strip())


def turn_of(turn: object) -> dict[str, str]:
    if not isinstance(turn, dict):
        raise UnusableRow("a turn of the conversation is no object")
    role = role_of(turn)
    if role not in ("system", "user", "assistant"):
        raise UnusableRow(f"a turn's role is “{str(role)[:20]}”; it must be system, user or assistant")
    return {"role": role, "content": text_of(turn, content_field(turn))}


def role_of(turn: Mapping[str, Any]) -> Any:
    role = turn.get("role", turn.get("from"))
    return ROLES.get(role, role) if isinstance(role, str) else role


def content_field(turn: Mapping[str, Any]) -> str:
    return "content" if "content" in turn else "value"
