"""One bounded request over the client's own session: a deadline, a limit of bytes, one quick second try.

The client's own calls retry for minutes and read bodies of any size, those of refusals included. A name that
is looked up in vain and headers that trickle in obey no timeout of the session, so each request is made in a
thread, which is left behind at the deadline. Knows nothing of what is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx2
from huggingface_hub import get_session
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import hf_raise_for_status
from huggingface_hub.utils._http import hf_request_event_hook

from adapter_ui.catalog.hub.errors import too_slow

REQUEST_SECONDS = 12.0
TIMEOUT = httpx2.Timeout(8.0, connect=5.0)
MOST_REDIRECTS = 8
MOST_AT_ONCE = 64
LONGEST_HEADER = 1_000
QUICK_FAILURES = (httpx2.NetworkError, httpx2.RemoteProtocolError, HfHubHTTPError)
BUSY = (502, 503, 504)
SECOND_TRY_SECONDS = 0.3

Parameters = Mapping[str, str | int | Sequence[str]]


@dataclass(frozen=True)
class Answer:
    """One answer: its headers, and its body up to the asked limit plus one byte.

    `hub_headers` are the Hub's own of a file, X-Repo-Commit and X-Linked-Size among them: those of the answer
    that sent the request elsewhere, if one did.
    """

    body: bytes
    headers: httpx2.Headers
    hub_headers: Mapping[str, str]


def bounded_client() -> httpx2.Client:
    """The client's session as it makes it, but with timeouts: without them a silent server hangs a page."""
    hooks = {"request": [hf_request_event_hook]}
    # Every thread may hold one connection to the Hub and one to its CDN; the client's own 20 would be closed
    # and opened again and again.
    limits = httpx2.Limits(max_connections=4 * MOST_AT_ONCE, max_keepalive_connections=2 * MOST_AT_ONCE)
    return httpx2.Client(
        event_hooks=hooks, follow_redirects=True, max_redirects=MOST_REDIRECTS, timeout=TIMEOUT, limits=limits
    )


class Transport:
    """Makes requests in threads of its own, `MOST_AT_ONCE` at a time."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="hub")

    def ask(
        self, method: str, url: str, options: Mapping[str, Any], limit: int, until: float | None = None
    ) -> Answer:
        """The answer to one request, its body read up to `limit` + 1 bytes.

        Raises the client's own errors, and HubUnreachable after REQUEST_SECONDS, or at `until`, a
        `time.monotonic()`, where that comes first.
        """
        deadline = time.monotonic() + REQUEST_SECONDS
        deadline = deadline if until is None else min(deadline, until)
        if deadline <= time.monotonic():
            raise too_slow()
        work = self._threads.submit(fetch, method, url, options, limit, deadline)
        try:
            return work.result(timeout=deadline - time.monotonic())
        except TimeoutError as error:
            work.cancel()
            raise too_slow() from error


def fetch(method: str, url: str, options: Mapping[str, Any], limit: int, deadline: float) -> Answer:
    """One request, and a second one where the first failed at once."""
    try:
        return fetch_once(method, url, options, limit, deadline)
    except QUICK_FAILURES as error:
        if isinstance(error, HfHubHTTPError) and error.response.status_code not in BUSY:
            raise
    time.sleep(SECOND_TRY_SECONDS)
    return fetch_once(method, url, options, limit, deadline)


def fetch_once(method: str, url: str, options: Mapping[str, Any], limit: int, deadline: float) -> Answer:
    """Raises the client's own errors, and HubUnreachable when a body still trickles in at the deadline."""
    with get_session().stream(method, url, **options) as response:
        raise_for_refusal(response)
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > limit:
                break
            if time.monotonic() > deadline:
                raise too_slow()
    return Answer(bytes(body[: limit + 1]), response.headers, hub_headers(response))


def hub_headers(response: httpx2.Response) -> Mapping[str, str]:
    """The headers of the first answer on the way that names a commit; none when nobody did."""
    answers = (*response.history, response)
    return next((one.headers for one in answers if "X-Repo-Commit" in one.headers), {})


def raise_for_refusal(response: httpx2.Response) -> None:
    """The client's errors, from status and short headers alone: it would read a refusal's body to its end,
    however long, and stumbles over a body or a figure that it does not expect.
    """
    headers = [
        (name, value)
        for name, value in response.headers.items()
        if len(value) <= LONGEST_HEADER and not name.startswith("content-")
    ]
    hf_raise_for_status(httpx2.Response(response.status_code, headers=headers, request=response.request))
