"""Serving files: resolve, which redirects; resolve-cache for small files; the CDN for large ones."""

import re
from collections.abc import AsyncIterator
from urllib.parse import quote, urlencode

from starlette.responses import RedirectResponse, Response, StreamingResponse

from tests.hub import errors
from tests.hub.call import Call
from tests.hub.content import Content, TrackedFile
from tests.hub.repository import Commit, Repository
from tests.hub.state import HubState

RANGE = re.compile(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*")
FULL_SHA = re.compile(r"[0-9a-f]{40}")
CARD = "README.md"


def resolve(state: HubState, call: Call) -> Response:
    repository, commit, file = find_file(state, call)
    headers = {
        "X-Repo-Commit": commit.sha,
        "X-Linked-Size": str(file.content.size),
        "X-Linked-ETag": f'"{file.etag}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-store",
    }
    if file.is_lfs:
        headers["ETag"] = f'"{file.etag}"'
        return RedirectResponse(cdn_url(state, repository, file), status_code=302, headers=headers)
    location = (
        f"/api/resolve-cache/{repository.kind}s/{repository.id}/{commit.sha}/{quote(file.path, safe='')}"
    )
    query = urlencode({call.path: "", "etag": f'"{file.etag}"'})
    return RedirectResponse(f"{location}?{query}", status_code=307, headers=headers)


def resolve_cache(state: HubState, call: Call) -> Response:
    if not FULL_SHA.fullmatch(call.revision):
        raise errors.bad_request("A full commit hash is expected")
    repository, commit, file = find_file(state, call)
    call.record.file = (repository.id, file.path)
    headers = {"X-Repo-Commit": commit.sha, "ETag": f'"{file.etag}"'}
    return serve(call, file.content, headers, media_type_of(file.path))


def find_file(state: HubState, call: Call) -> tuple[Repository, Commit, TrackedFile]:
    repository = state.find(call.kind, call.repo_id, call.viewer)
    path = call.parts["path"] or ""
    if repository.disabled or path != CARD:
        state.check_files_open(repository, call.viewer)
    commit = repository.find_commit(call.revision)
    if path not in commit.files:
        raise errors.entry_not_found(commit.sha)
    return repository, commit, commit.files[path]


def cdn_url(state: HubState, repository: Repository, file: TrackedFile) -> str:
    sha256 = file.content.sha256
    query = {
        "kind": repository.kind,
        "repo": repository.id,
        "file": file.path,
        "Signature": state.sign(sha256),
    }
    return f"{state.cdn}/_cdn/{sha256}?{urlencode(query)}"


def cdn(state: HubState, call: Call) -> Response:
    """A signed URL carries the right to read: a token has no business here, and its presence is a leak."""
    refuse_authorization(call)
    sha256 = call.parts["sha256"] or ""
    if call.query.get("Signature") != state.sign(sha256):
        raise errors.HubError(403, "Access denied: bad signature")
    repo_id, path = call.query.get("repo", ""), call.query.get("file", "")
    content = state.find_content(call.query.get("kind", "model"), repo_id, sha256)
    if content is None:
        raise errors.HubError(404, "No such object")
    call.record.file = (repo_id, path)
    name = path.rsplit("/", 1)[-1]
    disposition = f"inline; filename*=UTF-8''{quote(name)};"
    headers = {"ETag": f'"{sha256[::-1]}"', "Content-Disposition": disposition}
    return serve(call, content, headers, "application/octet-stream")


def refuse_authorization(call: Call) -> None:
    if call.record.had_authorization:
        raise errors.bad_request(
            "Only one auth mechanism allowed; the signature and the Authorization header are two"
        )


def serve(call: Call, content: Content, headers: dict[str, str], media_type: str) -> Response:
    headers = headers | {"Accept-Ranges": "bytes"}
    start, stop, status = 0, content.size, 200
    if match := RANGE.fullmatch(call.headers.get("range", "")):
        wanted = requested_span(match[1], match[2], content.size)
        if wanted is None:
            return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{content.size}"})
        (start, stop), status = wanted, 206
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{content.size}"
    headers["Content-Length"] = str(stop - start)
    if call.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=media_type)
    return StreamingResponse(body(content, start, stop), status, headers, media_type)


def requested_span(first: str, last: str, size: int) -> tuple[int, int] | None:
    """The span [start, stop) of `bytes=first-last`, or None where it lies outside the file."""
    if not first:
        length = int(last or 0)
        return (max(0, size - length), size) if length and size else None
    start = int(first)
    stop = min(size, int(last) + 1) if last else size
    return (start, stop) if start < stop else None


async def body(content: Content, start: int, stop: int) -> AsyncIterator[bytes]:
    for chunk in content.chunks(start, stop):
        yield chunk


def media_type_of(path: str) -> str:
    return "application/json" if path.endswith(".json") else "text/plain; charset=utf-8"
