"""The Hub, asked for one thing at a time: lists, metadata and refs in JSON, files whole or in ranges.

Every answer is a stranger's: its length, its kind and its range are checked before anything is made of it.
How a request travels is `adapter_ui.catalog.hub.transport`'s; nothing here knows what an adapter is.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qs, quote, urlsplit

import httpx2
from huggingface_hub import set_client_factory
from huggingface_hub.utils import build_hf_headers

from adapter_ui.catalog.hub.errors import hub_errors, no_answer, offline
from adapter_ui.catalog.hub.transport import Answer, Parameters, Transport, bounded_client
from adapter_ui.domain import is_hub_id
from adapter_ui.settings import Settings

JSON_BYTES = 16_000_000
MOST_SKIPPED_BYTES = 1_048_576
LONGEST_SIZE = 15


@dataclass(frozen=True)
class FilePart:
    """Bytes of a file, and the size of the whole file in bytes where the answer says it."""

    data: bytes
    size: int | None


class Hub:
    """A Hub at `settings.hub_endpoint`, asked as `settings.hub_token` (False: as nobody).

    Every method raises the errors of `hub_errors`, the latest after `transport.REQUEST_SECONDS`.
    """

    def __init__(self, settings: Settings) -> None:
        self.endpoint = settings.hub_endpoint
        self._token = settings.hub_token
        self._offline = settings.offline
        self._transport = Transport()
        self._until: float | None = None
        set_client_factory(bounded_client)

    def until(self, moment: float) -> Self:
        """The same Hub, asked for answers until this `time.monotonic()` at the latest."""
        bounded = copy.copy(self)
        bounded._until = moment
        return bounded

    def list_models(self, parameters: Parameters) -> tuple[list[dict[str, Any]], str | None]:
        """One page of `/api/models` and the cursor of the next one: exactly one request."""
        what = "the list of adapters"
        answer = self._request("GET", f"{self.endpoint}/api/models", what, parameters=parameters)
        rows = parse_json(answer, what)
        if not isinstance(rows, list):
            raise no_answer(what)
        return [row for row in rows if isinstance(row, dict)], next_cursor(answer.headers.get("Link", ""))

    def model(self, repo_id: str, revision: str | None = None) -> dict[str, Any]:
        """All metadata of a model's repository with its files and their sizes: one request."""
        return self._info("models", repo_id, revision, f"the repository {repo_id}")

    def dataset(self, repo_id: str, revision: str | None = None) -> dict[str, Any]:
        """The same of a dataset; its files are read under the id `datasets/org/name`, as in their URLs."""
        return self._info("datasets", repo_id, revision, f"the dataset {repo_id}")

    def _info(self, kind: str, repo_id: str, revision: str | None, what: str) -> dict[str, Any]:
        url = f"{self.endpoint}/api/{kind}/{quote(repo_id)}"
        if revision:
            url += f"/revision/{quote(revision, safe='')}"
        info = parse_json(self._request("GET", url, what, parameters={"blobs": "true"}), what)
        if not isinstance(info, dict) or not isinstance(info.get("id"), str) or not is_hub_id(info["id"]):
            raise no_answer(what)
        return info

    def refs(self, repo_id: str) -> dict[str, Any]:
        """The branches and tags of a repository, as the Hub lists them: one request."""
        what = f"the revisions of {repo_id}"
        found = parse_json(
            self._request("GET", f"{self.endpoint}/api/models/{quote(repo_id)}/refs", what), what
        )
        if not isinstance(found, dict):
            raise no_answer(what)
        return found

    def read(self, repo_id: str, commit: str, path: str, limit: int) -> bytes:
        """A whole file, cut at `limit` bytes plus one, so that a longer one can be told."""
        what = f"the file {path} of {repo_id}"
        answer = self._request("GET", self._url(repo_id, commit, path), what, limit=limit)
        check_file_answer(answer.headers, answer.hub_headers, 0, what)
        check_length(answer, len(answer.body), 0, limit + 1, what)
        return answer.body

    def read_range(self, repo_id: str, commit: str, path: str, start: int, end: int) -> bytes:
        """Bytes `start` to `end` of a file, fewer where it ends before."""
        return self.read_part(repo_id, commit, path, start, end).data

    def read_part(self, repo_id: str, commit: str, path: str, start: int, end: int) -> FilePart:
        """The same, with what the answer says of the whole file's size."""
        what = f"the file {path} of {repo_id}"
        headers = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
        # A server that knows no ranges sends the file from its start: what lies before must be worth reading.
        limit = end if start <= MOST_SKIPPED_BYTES else end - start
        url = self._url(repo_id, commit, path)
        answer = self._request("GET", url, what, headers=headers, limit=limit)
        check_file_answer(answer.headers, answer.hub_headers, start, what)
        if "Content-Range" in answer.headers:
            data = answer.body[: end - start]
        elif start <= MOST_SKIPPED_BYTES:
            data = answer.body[start:end]
        else:
            raise no_answer(what)
        return FilePart(data, check_length(answer, len(data), start, end, what))

    def size(self, repo_id: str, commit: str, path: str) -> int | None:
        """The size of a file in bytes, from the headers of its first answer; no body is read."""
        what = f"the file {path} of {repo_id}"
        answer = self._request("HEAD", self._url(repo_id, commit, path), what, hops=False)
        return size_from(answer.headers.get("X-Linked-Size", ""))

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
        """A redirect to a CDN, or to any other host, loses the token."""
        if self._offline:
            raise offline(what)
        options = {
            "headers": build_hf_headers(token=self._token, headers=dict(headers or {})),
            "params": parameters,
            "follow_redirects": hops,
        }
        with hub_errors(what):
            return self._transport.ask(method, url, options, limit, self._until)


def size_from(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST_SIZE else None


def parse_json(answer: Answer, what: str) -> Any:
    with hub_errors(what):
        return json.loads(answer.body)


def check_file_answer(headers: httpx2.Headers, hub_headers: Mapping[str, str], start: int, what: str) -> None:
    """Raise HubUnreachable for what is no file of the Hub, or bytes of it that do not begin at `start`.

    The Hub names the commit of every file it serves, and serves none as a page; a network's login does.
    """
    if not hub_headers or headers.get("Content-Type", "").startswith("text/html"):
        raise no_answer(what)
    stated = headers.get("Content-Range")
    if stated is not None and not stated.startswith(f"bytes {start}-"):
        raise no_answer(what)


def check_length(answer: Answer, length: int, start: int, end: int, what: str) -> int | None:
    """The file's size in bytes where the Hub gave it; raises HubUnreachable unless `length` bytes are then
    what it has between `start` and `end`.
    """
    size = size_from(answer.hub_headers.get("X-Linked-Size", ""))
    if size is not None and length != max(0, min(end, size) - start):
        raise no_answer(what)
    return size


def next_cursor(link: str) -> str | None:
    """The cursor in a `Link` header; the rest of its URL is never followed."""
    url = httpx2.Response(200, headers={"Link": link}).links.get("next", {}).get("url", "")
    return next(iter(parse_qs(urlsplit(url).query).get("cursor", [])), None)
