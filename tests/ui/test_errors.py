from __future__ import annotations

import logging

import gradio as gr
import pytest
from markupsafe import Markup

from adapter_ui import errors
from adapter_ui.domain import Progress
from adapter_ui.ui.errors import SHOWN_AS, shown_to_user, title_of
from adapter_ui.ui.markup import at_rest, progress
from adapter_ui.ui.mixing.panel import mix
from adapter_ui.ui.selected import loading
from adapter_ui.ui.state import Selection
from adapter_ui.ui.tuning.outgoing_panel import pushing
from tests.ui.fake_data import SMOL
from tests.ui.fake_service import FakeService


def leaves(kind: type[errors.AdapterUIError]) -> list[type[errors.AdapterUIError]]:
    return [kind, *(leaf for child in kind.__subclasses__() for leaf in leaves(child))]


@pytest.mark.parametrize(
    "kind", [kind for kind in leaves(errors.AdapterUIError) if kind is not errors.Cancelled]
)
def test_every_error_has_a_title_of_its_own_or_of_a_parent_that_is_not_the_root(
    kind: type[errors.AdapterUIError],
) -> None:
    title, seconds = title_of(kind("It is so."))
    assert seconds > 0
    assert kind is errors.AdapterUIError or title != SHOWN_AS[errors.AdapterUIError][0]


def test_our_errors_become_their_sentence_without_a_traceback() -> None:
    with pytest.raises(gr.Error) as raised, shown_to_user():
        raise errors.GatedRepo("Accept the licence on the Hub first.")
    assert raised.value.message == "Accept the licence on the Hub first."
    assert raised.value.title == "A licence has to be accepted"
    assert raised.value.print_exception is False


def test_markup_in_a_message_is_escaped() -> None:
    with pytest.raises(gr.Error) as raised, shown_to_user():
        raise errors.BadAdapter("<img src=x onerror=hack()> is no adapter.")
    assert "<img" not in raised.value.message
    assert "&lt;img" in raised.value.message


def test_cancelled_is_silent() -> None:
    with shown_to_user():
        raise errors.Cancelled("Stopped.")


def test_what_nobody_foresaw_is_logged_under_the_number_that_is_shown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(gr.Error) as raised, shown_to_user():
        raise ZeroDivisionError("secret detail")
    assert "secret detail" not in raised.value.message
    assert caplog.records[0].args[0] in raised.value.message


def test_what_was_refused_stays_on_the_page_after_the_message_has_gone() -> None:
    service = FakeService()
    gated = Selection("meta-fans/llama-3.1-8b-instruct-lora", SMOL, "CAUSAL_LM", "LORA")
    streams = {
        "accepted licence": loading.load(service, gated, "bf16", "", ""),
        "name must be": mix(service, ("org/a", "org/b"), ("a b", "linear", 0.5, 0, 0, 1.0, 1.0, 1.0, 1.0)),
        "account/name": pushing(service, "run0001", "pirate", "hf_secret", True, False),
    }
    for sentence, steps in streams.items():
        shown: list[str] = []
        with pytest.raises(gr.Error, match=sentence):
            shown.extend(step[-1] for step in steps)
        assert sentence in shown[-1]
        assert "Stopped" not in shown[-1]
        assert at_rest(shown[-1], Markup("Stopped")) == shown[-1]


def test_a_step_that_came_late_does_not_look_as_if_the_work_went_on() -> None:
    assert at_rest(progress(Progress("load", "Loading")), Markup("Stopped")) == "Stopped"
