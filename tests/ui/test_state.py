from __future__ import annotations

from adapter_ui.domain import ChatMessage
from adapter_ui.ui.state import (
    ADAPTER_ARM,
    BASE_ARM,
    MOST_CONVERSATIONS,
    Conversation,
    Selection,
    keep,
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
        kept = keep(kept, Conversation(f"org/a{number}").ask("Hi").answer(ADAPTER_ARM, str(number)))
    assert len(kept) == MOST_CONVERSATIONS
    newest = f"org/a{MOST_CONVERSATIONS + 1}"
    assert recall(kept, newest) == Conversation(newest).ask("Hi").answer(
        ADAPTER_ARM, str(MOST_CONVERSATIONS + 1)
    )
    assert recall(kept, "org/a0") == Conversation("org/a0")
    assert newest not in keep(kept, Conversation(newest))


def test_what_is_no_conversation_in_the_browser_is_left_out() -> None:
    broken = {
        "org/a": [
            1,
            {"question": 2},
            {"question": "Hi", "answers": {"adapter": 3, "other": "x", "base": "ok"}},
        ]
    }
    for kept in (None, [], "text", {"org/a": "text"}):
        assert recall(kept, "org/a") == Conversation("org/a")
    assert recall(broken, "org/a") == Conversation("org/a").ask("Hi").answer(BASE_ARM, "ok")


def test_a_selection_knows_whether_its_adapter_writes_text() -> None:
    assert Selection.of(profile_of(ROWS[0])).writes_text
    assert not Selection.of(profile_of(ROWS[2])).writes_text
