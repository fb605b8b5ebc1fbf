"""GET /api/models (and datasets, spaces): filters, sorting, pages."""

import re
from collections.abc import Callable, Sequence

from starlette.responses import JSONResponse, Response

from tests.hub import errors, infos
from tests.hub.call import Call, decode_cursor, encode_cursor
from tests.hub.repository import Repository
from tests.hub.state import HubState

SortKey = Callable[[Repository], float]

SORT_KEYS: dict[str, SortKey] = {
    "createdAt": lambda repository: repository.created_at.timestamp(),
    "downloads": lambda repository: repository.downloads,
    "lastModified": lambda repository: repository.modified_at.timestamp(),
    "likes": lambda repository: repository.likes,
    "trendingScore": lambda repository: repository.trending_score,
}
UNITS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}


def list_repositories(state: HubState, call: Call) -> Response:
    names = wanted_properties(call)
    sort = call.query.get("sort", "trendingScore")
    if sort not in SORT_KEYS:
        raise errors.bad_request(f'Invalid sort: "{sort}". Expected one of {", ".join(SORT_KEYS)}')
    found = [repository for repository in state.all_of(call.kind) if is_wanted(state, call, repository)]
    page = take_page(state, call, found, SORT_KEYS[sort])
    return JSONResponse([list_item(state, call, repository, names) for repository in page])


def wanted_properties(call: Call) -> Sequence[str]:
    expand = call.values("expand")
    infos.check_expand(call.kind, expand, in_list=True)
    if expand:
        return expand
    names = infos.LIST_FULL if call.flag("full") else infos.LIST_DEFAULTS
    return [*names, *(name for name in ("config", "cardData") if call.flag(name))]


def list_item(state: HubState, call: Call, repository: Repository, names: Sequence[str]) -> infos.JsonObject:
    item = infos.describe(state, repository, repository.head, names)
    if call.kind == "model" and not call.values("expand"):
        item["modelId"] = repository.id
    return item


def is_wanted(state: HubState, call: Call, repository: Repository) -> bool:
    if not state.is_visible(repository, call.viewer):
        return False
    query = call.query
    tags = infos.tags_of(repository)
    filters = [part for value in call.values("filter") for part in value.split(",")]
    words = query.get("search", "").lower().split()
    return (
        all(tag in tags for tag in filters)
        and all(word in repository.id.lower() for word in words)
        and query.get("author", repository.owner).lower() == repository.owner.lower()
        and ("gated" not in query or call.flag("gated") == bool(repository.gated))
        and query.get("pipeline_tag") in (None, repository.metadata().pipeline_tag)
        and ("num_parameters" not in query or has_parameters(repository, query["num_parameters"]))
    )


def has_parameters(repository: Repository, bounds: str) -> bool:
    """`bounds` is like "min:6B,max:128B"; repositories without a count (adapters) never fit."""
    counted = repository.metadata().safetensors
    if not counted:
        return False
    limits = {"min": 0.0, "max": float("inf")}
    for bound in bounds.split(","):
        match = re.fullmatch(r"(min|max):([\d.]+)([KMBT]?)", bound.strip())
        if not match:
            raise errors.bad_request(f"Invalid num_parameters: {bounds}")
        limits[match[1]] = float(match[2]) * UNITS[match[3]]
    return limits["min"] <= counted["total"] <= limits["max"]


def take_page(state: HubState, call: Call, found: list[Repository], key: SortKey) -> list[Repository]:
    """The cursor names the last item of the page before: pages stay right while repositories come and go."""
    found.sort(key=lambda repository: (-key(repository), repository.id))
    if "cursor" in call.query:
        last_key, last_id = decode_cursor(call.query["cursor"])
        found = [one for one in found if (-key(one), one.id) > (last_key, last_id)]
    size = min(call.number("limit", state.list_page_size), state.list_page_size)
    page = found[:size]
    if page and len(found) > size:
        call.link_next(state.endpoint, encode_cursor([-key(page[-1]), page[-1].id]))
    return page
