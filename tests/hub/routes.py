"""Which handler answers which method and path, per origin. Paths are matched before percent-decoding."""

import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import unquote

from starlette.responses import Response

from tests.hub import downloads, listing, read_api, repositories_api, tree, uploads
from tests.hub.call import Call
from tests.hub.state import HubState

Handler = Callable[[HubState, Call], Response]

ID = r"(?P<id>[^/]+(?:/[^/]+)?)"
REVISION = r"(?P<revision>refs/pr/\d+|[^/]+)"
API = rf"/api/(?P<kind>models|datasets|spaces)/{ID}"
FILES = rf"(?:/(?P<kind>datasets|spaces))?/{ID}"
PATH = r"(?P<path>.+)"


class Route(NamedTuple):
    methods: tuple[str, ...]
    pattern: re.Pattern[str]
    handler: Handler


def route(methods: str, pattern: str, handler: Handler) -> Route:
    return Route(tuple(methods.split()), re.compile(pattern), handler)


HUB_ROUTES = [
    route("GET", r"/api/whoami-v2", read_api.whoami),
    route("GET", r"/api/agent-harnesses", read_api.agent_harnesses),
    route("HEAD GET", r"/api/telemetry/.*", read_api.telemetry),
    route("POST", r"/api/validate-yaml", uploads.validate_yaml),
    route("POST", r"/api/repos/create", repositories_api.create),
    route("DELETE", r"/api/repos/delete", repositories_api.delete),
    route("POST", r"/api/repos/move", repositories_api.move),
    route(
        "HEAD GET",
        rf"/api/resolve-cache/(?P<kind>\w+)/{ID}/(?P<revision>[^/]+)/{PATH}",
        downloads.resolve_cache,
    ),
    route("GET", r"/api/(?P<kind>models|datasets|spaces)", listing.list_repositories),
    route("GET", rf"{API}/revision/{REVISION}", read_api.repository_info),
    route("GET", rf"{API}/tree/{REVISION}(?:/(?P<path>.*))?", tree.list_tree),
    route("POST", rf"{API}/paths-info/{REVISION}", tree.paths_info),
    route("GET", rf"{API}/commits/{REVISION}", read_api.commits),
    route("GET", rf"{API}/refs", read_api.refs),
    route("GET", rf"{API}/auth-check(?:/write)?", read_api.auth_check),
    route("PUT", rf"{API}/settings", repositories_api.change_settings),
    route("POST", rf"{API}/branch/{REVISION}", repositories_api.create_branch),
    route("DELETE", rf"{API}/branch/{REVISION}", repositories_api.delete_branch),
    route("POST", rf"{API}/tag/{REVISION}", repositories_api.create_tag),
    route("DELETE", rf"{API}/tag/{REVISION}", repositories_api.delete_tag),
    route("POST", rf"{API}/preupload/{REVISION}", uploads.preupload),
    route("POST", rf"{API}/commit/{REVISION}", uploads.commit),
    route("GET", API, read_api.repository_info),
    route("POST", rf"{FILES}\.git/info/lfs/objects/batch", uploads.lfs_batch),
    route("POST", rf"{FILES}\.git/info/lfs/verify", uploads.lfs_verify),
    route("HEAD GET", rf"{FILES}/resolve/{REVISION}/{PATH}", downloads.resolve),
    route("HEAD GET", FILES, read_api.repository_page),
]
CDN_ROUTES = [
    route("HEAD GET", r"/_cdn/(?P<sha256>[0-9a-f]{64})", downloads.cdn),
    route("PUT", r"/_lfs/(?P<sha256>[0-9a-f]{64})", uploads.lfs_put),
]
ROUTES = {"hub": HUB_ROUTES, "cdn": CDN_ROUTES}


def find_route(origin: str, method: str, path: str) -> tuple[Handler, dict[str, str | None]] | None:
    for candidate in ROUTES[origin]:
        if method in candidate.methods and (match := candidate.pattern.fullmatch(path)):
            parts = {name: value and unquote(value) for name, value in match.groupdict().items()}
            return candidate.handler, parts
    return None
