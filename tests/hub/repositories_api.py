"""Making, moving and changing repositories, their branches and their tags."""

from datetime import UTC, datetime
from typing import Any

from starlette.responses import JSONResponse, Response

from tests.hub import errors
from tests.hub.call import Call
from tests.hub.content import LARGE_FILE_SUFFIXES
from tests.hub.repository import Repository
from tests.hub.state import KINDS, HubState, User
from tests.hub.uploads import PREFIX_OF_KIND

GIT_ATTRIBUTES = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LARGE_FILE_SUFFIXES)


def create(state: HubState, call: Call) -> Response:
    wanted = call.json()
    user = signed_in(call)
    namespace = wanted.get("organization") or user.name
    state.check_writable(namespace, user)
    kind = kind_of(wanted)
    repo_id = f"{namespace}/{wanted.get('name')}"
    url = f"{state.endpoint}/{PREFIX_OF_KIND[kind]}{repo_id}"
    if existing := state.get(kind, repo_id):
        # The client reads the url of this answer too, when told that an existing repository is fine.
        body = {"error": f"You already created this {kind} repo", "url": url, "name": existing.id}
        return JSONResponse(body, status_code=409, headers={"X-Error-Message": body["error"]})
    private = wanted.get("private", False) or wanted.get("visibility") == "private"
    repository = Repository(
        kind, repo_id, created_at=datetime.now(UTC), private=private, space_sdk=wanted.get("sdk")
    )
    repository.commit({".gitattributes": GIT_ATTRIBUTES}, title="initial commit", author=user.name)
    state.add(repository)
    return JSONResponse({"url": url, "name": repo_id, "id": repository.database_id})


def delete(state: HubState, call: Call) -> Response:
    wanted = call.json()
    user = signed_in(call)
    repo_id = f"{wanted.get('organization') or user.name}/{wanted.get('name')}"
    repository = state.find(kind_of(wanted), repo_id, user)
    state.check_writable(repository.owner, user)
    state.remove(repository)
    return Response("OK", media_type="text/plain")


def move(state: HubState, call: Call) -> Response:
    wanted = call.json()
    user = signed_in(call)
    kind = kind_of(wanted)
    repository = state.find(kind, wanted.get("fromRepo", ""), user)
    target = wanted.get("toRepo", "")
    for namespace in (repository.owner, target.split("/")[0]):
        state.check_writable(namespace, user)
    if state.get(kind, target):
        raise errors.conflict(f"{target} already exists")
    state.rename(kind, repository.id, target)
    return Response("OK", media_type="text/plain")


def change_settings(state: HubState, call: Call) -> Response:
    repository = find_own(state, call)
    wanted = call.json()
    if "gated" in wanted:
        repository.gated = wanted["gated"]
    if "visibility" in wanted:
        repository.private = wanted["visibility"] == "private"
    return JSONResponse({"gated": repository.gated, "private": repository.private})


def create_branch(state: HubState, call: Call) -> Response:
    repository = find_own(state, call)
    if call.revision in repository.branches:
        raise errors.conflict(f"Reference already exists: {call.revision}")
    repository.branch(call.revision, call.json().get("startingPoint", "main"))
    return Response(status_code=201)


def delete_branch(state: HubState, call: Call) -> Response:
    return remove_ref(find_own(state, call).branches, call.revision)


def create_tag(state: HubState, call: Call) -> Response:
    repository = find_own(state, call)
    name = call.json().get("tag", "")
    if name in repository.tags:
        raise errors.conflict(f"Tag reference exists already: {name}")
    repository.tag(name, call.revision)
    return Response(status_code=201)


def delete_tag(state: HubState, call: Call) -> Response:
    return remove_ref(find_own(state, call).tags, call.revision)


def remove_ref(refs: dict[str, str], name: str) -> Response:
    if name not in refs:
        raise errors.revision_not_found(name)
    if name == "main":
        raise errors.bad_request("Cannot delete the default branch")
    del refs[name]
    return Response()


def find_own(state: HubState, call: Call) -> Repository:
    repository = state.find(call.kind, call.repo_id, call.viewer)
    state.check_writable(repository.owner, call.viewer)
    return repository


def signed_in(call: Call) -> User:
    if call.viewer is None:
        raise errors.not_authenticated()
    return call.viewer


def kind_of(wanted: dict[str, Any]) -> str:
    kind = wanted.get("type") or "model"
    if kind not in KINDS:
        raise errors.bad_request(f"Invalid repo type: {kind}")
    return kind
