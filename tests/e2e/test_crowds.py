"""More visitors at once than the app takes, with real clients: a place or a refusal for each, and soon."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from gradio_client import Client
from gradio_client.client import Job
from gradio_client.exceptions import AppError

from adapter_ui.admission import MOST_ERRANDS, MOST_REQUESTS
from tests.e2e.app_process import AppProcess
from tests.hub import catalogue

pytestmark = pytest.mark.slow

TOO_MANY = 8
FIRST_WORD_SECONDS = 60
"""Until everybody has been told something; all of them, the app and this test share two processors."""
LOOKED_UP = (
    {"query": "lora", "api_name": "/search"},
    {"adapter": catalogue.WIDE_LORA_ID, "api_name": "/inspect"},
    {"adapter": catalogue.LORA_ID, "api_name": "/inspect"},
    {"api_name": "/loaded"},
)
PATIENT = {"timeout": 60}
QUICK_SECONDS = 10
"""Far below what a place in the line of those that wait would cost, on two processors that all share."""
GREEDY = {"prompt": "Hello", "temperature": 0, "max_new_tokens": 8, "precision": "fp32"}


def clients(app: AppProcess, count: int) -> list[Client]:
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda _: Client(app.url, verbose=False, httpx_kwargs=PATIENT), range(count)))


def first_words(jobs: list[Job]) -> list[Any]:
    """The first event of each stream, or its refusal. Iterating over so many jobs would keep a processor
    busy: the client looks a thousand times a second.
    """
    deadline = time.monotonic() + FIRST_WORD_SECONDS
    while waiting := [job for job in jobs if not job.done() and not job.outputs()]:
        assert time.monotonic() < deadline, f"{len(waiting)} were told nothing"
        time.sleep(0.2)
    return [str(job.exception()) if job.done() and job.exception() else job.outputs()[0] for job in jobs]


def seconds_of(client: Client, **asked: Any) -> float:
    started = time.monotonic()
    client.predict(**asked)
    return time.monotonic() - started


def test_everybody_is_told_a_step_or_a_refusal_and_looking_things_up_stays_quick(app, hub):
    crowd = clients(app, MOST_REQUESTS + TOO_MANY)
    watcher = Client(app.url, verbose=False)
    for asked in LOOKED_UP:  # what was seen once needs no file of the Hub, which is slow from here on
        watcher.predict(**asked)
    hub.faults.inject("/_cdn/*", bytes_per_second=1000)
    jobs = [one.submit(adapter=catalogue.WIDE_LORA_ID, precision="fp32", api_name="/load") for one in crowd]
    told = first_words(jobs)

    refused = [word for word in told if isinstance(word, str)]
    assert len(refused) == TOO_MANY
    assert all("requests of all visitors are running or waiting" in word for word in refused)
    assert all("try again in a minute" in word for word in refused)
    assert {word["stage"] for word in told if not isinstance(word, str)} <= {"inspect", "download"}

    took = [seconds_of(watcher, **asked) for asked in LOOKED_UP]
    assert max(took) < QUICK_SECONDS
    hub.faults.clear()
    reports = [job.result(120) for job, word in zip(jobs, told, strict=True) if not isinstance(word, str)]
    assert len(reports) == MOST_REQUESTS
    assert {report["keys_applied"] for report in reports} == {reports[0]["keys_in_file"]}
    again = next(client for client, word in zip(crowd, told, strict=True) if isinstance(word, str))
    assert again.submit(adapter=catalogue.LORA_ID, **GREEDY, api_name="/generate").result(60)


def test_a_crowd_is_answered_and_each_answer_is_the_one_of_a_single_visitor(app):
    crowd = clients(app, 24)
    arms = [{"adapter": catalogue.LORA_ID}, {"adapter": ""}]
    alone = crowd[0].submit(arms=arms, **GREEDY, api_name="/compare").result(60)
    jobs = [one.submit(arms=arms, **GREEDY, api_name="/compare") for one in crowd]
    answers = [[arm["text"] for arm in job.result(120)] for job in jobs]
    assert answers == [[arm["text"] for arm in alone]] * len(crowd)


def test_unloads_of_many_wait_for_the_answer_on_their_base_beside_the_look_ups(app):
    """Each holds a place until that answer has ended; among the look-ups they would stop everyone."""
    writer, watcher = clients(app, 2)
    watcher.predict(query="lora", api_name="/search")
    endless = {"prompt": "Hello", "precision": "fp32", "max_new_tokens": 480, "temperature": 1.5}
    arms = [{"adapter": catalogue.LORA_ID, "strength": 1 + arm / 8} for arm in range(8)]
    writing = writer.submit(arms=arms, **endless, api_name="/compare")
    assert any(arm["text"] for answers in writing for arm in answers)
    crowd = clients(app, MOST_ERRANDS + 4)
    jobs = [one.submit(base="tiny-org/tiny-llama", precision="fp32", api_name="/unload") for one in crowd]
    assert seconds_of(watcher, query="lora", api_name="/search") < QUICK_SECONDS
    writing.cancel()
    ends = []
    for job in jobs:
        try:
            ends.append(job.result(60))
        except AppError as refusal:
            ends.append(str(refusal))
    assert [] in ends  # what is left in memory once it is unloaded
    assert all(end == [] or "is not loaded" in end or "of all visitors" in end for end in ends)
