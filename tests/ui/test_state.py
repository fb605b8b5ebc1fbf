from __future__ import annotations

import json

import pytest

from adapter_ui.domain import Arm, ChatMessage
from adapter_ui.errors import InvalidInput
from adapter_ui.ui.state import (
    ADAPTER_ARM,
    BASE_ARM,
    MOST_CONVERSATIONS,
    Conversation,
    Selection,
    Turn,
    keep,
    link_of,
    linked_arms,
    recall,
)
from tests.ui.fake_data import ROWS, profile_of


def test_an_arm_never_reads_what_the_other_said() -> None:
    both = (
        Conversation("starter:pirate")
        .ask("Hi")
        .answer(ADAPTER_ARM, "Arrr")
        .answer(BASE_ARM, "Hello")
        .ask("More")
    )
    assert both.for_model(ADAPTER_ARM, "Be short.") == [
        ChatMessage("system", "Be short."),
        ChatMessage("user", "Hi"),
        ChatMessage("assistant", "Arrr"),
        ChatMessage("user", "More"),
    ]
    assert [message.content for message in both.for_model(BASE_ARM, "")] == ["Hi", "Hello", "More"]


def test_an_arm_that_was_not_asked_before_starts_with_the_last_question() -> None:
    later = Conversation("x").ask("Hi").answer(ADAPTER_ARM, "Arrr").ask("More")
    assert [message.content for message in later.for_model(BASE_ARM, "")] == ["More"]


def test_asking_again_drops_the_answers_of_the_last_question() -> None:
    again = Conversation("x").ask("Hi").answer(ADAPTER_ARM, "Arrr").ask_again()
    assert again.for_page(ADAPTER_ARM) == [{"role": "user", "content": "Hi"}]
    assert Conversation("x").ask_again() == Conversation("x")


def test_the_browser_keeps_one_conversation_for_each_adapter() -> None:
    kept: object = None
    for number in range(MOST_CONVERSATIONS + 2):
        fresh = Conversation.fresh(f"org/a{number}")
        kept = keep(kept, fresh.ask("Hi").answer(ADAPTER_ARM, str(number), "3 tokens", whole=True))
    assert len(kept) == MOST_CONVERSATIONS
    newest = Conversation.fresh(f"org/a{MOST_CONVERSATIONS + 1}")
    said = newest.ask("Hi").answer(ADAPTER_ARM, str(MOST_CONVERSATIONS + 1), "3 tokens", whole=True)
    assert recall(kept, newest.ref) == said
    assert recall(kept, "org/a0") == Conversation.fresh("org/a0")
    assert newest.ref not in keep(kept, newest)


def test_a_fresh_conversation_has_the_adapter_beside_its_base() -> None:
    arms = Conversation.fresh("org/a").arms
    assert [(one.key, one.arm) for one in arms] == [(ADAPTER_ARM, Arm("org/a")), (BASE_ARM, Arm())]


def test_arms_are_kept_with_their_strengths() -> None:
    chosen = (
        Conversation.fresh("org/a").add("org/b").add("org/b").strengthen("org/b#2", 0.25).remove(BASE_ARM)
    )
    assert [one.key for one in chosen.arms] == [ADAPTER_ARM, "org/b", "org/b#2"]
    assert recall(json.loads(json.dumps(keep({}, chosen))), "org/a") == chosen


def test_what_earlier_versions_kept_is_still_read() -> None:
    answers = {"adapter": "Arrr", "base": "Hello"}
    old = {"org/a": [{"question": "Hi", "answers": answers}]}
    said = Conversation.fresh("org/a").ask("Hi").answer(ADAPTER_ARM, "Arrr").answer(BASE_ARM, "Hello")
    found = recall(old, "org/a")
    assert (found.arms, found.turns[0].question) == (said.arms, "Hi")
    assert [found.for_page(key) for key in answers] == [said.for_page(key) for key in answers]


def test_what_is_no_conversation_in_the_browser_is_left_out() -> None:
    fresh = Conversation.fresh("org/a")
    broken_turn = {
        "question": "Hi",
        "answers": {"adapter": 3, "base": "ok"},
        "figures": {"base": 4},
        "whole": ["adapter", 5],
    }
    broken_arms = [1, ["base"], [3, 1.0], ["base", "1"], ["base", 99], ["../etc", 1.0], ["base", True]]
    for kept in (None, [], "text", {"org/a": "text"}, {"org/a": {"turns": 1, "arms": "adapter"}}):
        assert recall(kept, "org/a") == fresh
    found = recall({"org/a": {"turns": [1, {"question": 2}, broken_turn], "arms": broken_arms}}, "org/a")
    assert (found.arms, found.turns) == (fresh.arms, (Turn("Hi", {BASE_ARM: "ok"}),))


def test_an_address_names_arms_with_their_strengths() -> None:
    fresh = Conversation.fresh("org/a")
    assert link_of(fresh) == ""
    chosen = fresh.add("org/b@v1").strengthen("org/b@v1", 0.25)
    assert link_of(chosen) == "adapter~1,base~1,org/b@v1~0.25"
    assert linked_arms(link_of(chosen), "org/a") == chosen.arms


@pytest.mark.parametrize("link", ["", "adapter", "~1", "../etc~1", "adapter~9", "base~nan", "base~1e3"])
def test_an_address_that_names_no_arms_gives_none(link: str) -> None:
    assert linked_arms(link, "org/a") == ()


def test_the_same_adapter_again_has_another_strength_and_its_own_history() -> None:
    twice = Conversation.fresh("org/a").add("org/a")
    assert [(one.key, one.arm.strength) for one in twice.arms] == [
        (ADAPTER_ARM, 1.0),
        (BASE_ARM, 1.0),
        ("org/a#2", 0.5),
    ]
    said = twice.ask("Hi").answer(ADAPTER_ARM, "Arrr").ask("More")
    assert [message.content for message in said.for_model("org/a#2", "")] == ["More"]


def test_a_removed_arm_comes_back_with_what_it_said() -> None:
    said = Conversation.fresh("org/a").ask("Hi").answer(BASE_ARM, "Hello")
    assert said.remove(BASE_ARM).add("").for_page(BASE_ARM) == said.for_page(BASE_ARM)


def test_another_strength_keeps_the_history() -> None:
    said = Conversation.fresh("org/a").ask("Hi").answer(ADAPTER_ARM, "Arrr")
    weaker = said.strengthen(ADAPTER_ARM, 0.3)
    assert weaker.arms[0].arm == Arm("org/a", 0.3)
    assert weaker.for_page(ADAPTER_ARM) == said.for_page(ADAPTER_ARM)


def test_arms_that_cannot_be_are_explained() -> None:
    full = Conversation.fresh("org/a").add("org/b").add("org/c")
    for change, why in (
        (lambda: full.add("org/d"), "4 arms at most"),
        (lambda: Conversation.fresh("org/a").add(""), "base is asked already"),
        (lambda: Conversation.fresh("org/a").add("../etc"), "not the name of an adapter"),
        (lambda: full.strengthen(ADAPTER_ARM, 5), "strength must be a number"),
        (lambda: Conversation.fresh("org/a").remove(BASE_ARM).remove(ADAPTER_ARM), "has to stay"),
    ):
        with pytest.raises(InvalidInput, match=why):
            change()


def test_a_selection_knows_whether_its_adapter_writes_text() -> None:
    assert Selection.of(profile_of(ROWS[0])).writes_text
    assert not Selection.of(profile_of(ROWS[2])).writes_text
