"""Listing the files of a revision: tree and paths-info."""

import hashlib

from starlette.responses import JSONResponse, Response

from tests.hub import errors
from tests.hub.call import Call, decode_cursor, encode_cursor, timestamp
from tests.hub.content import TrackedFile
from tests.hub.metadata import JsonObject
from tests.hub.repository import Commit, Repository
from tests.hub.state import HubState

MAX_PATHS = 1000
UNSCANNED = {"status": "unscanned"}


def list_tree(state: HubState, call: Call) -> Response:
    repository = state.find(call.kind, call.repo_id, call.viewer)
    commit = repository.find_commit(call.revision)
    folder = (call.parts.get("path") or "").strip("/")
    paths = paths_under(commit, folder, call.flag("recursive"))
    if folder and not paths:
        raise errors.entry_not_found(commit.sha, f'{folder} does not exist on "{call.revision}"')
    expand = call.flag("expand")
    largest = state.expanded_tree_page_size if expand else state.tree_page_size
    size = min(call.number("limit", largest), largest)
    if "cursor" in call.query:
        last = decode_cursor(call.query["cursor"])
        paths = [path for path in paths if path > last]
    if len(paths) > size:
        paths = paths[:size]
        call.link_next(state.endpoint, encode_cursor(paths[-1]))
    return JSONResponse([entry(repository, commit, path, expand) for path in paths])


def paths_under(commit: Commit, folder: str, recursive: bool) -> list[str]:
    """Files and folders below a folder; only its direct children unless recursive."""
    prefix = f"{folder}/" if folder else ""
    found: set[str] = set()
    for path in commit.files:
        if path.startswith(prefix):
            names = path.removeprefix(prefix).split("/")
            depth = len(names) if recursive else 1
            found.update(prefix + "/".join(names[:count]) for count in range(1, depth + 1))
    return sorted(found)


def paths_info(state: HubState, call: Call) -> Response:
    repository = state.find(call.kind, call.repo_id, call.viewer)
    commit = repository.find_commit(call.revision)
    form = call.form()
    paths = form.get("paths", [])
    if len(paths) > MAX_PATHS:
        raise errors.HubError(413, "too many parameters")
    expand = form.get("expand", ["false"])[0].lower() == "true"
    known = [
        path.strip("/")
        for path in paths
        if path in commit.files or paths_under(commit, path.strip("/"), False)
    ]
    return JSONResponse([entry(repository, commit, path, expand) for path in known])


def entry(repository: Repository, commit: Commit, path: str, expand: bool) -> JsonObject:
    if file := commit.files.get(path):
        described = file_entry(file)
    else:
        described = {"type": "directory", "oid": folder_oid(commit, path), "size": 0, "path": path}
    if expand:
        last = repository.last_commit_touching(commit, path)
        described["lastCommit"] = {"id": last.sha, "title": last.title, "date": timestamp(last.date)}
        if file:
            scans = ("jFrogScan", "protectAiScan", "avScan", "pickleImportScan", "virusTotalScan")
            described["securityFileStatus"] = UNSCANNED | dict.fromkeys(scans, UNSCANNED)
    return described


def file_entry(file: TrackedFile) -> JsonObject:
    described: JsonObject = {"type": "file", "oid": file.oid, "size": file.content.size, "path": file.path}
    if file.is_lfs:
        described["lfs"] = {
            "oid": file.content.sha256,
            "size": file.content.size,
            "pointerSize": len(file.pointer),
        }
    return described


def folder_oid(commit: Commit, path: str) -> str:
    digest = hashlib.sha1(path.encode())
    for name, file in sorted(commit.files.items()):
        if name.startswith(f"{path}/"):
            digest.update(file.oid.encode())
    return digest.hexdigest()
