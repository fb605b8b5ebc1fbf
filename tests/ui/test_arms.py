"""Several arms asked at once: what handlers, markup and endpoint make of the service's answers."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import gradio as gr
import pytest

from adapter_ui.domain import Arm, ArmAnswer, ModelChoice, Precision, Progress
from adapter_ui.ui.api import Api
from adapter_ui.ui.generating import answering, choosing
from adapter_ui.ui.generating.arms import arm_bar, arm_head
from adapter_ui.ui.generating.figures import below_answer
from adapter_ui.ui.state import (
    ADAPTER_ARM,
    BASE_ARM,
    MOST_ARMS,
    ChosenArm,
    Conversation,
    Link,
    Selection,
    Turn,
    recall,
)
from tests.ui.drawn import Drawn
from tests.ui.fake_arms import ANSWER, DRAWN_SEED, PLAIN, PROMPTS, UNTRAINED
from tests.ui.fake_data import SMOL
from tests.ui.fake_service import FakeService

PIRATE = Selection("starter:pirate", SMOL, "CAUSAL_LM", "LORA")
SAMPLING = (64, 0.7, 0.95, 50, 1.0, "11", "END\n\nSTOP", False)
QUESTION = "What is the capital of France?"
UNREACHABLE = "nobody/unreachable"


def asked_of(*adapters: str) -> Conversation:
    conversation = Conversation.fresh(PIRATE.ref)
    for adapter in adapters:
        conversation = conversation.add(adapter)
    return conversation.ask(QUESTION)


def columns(step: list) -> tuple[list, list]:
    """The chats and the feet of one step."""
    return step[1 : 1 + MOST_ARMS], [Drawn(foot).text for foot in step[1 + MOST_ARMS : 1 + 2 * MOST_ARMS]]


def test_all_arms_are_asked_at_once_each_with_its_own_history() -> None:
    service = FakeService()
    earlier = asked_of().answer(ADAPTER_ARM, "Arrr").answer(BASE_ARM, "Paris.").add("starter:formal")
    sampling = (64, 0.7, 0.95, 50, 1.0, "", "", False)
    *_, last = answering.answer(service, PIRATE, "bf16", earlier.ask("More"), "Be short.", *sampling)
    (request,) = service.asked
    assert [one.arm for one in request["arms"]] == [Arm(PIRATE.ref), Arm(), Arm("starter:formal")]
    assert [[message.content for message in one.messages] for one in request["arms"]] == [
        ["Be short.", QUESTION, "Arrr", "More"],
        ["Be short.", QUESTION, "Paris.", "More"],
        ["Be short.", "More"],
    ]
    assert request["options"].seed is None  # the service draws one for all
    chats, feet = columns(last)
    assert [chat[-1]["content"]["text"] for chat in chats[:3]] == [ANSWER, PLAIN, ANSWER]
    assert chats[3] == []
    assert all("tok/s" in foot and f"seed {DRAWN_SEED}" in foot for foot in feet[:3])


def test_the_base_alone_is_named() -> None:
    service = FakeService()
    alone = asked_of().remove(ADAPTER_ARM)
    list(answering.answer(service, PIRATE, "bf16", alone, "", *SAMPLING))
    assert service.asked[0]["base_model"] == SMOL
    list(answering.answer(service, PIRATE, "bf16", asked_of(), "", *SAMPLING))
    assert service.asked[1]["base_model"] == ""


def test_a_chosen_class_is_that_of_the_base_alone_and_beside_an_adapter_of_the_adapter() -> None:
    service, chosen = FakeService(), replace(PIRATE, choice=ModelChoice(model_class="LlamaForCausalLM"))
    for conversation in (asked_of().remove(ADAPTER_ARM), asked_of()):
        list(answering.answer(service, chosen, "bf16", conversation, "", *SAMPLING))
    classes = [[one.arm.choice.model_class for one in request["arms"]] for request in service.asked]
    assert classes == [["LlamaForCausalLM"], ["LlamaForCausalLM", ""]]


def test_stopping_closes_the_stream_of_all_arms() -> None:
    service = FakeService()
    streaming = answering.answer(service, PIRATE, "bf16", asked_of("starter:formal"), "", *SAMPLING)
    next(streaming), next(streaming)
    streaming.close()
    assert service.closed_streams == 1


def test_an_arm_that_fails_says_why_in_its_place_and_the_others_answer() -> None:
    step = list(answering.answer(FakeService(), PIRATE, "bf16", asked_of(UNREACHABLE), "", *SAMPLING))[-1]
    chats, feet = columns(step)
    assert "The Hub cannot be reached" in feet[2]
    assert [chat[-1]["content"]["text"] for chat in chats[:3]] == [ANSWER, PLAIN, QUESTION]


def test_the_page_says_quietly_why_an_arm_takes_turns() -> None:
    step = list(answering.answer(FakeService(), PIRATE, "bf16", asked_of(PROMPTS), "", *SAMPLING))[-1]
    _, feet = columns(step)
    assert "Takes turns: prompt tuning is not mixed" in feet[2]
    assert "Takes turns" not in feet[0] + feet[1]


def test_an_adapter_that_changes_nothing_is_called_that() -> None:
    step = list(answering.answer(FakeService(), PIRATE, "bf16", asked_of(UNTRAINED), "", *SAMPLING))[-1]
    _, feet = columns(step)
    assert ["same as the base" in foot for foot in feet] == [False, False, True, False]
    assert feet[0].startswith("departs at word 1: Arrr!")


@pytest.mark.parametrize(
    ("base", "mine", "said"),
    [
        ("One two three.", "One two four.", "departs at word 3: four."),
        ("One two three.", "One two", "departs at word 3: (ends)"),
        ("One two", "One two three", "departs at word 3: three"),
        ("One  two", "One two", "same as the base"),
        ("One", "", ""),
        ("", "One", ""),
        ("One", "<b>x</b>", "departs at word 1: <b>x</b>"),
    ],
)
def test_where_an_arm_departs_from_the_base(base: str, mine: str, said: str) -> None:
    turn = Turn("Hi", {BASE_ARM: base, "org/a": mine}, whole=frozenset({BASE_ARM, "org/a"}))
    foot = Drawn(below_answer(turn, ChosenArm("org/a", Arm("org/a"))))
    assert foot.text.removesuffix(" ·") == said
    assert all(tag != "b" for tag, _ in foot.elements)


@pytest.mark.parametrize("stopped", [BASE_ARM, "org/a"])
def test_what_was_stopped_is_not_compared(stopped: str) -> None:
    said = Conversation.fresh("org/b").add("org/a").ask("Hi")
    for key in (BASE_ARM, "org/a"):
        said = said.answer(key, "One", whole=key != stopped)
    assert "same as" not in below_answer(said.turns[-1], said.arms[2])
    said = said.answer(stopped, "One", whole=True)
    assert "same as" in below_answer(said.turns[-1], said.arms[2])


def test_an_arm_that_waits_says_for_what() -> None:
    one = ChosenArm("org/a", Arm("org/a"))
    answer = ArmAnswer(one.arm, progress=Progress("download", "Downloading the base", 27, 90))
    assert "Downloading the base 30%" in below_answer(Turn("Hi"), one, answer)


def test_an_empty_question_and_a_first_regenerate_are_explained() -> None:
    with pytest.raises(gr.Error, match="write something"):
        answering.ask(Conversation(), "  ")
    with pytest.raises(gr.Error, match="ask something first"):
        answering.ask_again(Conversation())


def changed(conversation: Conversation, **event: object) -> Conversation:
    return choosing.change_arms(PIRATE, conversation, SimpleNamespace(**event))[0]


def test_what_the_browser_reports_changes_the_arms() -> None:
    two = Conversation.fresh(PIRATE.ref)
    three = changed(two, name="add", value=" starter:formal ")
    assert three == two.add("starter:formal")
    weaker = changed(three, name="strength", value=ADAPTER_ARM, strength=0.5)
    assert weaker == three.strengthen(ADAPTER_ARM, 0.5)
    assert changed(weaker, name="remove", value="starter:formal").arms == weaker.arms[:2]


@pytest.mark.parametrize(
    "event",
    [
        {"name": "add", "value": "../etc"},
        {"name": "add", "value": ["starter:formal"]},
        {"name": "strength", "value": ADAPTER_ARM, "strength": "a lot"},
        {"name": "strength", "value": ADAPTER_ARM, "strength": -1},
        {"name": "format", "value": "c:"},
    ],
)
def test_what_no_page_of_ours_would_report_is_refused(event: dict[str, object]) -> None:
    with pytest.raises(gr.Error):
        changed(Conversation.fresh(PIRATE.ref), **event)


def test_the_menu_offers_what_is_at_hand_and_each_of_it_once() -> None:
    service = FakeService()
    service.remember(SMOL, Precision.BF16, "starter:formal")
    service.remember(SMOL, Precision.BF16, "org/loaded")
    picked = ["org/picked", "org/loaded", 7, "x" * 2000]
    alone = Conversation.fresh(PIRATE.ref).remove(BASE_ARM)
    menu = Drawn(choosing.suggest(service, PIRATE, alone, picked))
    offered = menu.attributes("button", "data-value")
    assert offered[:5] == ["", PIRATE.ref, "org/picked", "org/loaded", "starter:formal"]
    assert len(offered) == len(set(offered))
    assert "starter:sentiment" not in offered  # it writes no text
    assert "" not in Drawn(
        choosing.suggest(service, PIRATE, Conversation.fresh(PIRATE.ref), None)
    ).attributes("button", "data-value")


def test_a_head_names_the_arm_and_the_base_truly() -> None:
    two = Conversation.fresh(PIRATE.ref)
    heads = [Drawn(arm_head(two, one, SMOL)) for one in two.arms]
    assert [head.text for head in heads] == ["pirate × ×", "Base · SmolLM2-135M-Instruct ×"]
    assert heads[0].attributes("input", "value") == ["1"]
    of_other = two.add("org/other").remove(ADAPTER_ARM)
    assert "Base of other" in Drawn(arm_head(of_other, of_other.arms[0], SMOL)).text
    alone = two.remove(BASE_ARM)
    assert "remove" not in arm_head(alone, alone.arms[0], SMOL)
    assert 'data-arms="1"' in arm_bar(alone)


def test_the_endpoint_streams_the_answers_in_the_order_of_the_arms() -> None:
    service = FakeService()
    arms = [{"adapter": "starter:pirate", "strength": 0.5}, {}, {"adapter": UNREACHABLE}]
    *steps, last = Api(service).compare(QUESTION, arms, seed=3, base_model=SMOL)
    assert all(len(step) == 3 for step in steps)
    assert [one["text"] for one in last] == [ANSWER, PLAIN, ""]
    assert set(last[0]) == {
        "adapter", "strength", "text", "tokens", "tokens_per_second", "done", "error", "takes_turns"
    }  # fmt: skip
    assert [(one["adapter"], one["strength"], one["done"]) for one in last] == [
        ("starter:pirate", 0.5, True),
        ("", 1.0, True),
        (UNREACHABLE, 1.0, True),
    ]
    assert "cannot be reached" in last[2]["error"]
    assert (service.asked[0]["options"].seed, service.asked[0]["base_model"]) == (3, SMOL)


@pytest.mark.parametrize(
    ("arms", "why"),
    [
        ("starter:pirate", "arms must be a list"),
        (["starter:pirate"], "arms must be a list"),
        ([{"adapter": 3}], "adapter must be a string"),
        ([{"adapter": "starter:pirate", "strength": "1"}], "strength must be a number"),
        ([{"adapter": "starter:pirate", "strength": 9}], "strength must be a number"),
        ([{"name": "starter:pirate"}], "no name"),
    ],
)
def test_bad_arms_of_the_endpoint_are_sentences_of_ours(arms: object, why: str) -> None:
    with pytest.raises(gr.Error, match=why):
        list(Api(FakeService()).compare(QUESTION, arms))


def test_the_chip_of_the_base_follows_another_base_for_the_same_adapter() -> None:
    said = asked_of().ask("Hi").answer(ADAPTER_ARM, "Arrr").answer(BASE_ARM, "Hello")
    on_another = Selection(PIRATE.ref, "Qwen/Qwen3-0.6B", "CAUSAL_LM", "LORA")
    kept, link, conversation, _, first, second, *_ = choosing.follow(on_another, said, {}, Link())
    assert (kept, link, conversation) == (gr.skip(), Link(), said)
    assert "pirate" in first
    assert "Base · Qwen3-0.6B" in second


def test_a_conversation_that_is_left_is_kept_as_far_as_it_went() -> None:
    said = asked_of().ask("Hi").answer(ADAPTER_ARM, "Arrr, half an ans")
    other = Selection("starter:orders", SMOL, "CAUSAL_LM", "LORA")
    kept, _, conversation, *_ = choosing.follow(other, said, {}, Link())
    assert conversation.ref == other.ref
    assert recall(kept, PIRATE.ref).turns == said.turns
    nothing, *_ = choosing.follow(other, Conversation(), {}, Link())
    assert nothing == gr.skip()


def test_at_rest_no_arm_says_that_it_waits_and_the_others_keep_what_they_said() -> None:
    said = asked_of().ask("Hi").answer(BASE_ARM, "Hello", "2 tokens")
    waits = ArmAnswer(said.arms[0].arm, progress=Progress("download", "Downloading the base", 27, 90))
    failed = ArmAnswer(said.arms[1].arm, error="The Hub cannot be reached.")
    turn = said.turns[-1]
    feet = [below_answer(turn, said.arms[0], waits), below_answer(turn, said.arms[1], failed)]
    _, status, *rested = answering.keep_and_rest({}, said, *feet)
    assert status == ""
    assert rested[:2] == ["", gr.skip()]
