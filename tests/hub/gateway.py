"""The ASGI application: logs each request, applies faults and limits, and sends what the handlers answer."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from tests.hub import errors
from tests.hub.call import Call
from tests.hub.content import CHUNK_BYTES
from tests.hub.faults import Fault, Faults
from tests.hub.limits import RateLimits, bucket_of, ratelimit_headers
from tests.hub.request_log import RequestLog, RequestRecord
from tests.hub.routes import find_route
from tests.hub.state import HubState, User

SLICE_SECONDS = 0.05
HTML_PAGE = "<!doctype html><html><title>Hub</title><body><h1>Please come back later</h1></body></html>"


class ConnectionCut(Exception):
    """Leaves the response unfinished, so that the server closes the connection."""


@dataclass
class Gateway:
    state: HubState
    faults: Faults = field(default_factory=Faults)
    requests: RequestLog = field(default_factory=RequestLog)
    limits: RateLimits = field(default_factory=RateLimits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        record = open_record(request)
        self.requests.append(record)
        fault = self.faults.take(record.method, record.path, record.origin)
        if delay := self.faults.latency + (fault.delay if fault else 0):
            await asyncio.sleep(delay)
        response = self.answer(request, record, body, fault)
        try:
            await response(scope, receive, Meter(send, record, fault).send)
        except ConnectionCut:
            return

    def answer(self, request: Request, record: RequestRecord, body: bytes, fault: Fault | None) -> Response:
        headers = {"X-Request-Id": f"Root=1-{uuid.uuid4().hex}"}
        allowed, viewer = True, None
        try:
            if record.bucket:
                viewer = self.find_viewer(request)
                allowed, limits = self.limits.spend(record.bucket, viewer.token if viewer else None)
                headers |= limits
            if fault and fault.replaces_answer:
                response = faulty_response(fault, record)
            elif not allowed:
                response = error_response(errors.HubError(429, "We had to rate limit you"), record)
            else:
                response = self.handle(request, record, body, viewer)
        except (errors.HubError, errors.Moved) as error:
            response = error_response(error, record)
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        return response

    def handle(self, request: Request, record: RequestRecord, body: bytes, viewer: User | None) -> Response:
        found = find_route(record.origin, record.method, record.path)
        if found is None:
            raise errors.HubError(404, "Sorry, we can't find the page you are looking for.")
        handler, parts = found
        call = Call(
            record.method, record.path, parts, request.query_params, request.headers, body, viewer, record
        )
        with self.state.lock:
            response = handler(self.state, call)
        response.headers.update(call.response_headers)
        return response

    def find_viewer(self, request: Request) -> User | None:
        header = request.headers.get("authorization")
        if header is None:
            return None
        user = self.state.users.get(header.removeprefix("Bearer ").strip())
        if user is None:
            raise errors.bad_token()
        return user


def open_record(request: Request) -> RequestRecord:
    origin = "cdn" if request.headers.get("host", "").startswith("localhost") else "hub"
    path = request.scope["raw_path"].decode("latin-1").split("?")[0]
    return RequestRecord(
        method=request.method,
        path=path,
        query=request.scope["query_string"].decode("latin-1"),
        origin=origin,
        bucket=bucket_of(path) if origin == "hub" else None,
        range=request.headers.get("range"),
        had_authorization="authorization" in request.headers,
    )


def error_response(error: errors.HubError | errors.Moved, record: RequestRecord) -> Response:
    if isinstance(error, errors.Moved):
        query = f"?{record.query}" if record.query else ""
        location = record.path.replace(f"/{quote(error.old_id)}", f"/{error.new_id}", 1) + query
        return RedirectResponse(location, status_code=307)
    headers = {
        "X-Error-Message": error.message.encode("latin-1", "replace").decode("latin-1").replace("\n", " ")
    }
    if error.code:
        headers["X-Error-Code"] = error.code
    if error.commit:
        headers["X-Repo-Commit"] = error.commit
    if error.code == "EntryNotFound":
        return PlainTextResponse(error.message, error.status, headers)
    return JSONResponse({"error": error.message}, error.status, headers)


def faulty_response(fault: Fault, record: RequestRecord) -> Response:
    status = fault.status or 200
    headers = dict(fault.headers)
    if status == 429 and record.bucket:
        headers = ratelimit_headers(record.bucket, 0, fault.reset_seconds) | headers
    if fault.html:
        return Response(HTML_PAGE, status, headers, media_type="text/html")
    if fault.invalid_json:
        return Response('{"id": "half an ans', status, headers, media_type="application/json")
    if fault.stream_bytes is not None:
        return StreamingResponse(blanks(fault.stream_bytes), status, headers, media_type="application/json")
    if fault.body is not None:
        return Response(fault.body, status, headers, media_type="text/plain")
    return JSONResponse({"error": "Injected fault"}, status, headers)


async def blanks(count: int) -> AsyncIterator[bytes]:
    """So many bytes that no JSON reader minds."""
    for start in range(0, count, CHUNK_BYTES):
        yield b" " * min(CHUNK_BYTES, count - start)


@dataclass
class Meter:
    """Counts what is sent, and slows or cuts it when a fault says so."""

    forward: Send
    record: RequestRecord
    fault: Fault | None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.record.status = message["status"]
            await self.forward(message)
            return
        chunk = message.get("body", b"") if self.record.method != "HEAD" else b""
        budget = self.fault.cut_after if self.fault else None
        if budget is not None and self.record.bytes_sent + len(chunk) > budget:
            await self.send_chunk(chunk[: budget - self.record.bytes_sent], more=True)
            raise ConnectionCut
        await self.send_chunk(chunk, more=message.get("more_body", False))

    async def send_chunk(self, chunk: bytes, more: bool) -> None:
        rate = self.fault.bytes_per_second if self.fault else None
        size = max(1, int(rate * SLICE_SECONDS)) if rate else max(1, len(chunk))
        for start in range(0, len(chunk), size):
            piece = chunk[start : start + size]
            self.record.bytes_sent += len(piece)
            await self.forward({"type": "http.response.body", "body": piece, "more_body": True})
            if rate:
                await asyncio.sleep(SLICE_SECONDS)
        if not more:
            await self.forward({"type": "http.response.body", "body": b"", "more_body": False})
