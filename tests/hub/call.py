"""One request as a handler sees it, and the small pieces of HTTP that handlers share."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import QueryParams

from tests.hub import errors
from tests.hub.request_log import RequestRecord
from tests.hub.state import User

KIND_OF_PREFIX = {"models": "model", "datasets": "dataset", "spaces": "space", None: "model"}


@dataclass
class Call:
    """`parts` are the route's named groups, percent-decoded; `record` is this request's line in the log."""

    method: str
    path: str
    parts: Mapping[str, str | None]
    query: QueryParams
    headers: Mapping[str, str]
    body: bytes
    viewer: User | None
    record: RequestRecord
    response_headers: dict[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return KIND_OF_PREFIX[self.parts.get("kind")]

    @property
    def repo_id(self) -> str:
        return self.parts["id"] or ""

    @property
    def revision(self) -> str:
        return self.parts.get("revision") or "main"

    def flag(self, name: str) -> bool:
        return self.query.get(name, "").lower() in ("true", "1")

    def values(self, name: str) -> list[str]:
        """A repeated parameter, written `name=a&name=b` or `name[]=a&name[]=b`."""
        return self.query.getlist(name) + self.query.getlist(f"{name}[]")

    def number(self, name: str, default: int) -> int:
        text = self.query.get(name, "")
        if text and not text.isdigit():
            raise errors.bad_request(f'"{name}" must be a number')
        return int(text) if text else default

    def json(self) -> dict[str, Any]:
        try:
            value = json.loads(self.body or b"{}")
        except ValueError:
            raise errors.bad_request("Invalid JSON") from None
        if not isinstance(value, dict):
            raise errors.bad_request("A JSON object is expected")
        return value

    def form(self) -> dict[str, list[str]]:
        """The body as lists of values: url-encoded (what the client sends) or JSON."""
        if "json" in self.headers.get("content-type", ""):
            return {
                key: value if isinstance(value, list) else [str(value)] for key, value in self.json().items()
            }
        fields: dict[str, list[str]] = {}
        for key, value in parse_qsl(self.body.decode()):
            fields.setdefault(key, []).append(value)
        return fields

    def link_next(self, endpoint: str, cursor: str) -> None:
        """Announce the next page: the same request with a cursor."""
        query = [(key, value) for key, value in self.query.multi_items() if key != "cursor"]
        url = f"{endpoint}{self.path}?{urlencode([*query, ('cursor', cursor)])}"
        self.response_headers["Link"] = f'<{url}>; rel="next"'


def encode_cursor(position: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def decode_cursor(cursor: str) -> Any:
    try:
        return json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except ValueError:
        raise errors.bad_request("Invalid cursor") from None


def timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
