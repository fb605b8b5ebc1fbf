"""The read half of /api: repository infos, refs, commits, access checks, and who the token belongs to."""

from starlette.responses import JSONResponse, Response

from tests.hub import errors, infos
from tests.hub.call import Call, decode_cursor, encode_cursor, timestamp
from tests.hub.repository import database_id
from tests.hub.state import HubState

COMMITS_PAGE_SIZE = 50


def repository_info(state: HubState, call: Call) -> Response:
    repository = state.find(call.kind, call.repo_id, call.viewer)
    commit = repository.find_commit(call.revision)
    expand = call.values("expand")
    if expand:
        infos.check_expand(call.kind, expand)
        return JSONResponse(infos.describe(state, repository, commit, expand))
    info = infos.describe(state, repository, commit, infos.INFO_DEFAULTS)
    if call.kind == "model":
        info["modelId"] = repository.id
    if call.flag("blobs"):
        info["siblings"] = infos.siblings_with_sizes(commit)
    if call.flag("securityStatus"):
        info["securityRepoStatus"] = {"scansDone": True, "filesWithIssues": []}
    return JSONResponse(info)


def refs(state: HubState, call: Call) -> Response:
    repository = state.find(call.kind, call.repo_id, call.viewer)
    listed = {
        "branches": [ref(name, f"refs/heads/{name}", sha) for name, sha in repository.branches.items()],
        "converts": [],
        "tags": [ref(name, f"refs/tags/{name}", sha) for name, sha in repository.tags.items()],
    }
    if call.flag("include_prs"):
        listed["pullRequests"] = [ref(name, name, sha) for name, sha in repository.pull_requests.items()]
    return JSONResponse(listed)


def ref(name: str, full_name: str, sha: str) -> dict[str, str]:
    return {"name": name, "ref": full_name, "targetCommit": sha}


def commits(state: HubState, call: Call) -> Response:
    repository = state.find(call.kind, call.repo_id, call.viewer)
    state.check_files_open(repository, call.viewer)
    history = repository.history(repository.find_commit(call.revision))
    start = decode_cursor(call.query["cursor"]) if "cursor" in call.query else 0
    stop = start + call.number("limit", COMMITS_PAGE_SIZE)
    if stop < len(history):
        call.link_next(state.endpoint, encode_cursor(stop))
    call.response_headers["X-Total-Count"] = str(len(history))
    return JSONResponse(
        [
            {
                "id": commit.sha,
                "title": commit.title,
                "message": commit.description,
                "authors": [{"user": commit.author}],
                "date": timestamp(commit.date),
            }
            for commit in history[start:stop]
        ]
    )


def auth_check(state: HubState, call: Call) -> Response:
    repository = state.find(call.kind, call.repo_id, call.viewer)
    state.check_files_open(repository, call.viewer)
    if call.path.endswith("/write"):
        state.check_writable(repository.owner, call.viewer)
    return Response("OK", media_type="text/plain")


def whoami(state: HubState, call: Call) -> Response:
    user = call.viewer
    if user is None:
        raise errors.not_authenticated()
    return JSONResponse(
        {
            "type": "user",
            "id": database_id(f"user:{user.name}"),
            "name": user.name,
            "fullname": user.name,
            "email": f"{user.name}@example.org",
            "emailVerified": True,
            "isPro": False,
            "orgs": [{"type": "org", "name": name, "roleInOrg": "write"} for name in user.organizations],
            "auth": {"type": "access_token", "accessToken": {"displayName": "loopback", "role": user.role}},
        }
    )


def telemetry(state: HubState, call: Call) -> Response:
    return Response()


def agent_harnesses(state: HubState, call: Call) -> Response:
    return JSONResponse({"standardEnvVars": [], "harnesses": {}})


def repository_page(state: HubState, call: Call) -> Response:
    repository = state.find(call.kind, call.repo_id, call.viewer)
    return Response(
        f"<!doctype html><title>{repository.id}</title><h1>{repository.id}</h1>", media_type="text/html"
    )
