"""A cell with a conversation as turns of one dialect, which begin with a question and end with an answer."""

from __future__ import annotations

from adapter_ui.training.cells import UnusableRow, parsed_cell, text_of

MAX_TURNS = 200
ROLES = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}


def conversation(value: object) -> list[dict[str, str]]:
    """Turns as `{"role", "content"}`, from that or from `{"from", "value"}`, ending with an answer."""
    value = parsed_cell(value) if isinstance(value, str) else value
    if not isinstance(value, list) or len(value) > MAX_TURNS:
        raise UnusableRow(f"the conversation is no list of at most {MAX_TURNS} turns")
    turns = [turn_of(turn) for turn in value]
    while turns and turns[-1]["role"] != "assistant":
        turns.pop()
    if len(turns) < 2:
        raise UnusableRow("the conversation has no question with an answer after it")
    return turns


def turn_of(turn: object) -> dict[str, str]:
    if not isinstance(turn, dict):
        raise UnusableRow("a turn of the conversation is no object")
    role = turn.get("role", turn.get("from"))
    role = ROLES.get(role, role) if isinstance(role, str) else role
    if role not in ("system", "user", "assistant"):
        raise UnusableRow(f"a turn's role is “{str(role)[:20]}”; it must be system, user or assistant")
    return {"role": role, "content": text_of(turn, "content" if "content" in turn else "value")}
