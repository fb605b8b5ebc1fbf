"""Who a visitor is: signed in, at an address of a Space, or in a session; never told by its name."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import fastapi
import gradio as gr
import pytest

from adapter_ui.admission import MOST_ERRANDS, MOST_REQUESTS
from adapter_ui.ui.app import build_page, launch_options, queue_options
from adapter_ui.ui.visitor import for_visitor, visitor_of
from tests.ui.fake_service import FakeService

PROXY, ADA, BOB = "10.16.3.80", "93.184.216.34", "151.101.1.69"

MODEL_EVENTS = "models"


def request(
    peer: str | None = PROXY, *forwarded: str, session: str | None = "tab", username: str | None = None
) -> gr.Request:
    headers = [(b"x-forwarded-for", one.encode()) for one in forwarded]
    scope = {"type": "http", "headers": headers, "client": (peer, 4711) if peer else None}
    return gr.Request(fastapi.Request(scope), username=username, session_hash=session)


def on_space(*args: Any, **named: Any) -> str:
    return visitor_of(request(*args, **named), on_space=True)


def test_a_call_without_a_request_is_the_process_itself():
    assert visitor_of(None, on_space=True) == ""


def test_who_is_signed_in_is_one_visitor_everywhere():
    assert on_space(PROXY, ADA, username="ada") == on_space(PROXY, BOB, session="other", username="ada")
    assert on_space(username="ada") != on_space(username="bob")


def test_on_this_machine_each_session_is_a_visitor():
    def here(session: str) -> str:
        return visitor_of(request("127.0.0.1", session=session), on_space=False)

    assert here("tab") == here("tab") != here("script")


def test_on_a_space_all_sessions_of_one_address_are_one_visitor():
    assert on_space(PROXY, ADA) == on_space("10.16.9.1", ADA, session="other") != on_space(PROXY, BOB)


@pytest.mark.parametrize(
    "forwarded", [(f"{BOB}, {ADA}",), (f"nonsense,{ADA}, 10.0.0.7",), (BOB, ADA), (f"{BOB},{ADA},",)], ids=str
)
def test_what_a_client_adds_in_front_does_not_make_it_somebody_else(forwarded):
    assert on_space(PROXY, *forwarded) == on_space(PROXY, ADA)


def test_a_client_without_a_proxy_is_not_believed():
    assert on_space(ADA, BOB) == on_space(ADA) == on_space(PROXY, ADA)


def test_addresses_of_one_ipv6_household_are_one_visitor_and_a_mapped_one_is_what_it_maps():
    assert on_space(PROXY, "2a00:1450:4001:82a::1") == on_space(PROXY, "2a00:1450:4001:82a:ffff::2")
    assert on_space(PROXY, "2a00:1450:4001:82a::1") != on_space(PROXY, "2a00:1450:4001:82b::1")
    assert on_space(PROXY, f"::ffff:{ADA}") == on_space(PROXY, ADA)


@pytest.mark.parametrize("seen", [(PROXY,), (None,), (PROXY, "unknown"), (PROXY, "")], ids=str)
def test_where_no_address_is_told_visitors_are_told_apart_by_their_sessions(seen):
    assert on_space(*seen, session="one") == on_space(*seen, session="one") != on_space(*seen, session="two")


@pytest.mark.parametrize("named", [{"username": "ada"}, {"session": "ada"}, {}], ids=str)
def test_a_visitor_does_not_tell_who_it_is(named):
    visitor = on_space(PROXY, ADA, **named)
    assert len(visitor) == 32
    assert not any(name in visitor for name in ("ada", ADA, "user", "session"))


def test_a_session_cannot_pose_as_a_user():
    assert on_space(PROXY, session="ada") != on_space(PROXY, username="ada")


def test_a_handler_is_told_who_asks_and_passes_its_values_on():
    told = []

    def stream(service: FakeService, *values: str, visitor: str) -> Iterator[str]:
        try:
            told.append(visitor)
            yield from values
        finally:
            told.append("closed")

    handler = for_visitor(FakeService(), stream)
    events = handler(request(session="tab"), "a", "b")
    assert next(events) == "a"
    events.close()
    assert told == [visitor_of(request(session="tab"), on_space=False), "closed"]


def test_every_event_that_may_take_long_is_told_who_asks_and_waits_in_no_line_of_gradio():
    events = [fn for fn in build_page(FakeService()).fns.values() if fn.concurrency_id == MODEL_EVENTS]
    assert len(events) > 20
    assert all("request" in inspect.signature(one.fn).parameters for one in events)
    assert all(one.concurrency_limit > MOST_REQUESTS + MOST_ERRANDS for one in events)


def test_each_event_that_runs_finds_a_thread():
    queued = [fn for fn in build_page(FakeService()).fns.values() if fn.queue]
    limits = {fn.concurrency_id: fn.concurrency_limit for fn in queued}
    usual = queue_options()["default_concurrency_limit"]
    at_once = sum(usual if one == "default" else one for one in limits.values())
    assert at_once < launch_options()["max_threads"]
