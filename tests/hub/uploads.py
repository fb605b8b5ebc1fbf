"""Sending files: what the client asks before an upload, LFS objects, and the commit itself."""

import base64
import hashlib
import json
from typing import Any

import yaml
from starlette.responses import JSONResponse, Response

from tests.hub import errors
from tests.hub.call import Call
from tests.hub.content import Content, belongs_in_lfs
from tests.hub.downloads import refuse_authorization
from tests.hub.metadata import FRONT_MATTER
from tests.hub.repository import MAIN, Commit, Repository
from tests.hub.state import HubState

PREFIX_OF_KIND = {"model": "", "dataset": "datasets/", "space": "spaces/"}


def validate_yaml(state: HubState, call: Call) -> Response:
    match = FRONT_MATTER.match(call.json().get("content", ""))
    if not match:
        warning = {"message": "empty or missing yaml metadata in repo card"}
        return JSONResponse({"errors": [], "warnings": [warning]})
    try:
        card = yaml.safe_load(match[1])
    except yaml.YAMLError as error:
        return JSONResponse(
            {"errors": [{"message": f"Invalid YAML: {error}"}], "warnings": []}, status_code=400
        )
    if card is not None and not isinstance(card, dict):
        return JSONResponse(
            {"errors": [{"message": "metadata must be a mapping"}], "warnings": []}, status_code=400
        )
    return JSONResponse({"errors": [], "warnings": []})


def preupload(state: HubState, call: Call) -> Response:
    repository = find_writable(state, call)
    commit = repository.find_commit(call.revision)
    files = []
    for file in call.json().get("files", []):
        path = file["path"]
        answer = {
            "path": path,
            "uploadMode": "lfs" if belongs_in_lfs(path, file["size"]) else "regular",
            "shouldIgnore": False,
        }
        if path in commit.files:
            answer["oid"] = commit.files[path].etag
        files.append(answer)
    return JSONResponse({"files": files, "commitOid": commit.sha})


def lfs_batch(state: HubState, call: Call) -> Response:
    repository = find_writable(state, call)
    objects = []
    for wanted in call.json().get("objects", []):
        oid = wanted["oid"]
        answer: dict[str, Any] = {"oid": oid, "size": wanted["size"]}
        if oid not in state.uploads and not state.find_content(repository.kind, repository.id, oid):
            upload = {"href": f"{state.cdn}/_lfs/{oid}?Signature={state.sign(oid)}"}
            verify = {"href": f"{state.endpoint}{call.path.removesuffix('objects/batch')}verify"}
            answer |= {"authenticated": True, "actions": {"upload": upload, "verify": verify}}
        objects.append(answer)
    return JSONResponse({"transfer": "basic", "objects": objects})


def lfs_put(state: HubState, call: Call) -> Response:
    refuse_authorization(call)
    oid = call.parts["sha256"] or ""
    if call.query.get("Signature") != state.sign(oid):
        raise errors.HubError(403, "Access denied: bad signature")
    if hashlib.sha256(call.body).hexdigest() != oid:
        raise errors.bad_request("The content does not match its hash")
    state.uploads[oid] = Content(call.body)
    return Response(headers={"ETag": f'"{oid}"'})


def lfs_verify(state: HubState, call: Call) -> Response:
    find_writable(state, call)
    wanted = call.json()
    stored = state.uploads.get(wanted.get("oid", ""))
    if stored is None or stored.size != wanted.get("size"):
        raise errors.HubError(404, "No such object")
    return JSONResponse({"message": "ok"})


def commit(state: HubState, call: Call) -> Response:
    """Apply an ndjson list of operations as one commit, on a branch or as a new pull request."""
    as_pull_request = call.flag("create_pr")
    repository = find_writable(state, call, as_pull_request)
    if call.revision not in repository.branches and call.revision not in repository.pull_requests:
        raise errors.revision_not_found(call.revision)
    parent = repository.find_commit(call.revision)
    header, files, deleted = read_operations(state, repository, parent, call.body)
    expected = header.get("parentCommit")
    if expected and not parent.sha.startswith(expected) and not as_pull_request:
        raise errors.HubError(412, "A commit has happened since. Please refresh and try again.")
    branch = f"refs/pr/{len(repository.pull_requests) + 1}" if as_pull_request else call.revision
    made = repository.commit(
        files,
        deleted=deleted,
        title=header.get("summary", ""),
        description=header.get("description", ""),
        author=call.viewer.name if call.viewer else None,
        branch=branch,
        parent=parent.sha,
    )
    if branch == MAIN:
        repository.last_modified = None
    url = f"{state.endpoint}/{PREFIX_OF_KIND[repository.kind]}{repository.id}"
    answer = {
        "success": True,
        "commitOid": made.sha,
        "commitUrl": f"{url}/commit/{made.sha}",
        "hookOutput": "",
    }
    if as_pull_request:
        answer["pullRequestUrl"] = f"{url}/discussions/{len(repository.pull_requests)}"
    return JSONResponse(answer)


def read_operations(
    state: HubState, repository: Repository, parent: Commit, body: bytes
) -> tuple[dict[str, Any], dict[str, Content], list[str]]:
    header: dict[str, Any] = {}
    files: dict[str, Content] = {}
    deleted: list[str] = []
    for line in filter(None, body.splitlines()):
        operation = json.loads(line)
        key, value = operation["key"], operation["value"]
        if key == "header":
            header = value
        elif key == "file":
            encoded = value.get("encoding") == "base64"
            files[value["path"]] = Content(
                base64.b64decode(value["content"]) if encoded else value["content"]
            )
        elif key == "lfsFile":
            files[value["path"]] = find_object(state, repository, value["oid"])
        elif key in ("deletedFile", "deletedFolder"):
            deleted += paths_to_delete(parent, value["path"], folder=key == "deletedFolder")
        else:
            raise errors.bad_request(f"Unknown operation: {key}")
    return header, files, deleted


def find_object(state: HubState, repository: Repository, oid: str) -> Content:
    content = state.uploads.get(oid) or state.find_content(repository.kind, repository.id, oid)
    if content is None:
        raise errors.bad_request(f"LFS pointer pointed to a file that does not exist: {oid}")
    return content


def paths_to_delete(parent: Commit, path: str, folder: bool) -> list[str]:
    prefix = path.rstrip("/") + "/"
    doomed = [name for name in parent.files if (name.startswith(prefix) if folder else name == path)]
    if not doomed:
        raise errors.entry_not_found(parent.sha, "A file with this name doesn't exist")
    return doomed


def find_writable(state: HubState, call: Call, as_pull_request: bool | None = None) -> Repository:
    """Anyone with a token may open a pull request; only the owner may write."""
    repository = state.find(call.kind, call.repo_id, call.viewer)
    if as_pull_request is None:
        as_pull_request = call.flag("create_pr")
    if as_pull_request and call.viewer:
        state.check_files_open(repository, call.viewer)
    else:
        state.check_writable(repository.owner, call.viewer)
    return repository
