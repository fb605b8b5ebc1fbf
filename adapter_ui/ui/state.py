"""What a session remembers between events: the selection, and a conversation with one or several arms.

Plain objects with verbs; nothing here knows Gradio, so each is tested without a page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from adapter_ui.domain import OWN_MODEL, AdapterProfile, AdapterRef, Arm, ChatMessage, ModelChoice
from adapter_ui.domain.classes import task_of
from adapter_ui.errors import InvalidInput

ADAPTER_ARM, BASE_ARM = "adapter", "base"
"""The keys of the two arms that every conversation begins with: the selected adapter, and its base."""
MOST_ARMS = 4
MOST_TURNS = 60
MOST_CONVERSATIONS = 8
MOST_ANSWERS = 12
LONGEST_KEY = 1000
LONGEST_FIGURES = 300
NUMBER = re.compile(r"\d{1,2}(\.\d{1,6})?", re.ASCII)
STRENGTHS = (1.0, 0.5, 1.5, 2.0)
"""What the first, second, … arm of one adapter starts with, so that no two arms say the same."""


@dataclass(frozen=True)
class Selection:
    """The adapter that travels through all tabs. All but `ref` is unknown until it was inspected.

    `choice` is the base and the class that the visitor chose for it; `base` is that base, else its own, and
    `task_type` follows the class.
    """

    ref: str = ""
    base: str = ""
    task_type: str = ""
    method: str = ""
    choice: ModelChoice = OWN_MODEL

    @classmethod
    def of(cls, profile: AdapterProfile, choice: ModelChoice = OWN_MODEL) -> Selection:
        """`profile` was read beside the base of `choice`."""
        base = profile.base.id if profile.base else ""
        task_type = task_of(profile.task_type, profile.config, choice.model_class) or ""
        return cls(str(profile.ref), base, task_type, profile.method or "", choice)

    @property
    def writes_text(self) -> bool:
        return self.task_type in ("", "CAUSAL_LM", "SEQ_2_SEQ_LM")


@dataclass(frozen=True)
class Chosen:
    """A choice of base and class, and the adapter that it was made for; no other one is loaded so."""

    ref: str = ""
    choice: ModelChoice = OWN_MODEL

    @classmethod
    def read(cls, ref: str, base_model: str, model_class: str) -> Chosen:
        """What a page's address says; what can be no choice is as good as not there."""
        try:
            return cls(ref, ModelChoice(base_model, model_class))
        except InvalidInput:
            return cls(ref)

    def of(self, ref: str) -> ModelChoice:
        """The choice for this adapter; nothing was chosen for any other one."""
        return self.choice if ref == self.ref else OWN_MODEL


@dataclass(frozen=True)
class ChosenArm:
    """One column of a conversation. `key` stays when its strength changes, so its history does too."""

    key: str
    arm: Arm


@dataclass(frozen=True)
class Link:
    """The arms that the page's address named when it was opened, for the adapter beside them."""

    ref: str = ""
    arms: str = ""


@dataclass(frozen=True)
class Turn:
    """One question, the answer of each arm that was asked, and in words how fast each of them was.

    `whole` are the arms that came to their end; an answer that was stopped says little about its arm.
    """

    question: str
    answers: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, str] = field(default_factory=dict)
    whole: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Conversation:
    """Turns with the arms beside one selected adapter, each with its own answers: an arm never reads what
    another one said.
    """

    ref: str = ""
    turns: tuple[Turn, ...] = ()
    arms: tuple[ChosenArm, ...] = ()

    @classmethod
    def fresh(cls, ref: str) -> Conversation:
        """Nothing asked yet, with the adapter and its base side by side."""
        return cls(ref, (), (ChosenArm(ADAPTER_ARM, Arm(ref)), ChosenArm(BASE_ARM, Arm())))

    # ---- arms

    def add(self, adapter: str) -> Conversation:
        """One arm more; "" is the base. Raises InvalidInput, also for what is no adapter's name."""
        if len(self.arms) == MOST_ARMS:
            raise InvalidInput(f"{MOST_ARMS} arms at most; remove one to add another.", field="arms")
        if not adapter and any(one.key == BASE_ARM for one in self.arms):
            raise InvalidInput("The base is asked already.", field="arms")
        adapter = adapter and str(AdapterRef.parse(adapter))
        taken = [one.arm.strength for one in self.arms if one.arm.adapter == adapter]
        strength = next(value for value in STRENGTHS if value not in taken)
        return replace(self, arms=(*self.arms, ChosenArm(self.free_key(adapter), Arm(adapter, strength))))

    def free_key(self, adapter: str) -> str:
        """A key that no arm has; always the same for an adapter, so that it comes back with its history."""
        first = {"": BASE_ARM, self.ref: ADAPTER_ARM}.get(adapter, adapter)
        keys = [first, *(f"{adapter}#{number}" for number in range(2, MOST_ARMS + 1))]
        used = {one.key for one in self.arms}
        return next(key for key in keys if key not in used)

    def remove(self, key: str) -> Conversation:
        left = tuple(one for one in self.arms if one.key != key)
        if not left:
            raise InvalidInput("One arm has to stay.", field="arms")
        return replace(self, arms=left)

    def strengthen(self, key: str, strength: float) -> Conversation:
        """The arm at another strength. Raises InvalidInput for a strength out of range."""
        return replace(
            self,
            arms=tuple(
                ChosenArm(key, Arm(one.arm.adapter, strength)) if one.key == key and one.arm.adapter else one
                for one in self.arms
            ),
        )

    # ---- turns

    def ask(self, question: str) -> Conversation:
        return replace(self, turns=(*self.turns, Turn(question))[-MOST_TURNS:])

    def answer(self, arm: str, text: str, figures: str = "", *, whole: bool = False) -> Conversation:
        """The last turn with this arm's answer so far."""
        last = self.turns[-1]
        last = replace(
            last,
            answers={**last.answers, arm: text},
            figures={**last.figures, arm: figures},
            whole=last.whole | {arm} if whole else last.whole - {arm},
        )
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
    """What the browser keeps: turns and arms of the adapters talked to last, by their refs."""
    others = (
        {ref: one for ref, one in kept.items() if ref != conversation.ref} if isinstance(kept, dict) else {}
    )
    turns = [
        {
            "question": turn.question,
            "answers": dict(turn.answers),
            "figures": dict(turn.figures),
            "whole": sorted(turn.whole),
        }
        for turn in conversation.turns
    ]
    arms = [[one.key, one.arm.strength] for one in conversation.arms]
    is_fresh = conversation == Conversation.fresh(conversation.ref)
    newest = [] if is_fresh else [(conversation.ref, {"turns": turns, "arms": arms})]
    return dict([*others.items(), *newest][-MOST_CONVERSATIONS:])


