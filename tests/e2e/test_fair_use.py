"""Fair use over HTTP: places in one client's line, others served meanwhile, and readers that vanish."""

from __future__ import annotations

import http.client
import json
import time

import psutil
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from adapter_ui.ui.page import MOST_THREADS
from tests.e2e.app_process import AppProcess
from tests.hub import catalogue

pytestmark = pytest.mark.slow

READERS = 50
QUIET_SECONDS = 10
MOST_IDLE_PERCENT = 20
MOST_LEFT_BYTES = READERS * 1024 * 1024
"""What a crowd may leave in each process once one has been there. Gradio keeps 0.7 MB of each session; how
many sessions it keeps is bounded (`app.MOST_SESSIONS`).
"""
GREEDY = {"prompt": "Hello", "temperature": 0, "max_new_tokens": 8, "precision": "fp32"}


def generated(client: Client) -> str:
    return client.submit(adapter=catalogue.LORA_ID, **GREEDY, api_name="/generate").result(60)


def test_one_client_runs_one_and_waits_with_two_while_another_is_served(app, hub):
    ada, bob = Client(app.url, verbose=False), Client(app.url, verbose=False)
    own = generated(bob)
    ada.predict(adapter=catalogue.WIDE_LORA_ID, api_name="/inspect")
    hub.faults.inject("/_cdn/*", bytes_per_second=1000)
    running = ada.submit(adapter=catalogue.WIDE_LORA_ID, **GREEDY, api_name="/generate")
    assert next(iter(running)) == ""  # it downloads
    second = ada.submit(adapter=catalogue.CLASSIFIER_ID, text="Fine", precision="fp32", api_name="/predict")
    assert next(iter(second))["message"] == "Waiting for your earlier request"
    third = ada.submit(adapter=catalogue.LORA_ID, precision="fp32", api_name="/load")
    assert next(iter(third))["message"] == "Waiting for your 2 earlier requests"
    with pytest.raises(AppError, match="1 request running and 2 waiting"):
        ada.submit(prompt="Hello", arms=[{"adapter": catalogue.LORA_ID}], api_name="/compare").result(30)
    assert generated(bob) == own
    assert not running.done()

    hub.faults.clear()
    running.cancel()
    assert len(second.result(60)["labels"]) == 3
    assert third.result(60)["adapter"] == catalogue.LORA_ID


def test_what_makes_a_model_or_sends_it_takes_its_turn_and_freeing_memory_does_not_wait_for_it(app, hub):
    ada, bob = Client(app.url, verbose=False), Client(app.url, verbose=False)
    both = catalogue.LORA_ID, catalogue.WIDE_LORA_ID
    for adapter in both:
        ada.submit(adapter=adapter, **GREEDY, api_name="/generate").result(60)
    ada.predict(adapter=catalogue.DORA_ID, api_name="/inspect")
    hub.faults.inject("/_cdn/*", bytes_per_second=1000)
    running = ada.submit(adapter=catalogue.DORA_ID, **GREEDY, api_name="/generate")
    assert next(iter(running)) == ""  # it downloads
    parts = [{"adapter": adapter, "weight": 1} for adapter in both]
    mixing = ada.submit(parts=parts, name="waited", combination="svd", api_name="/mix")
    assert next(iter(mixing))["message"] == "Waiting for your earlier request"
    merging = ada.submit(adapter=catalogue.LORA_ID, api_name="/merge")
    assert next(iter(merging))["message"] == "Waiting for your 2 earlier requests"
    for refused in (
        {"adapter": "run:none", "repo_id": "ada/x", "api_name": "/push"},
        {"adapter": catalogue.LORA_ID, "format": "merged", "api_name": "/export"},
        {"parts": parts, "name": "one-more", "combination": "svd", "api_name": "/mix"},
    ):
        with pytest.raises(AppError, match="1 request running and 2 waiting"):
            ada.submit(**refused).result(30)
    left = ada.submit(base="tiny-org/tiny-llama", precision="fp32", api_name="/unload").result(30)
    assert catalogue.LLAMA_ID not in [one["base"] for one in left]
    assert not running.done()
    assert (
        bob.submit(parts=parts, name="bobs", combination="svd", api_name="/mix").result(60)["adapter"]
        == "mix:bobs"
    )

    hub.faults.clear()
    running.cancel()
    assert mixing.result(60)["adapter"] == "mix:waited"
    assert merging.result(120)["adapter"] == catalogue.LORA_ID


def test_who_asks_is_no_argument_of_the_endpoints(app):
    described = Client(app.url, verbose=False).view_api(print_info=False, return_format="dict")
    endpoints = described["named_endpoints"]
    assert not [name for name in endpoints if "partial" in name or "handler" in name]  # the page's own events
    for endpoint in endpoints.values():
        assert "request" not in [parameter["parameter_name"] for parameter in endpoint["parameters"]]


def open_stream(app: AppProcess, number: int) -> http.client.HTTPConnection:
    """Ask, as a script of its own does, for more text than is written in a minute, and begin to listen."""
    arms = [{"adapter": catalogue.LORA_ID, "strength": 1 + arm / 8} for arm in range(8)]
    data = ["Hello", arms, "", "fp32", 480, 1.5, 1, 0, 1, number, None, False, ""]
    connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=30)
    path = "/gradio_api/call/compare"
    connection.request("POST", path, json.dumps({"data": data}), {"Content-Type": "application/json"})
    event_id = json.load(connection.getresponse())["event_id"]
    connection.request("GET", f"{path}/{event_id}")
    return connection


def a_crowd_vanishes(app: AppProcess, worker: psutil.Process) -> None:
    """Some are being answered, some wait, two are too many; once their sockets close, nobody works."""
    connections = [open_stream(app, number) for number in range(READERS)]
    answers = [connection.getresponse() for connection in connections]
    assert all(answers[place].readline() for place in (0, READERS // 10))
    for answer, connection in zip(answers, connections, strict=True):
        answer.close()
        connection.close()
    worker.cpu_percent()
    deadline = time.monotonic() + QUIET_SECONDS
    while (busy := worker.cpu_percent(interval=0.5)) > MOST_IDLE_PERCENT and time.monotonic() < deadline:
        pass
    assert busy <= MOST_IDLE_PERCENT


def test_nothing_is_left_of_fifty_readers_whose_sockets_close(app):
    client = Client(app.url, verbose=False)
    own = generated(client)
    web = psutil.Process(app.process.pid)
    (worker,) = (child for child in web.children() if "adapter_ui.models.worker" in child.cmdline())
    a_crowd_vanishes(app, worker)
    assert generated(client) == own
    before = [process.memory_info().rss for process in (web, worker)]
    threads = worker.num_threads()

    a_crowd_vanishes(app, worker)
    assert generated(client) == own
    after = [process.memory_info().rss for process in (web, worker)]
    grown = [now - then for now, then in zip(after, before, strict=True)]
    assert max(grown) < MOST_LEFT_BYTES, f"web process and worker grew by {grown} bytes"
    assert worker.num_threads() <= threads
    assert web.num_threads() <= MOST_THREADS + 20  # those of its events are kept for the next ones
    assert worker.is_running()
