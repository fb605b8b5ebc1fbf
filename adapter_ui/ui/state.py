"""What a session remembers between events: the selection and the conversation.

Plain objects with verbs; nothing here knows Gradio, so each is tested without a page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from adapter_ui.domain import AdapterProfile, ChatMessage

ADAPTER_ARM, BASE_ARM = "adapter", "base"
MOST_TURNS = 60
MOST_CONVERSATIONS = 8


@dataclass(frozen=True)
class Selection:
    """The adapter that travels through all tabs. All but `ref` is unknown until it was inspected."""

    ref: str = ""
    base: str = ""
    task_type: str = ""
    method: str = ""

    @classmethod
    def of(cls, profile: AdapterProfile) -> Selection:
        base = profile.base.id if profile.base else ""
        return cls(str(profile.ref), base, profile.task_type or "", profile.method or "")

    @property
    def writes_text(self) -> bool:
        return self.task_type in ("", "CAUSAL_LM", "SEQ_2_SEQ_LM")


@dataclass(frozen=True)
class Turn:
    """One question and the answer of each arm that was asked."""

    question: str
    answers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Conversation:
    """Turns with one adapter, each arm with its own answers: an arm never reads what the other one said."""

    ref: str = ""
    turns: tuple[Turn, ...] = ()

    def ask(self, question: str) -> Conversation:
        return replace(self, turns=(*self.turns, Turn(question))[-MOST_TURNS:])

    def answer(self, arm: str, text: str) -> Conversation:
        """The last turn with this arm's answer so far."""
        last = replace(self.turns[-1], answers={**self.turns[-1].answers, arm: text})
        return replace(self, turns=(*self.turns[:-1], last))

    def ask_again(self) -> Conversation:
        """The same questions with the last one unanswered."""
        if not self.turns:
            return self
        return replace(self, turns=(*self.turns[:-1], Turn(self.turns[-1].question)))

    def for_model(self, arm: str, system: str) -> list[ChatMessage]:
        messages = [ChatMessage("system", system)] if system.strip() else []
        return [*messages, *(ChatMessage(one["role"], one["content"]) for one in self.for_page(arm))]

    def for_page(self, arm: str) -> list[dict[str, str]]:
        """Messages as a chat shows them; questions that this arm was never asked count only when last."""
        messages: list[dict[str, str]] = []
        for turn in self.turns:
            if arm in turn.answers or turn is self.turns[-1]:
                messages.append({"role": "user", "content": turn.question})
            if turn.answers.get(arm):
                messages.append({"role": "assistant", "content": turn.answers[arm]})
        return messages


def keep(kept: object, conversation: Conversation) -> dict[str, Any]:
    """What the browser keeps: the turns of the adapters talked to last, by their refs."""
    others = (
        {ref: turns for ref, turns in kept.items() if ref != conversation.ref}
        if isinstance(kept, dict)
        else {}
    )
    turns = [{"question": turn.question, "answers": dict(turn.answers)} for turn in conversation.turns]
    newest = [*others.items(), *([(conversation.ref, turns)] if turns else [])]
    return dict(newest[-MOST_CONVERSATIONS:])


def recall(kept: object, ref: str) -> Conversation:
    """The conversation that the browser kept; what is no turn is left out, for anyone can write there."""
    items = kept.get(ref) if isinstance(kept, dict) else None
    turns = (read_turn(item) for item in (items if isinstance(items, list) else [])[-MOST_TURNS:])
    return Conversation(ref, tuple(turn for turn in turns if turn))


def read_turn(item: object) -> Turn | None:
    if not isinstance(item, dict) or not isinstance(item.get("question"), str):
        return None
    answers = item.get("answers")
    answers = answers if isinstance(answers, dict) else {}
    known = {arm: answers[arm] for arm in (ADAPTER_ARM, BASE_ARM) if isinstance(answers.get(arm), str)}
    return Turn(item["question"], known)