def recall(kept: object, ref: str) -> Conversation:
    """The conversation that the browser kept; what is none is left out, for anyone can write there.

    Earlier versions kept a list of turns, with the two arms that every conversation begins with.
    """
    found = kept.get(ref) if isinstance(kept, dict) else None
    fields = found if isinstance(found, dict) else {"turns": found}
    turns = (read_turn(item) for item in items_of(fields.get("turns"))[-MOST_TURNS:])
    arms = read_arms(items_of(fields.get("arms"))[:MOST_ARMS], ref)
    fresh = Conversation.fresh(ref)
    return replace(fresh, turns=tuple(turn for turn in turns if turn), arms=arms or fresh.arms)


def link_of(conversation: Conversation) -> str:
    """The arms for the page's address; "" when they are those that every conversation begins with."""
    if conversation.arms == Conversation.fresh(conversation.ref).arms:
        return ""
    return ",".join(f"{one.key}~{one.arm.strength:g}" for one in conversation.arms)


def linked_arms(link: str, ref: str) -> tuple[ChosenArm, ...]:
    """The arms that an address names, as far as they can be read."""
    pairs = [part.rpartition("~") for part in link.split(",")[:MOST_ARMS]]
    return read_arms([[key, float(value)] for key, _, value in pairs if NUMBER.fullmatch(value)], ref)


def items_of(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def read_turn(item: object) -> Turn | None:
    if not isinstance(item, dict) or not isinstance(item.get("question"), str):
        return None
    figures = {key: text[:LONGEST_FIGURES] for key, text in read_texts(item.get("figures")).items()}
    answers = read_texts(item.get("answers"))
    return Turn(item["question"], answers, figures, frozenset(answers.keys() & names_in(item.get("whole"))))


def names_in(value: object) -> set[str]:
    return {one for one in items_of(value) if isinstance(one, str)}


def read_texts(value: object) -> dict[str, str]:
    """Texts by the keys of arms."""
    texts = value if isinstance(value, dict) else {}
    known = [
        (key, text)
        for key, text in texts.items()
        if isinstance(key, str) and isinstance(text, str) and len(key) <= LONGEST_KEY
    ]
    return dict(known[:MOST_ANSWERS])


def read_arms(items: list[Any], ref: str) -> tuple[ChosenArm, ...]:
    """Arms from pairs of key and strength; a key says which adapter it stands for."""
    arms: dict[str, ChosenArm] = {}
    for item in items:
        key, strength = item if isinstance(item, list) and len(item) == 2 else (None, None)
        if not isinstance(key, str) or not 0 < len(key) <= LONGEST_KEY:
            continue
        adapter = {ADAPTER_ARM: ref, BASE_ARM: ""}.get(key, key.partition("#")[0])
        try:
            name = adapter and str(AdapterRef.parse(adapter))
            arms[key] = ChosenArm(key, Arm(name, strength))
        except InvalidInput:
            continue  # no name of an adapter, or no strength: as good as not kept
    return tuple(arms.values())
