"""The Hub, over the client's own session: one bounded request at a time, in JSON or bytes.

The client's own lists retry for minutes and read bodies of any size, so requests are made here: through its
session and headers, with a deadline, a limit of bytes, and one quick second try. Nothing here knows what an
adapter is.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx2
from huggingface_hub import get_session, set_client_factory
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status
from huggingface_hub.utils._http import hf_request_event_hook

from adapter_ui.catalog.hub.errors import hub_errors, no_answer, offline
from adapter_ui.errors import HubUnreachable
from adapter_ui.settings import Settings

REQUEST_SECONDS = 12.0
TIMEOUT = httpx2.Timeout(8.0, connect=5.0)
QUICK_FAILURES = (httpx2.NetworkError, httpx2.RemoteProtocolError, HfHubHTTPError)
BUSY = (502, 503, 504)
SECOND_TRY_SECONDS = 0.3
JSON_BYTES = 16_000_000

Parameters = Mapping[str, str | int | Sequence[str]]


@dataclass(frozen=True)
class Answer:
    """One answer: its headers, and its body up to the asked limit plus one byte."""

    body: bytes
    headers: httpx2.Headers


def bounded_client() -> httpx2.Client:
    """The client's session as it makes it, but with timeouts: without them a silent server hangs a page."""
    hooks = {"request": [hf_request_event_hook]}
    return httpx2.Client(event_hooks=hooks, follow_redirects=True, timeout=TIMEOUT)


class Hub:
    """A Hub at `settings.hub_endpoint`, asked as `settings.hub_token` (False: as nobody).

    Every method raises the errors of `hub_errors`, the latest after about 15 seconds.
    """

    def __init__(self, settings: Settings) -> None:
        self.endpoint = settings.hub_endpoint
        self._token = settings.hub_token
        self._offline = settings.offline
        set_client_factory(bounded_client)

    def list_models(self, parameters: Parameters) -> tuple[list[dict[str, Any]], str | None]:
        """One page of `/api/models` and the cursor of the next one: exactly one request."""
        answer = self._request(
            "GET", f"{self.endpoint}/api/models", "the list of adapters", parameters=parameters
        )
        rows = parse_json(answer, "the list of adapters")
        if not isinstance(rows, list):
            raise no_answer("the list of adapters")
        return [row for row in rows if isinstance(row, dict)], next_cursor(answer.headers.get("Link", ""))

    def model(self, repo_id: str, revision: str | None = None) -> dict[str, Any]:
        """All metadata of a repository with its files and their sizes: one request."""
        what = f"the repository {repo_id}"
        url = f"{self.endpoint}/api/models/{quote(repo_id)}"
        if revision:
            url += f"/revision/{quote(revision, safe='')}"
        info = parse_json(self._request("GET", url, what, parameters={"blobs": "true"}), what)
        if not isinstance(info, dict) or not isinstance(info.get("id"), str):
            raise no_answer(what)
        return info

    def read(self, repo_id: str, commit: str, path: str, limit: int) -> bytes:
        """A whole file, cut at `limit` bytes plus one, so that a longer one can be told."""
        return self._request(
            "GET", self._url(repo_id, commit, path), f"the file {path} of {repo_id}", limit=limit
        ).body

    def read_range(self, repo_id: str, commit: str, path: str, start: int, end: int) -> bytes:
        """Bytes `start` to `end` of a file, fewer where it ends before."""
        headers = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
        url = self._url(repo_id, commit, path)
        answer = self._request("GET", url, f"the file {path} of {repo_id}", headers=headers, limit=end)
        # A server that knows no ranges sends the file from its start.
        first = 0 if "Content-Range" in answer.headers else start
        return answer.body[first : first + end - start]

    def size(self, repo_id: str, commit: str, path: str) -> int | None:
        """The size of a file in bytes, from the headers of its first answer; no body is read."""
        answer = self._request(
            "HEAD", self._url(repo_id, commit, path), f"the file {path} of {repo_id}", hops=False
        )
        size = answer.headers.get("X-Linked-Size", "")
        return int(size) if size.isascii() and size.isdigit() else None

    def _url(self, repo_id: str, commit: str, path: str) -> str:
        return f"{self.endpoint}/{quote(repo_id)}/resolve/{quote(commit, safe='')}/{quote(path)}"

    def _request(
        self,
        method: str,
        url: str,
        what: str,
        *,
        headers: Mapping[str, str] | None = None,
        parameters: Parameters | None = None,
        limit: int = JSON_BYTES,
        hops: bool = True,
    ) -> Answer:
        """One request, and a second one where the first failed at once.

        A redirect to a CDN loses the token.
        """
        if self._offline:
            raise offline(what)
        options = {
            "headers": build_hf_headers(token=self._token, headers=dict(headers or {})),
            "params": parameters,
            "follow_redirects": hops,
        }
        deadline = time.monotonic() + REQUEST_SECONDS
        with hub_errors(what):
            try:
                return fetch(method, url, options, limit, deadline)
            except QUICK_FAILURES as error:
                if isinstance(error, HfHubHTTPError) and error.response.status_code not in BUSY:
                    raise
            time.sleep(SECOND_TRY_SECONDS)
            return fetch(method, url, options, limit, deadline)


def fetch(method: str, url: str, options: Mapping[str, Any], limit: int, deadline: float) -> Answer:
    """One request on the shared session, its body read up to `limit` + 1 bytes.

    Raises the client's own errors, and HubUnreachable when `deadline` passes while the body trickles in.
    """
    with get_session().stream(method, url, **options) as response:
        hf_raise_for_status(response)
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > limit:
                break
            if time.monotonic() > deadline:
                raise HubUnreachable("The Hub answers too slowly; try again in a minute.")
    return Answer(bytes(body[: limit + 1]), response.headers)


def parse_json(answer: Answer, what: str) -> Any:
    with hub_errors(what):
        return json.loads(answer.body)


def next_cursor(link: str) -> str | None:
    """The cursor in a `Link` header; the rest of its URL is never followed."""
    url = httpx2.Response(200, headers={"Link": link}).links.get("next", {}).get("url", "")
    return next(iter(parse_qs(urlsplit(url).query).get("cursor", [])), None)
