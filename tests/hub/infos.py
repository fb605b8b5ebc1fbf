"""What the API says about a repository: every property, and which of them a request gets."""

from collections.abc import Sequence

from tests.hub import errors
from tests.hub.call import timestamp
from tests.hub.content import TrackedFile
from tests.hub.metadata import JsonObject
from tests.hub.repository import Commit, Repository
from tests.hub.state import HubState

MODEL_EXPAND = (
    *("author", "baseModels", "cardData", "childrenModelCount", "config", "createdAt", "disabled"),
    *("downloads", "downloadsAllTime", "evalResults", "gated", "gguf", "inference"),
    *("inferenceProviderMapping", "lastModified", "library_name", "likes", "mask_token", "model-index"),
    *("pipeline_tag", "private", "resourceGroup", "safetensors", "sha", "siblings", "spaces", "tags"),
    *("transformersInfo", "trendingScore", "usedStorage", "widgetData", "xetEnabled"),
)
DATASET_EXPAND = (
    *("author", "cardData", "citation", "createdAt", "description", "disabled", "downloads"),
    *("downloadsAllTime", "gated", "lastModified", "likes", "paperswithcode_id", "private"),
    *("resourceGroup", "sha", "siblings", "tags", "trendingScore", "usedStorage", "xetEnabled"),
)
SPACE_EXPAND = (
    *("author", "cardData", "createdAt", "datasets", "disabled", "lastModified", "likes", "models"),
    *("private", "resourceGroup", "runtime", "sdk", "sha", "siblings", "subdomain", "tags"),
    *("trendingScore", "usedStorage", "xetEnabled"),
)
EXPAND = {"model": MODEL_EXPAND, "dataset": DATASET_EXPAND, "space": SPACE_EXPAND}
NOT_IN_LISTS = ("usedStorage", "childrenModelCount", "xetEnabled")

INFO_DEFAULTS = (
    *("author", "cardData", "config", "createdAt", "disabled", "downloads", "gated", "lastModified"),
    *("library_name", "likes", "model-index", "pipeline_tag", "private", "safetensors", "sdk", "sha"),
    *("siblings", "spaces", "tags", "transformersInfo", "usedStorage", "widgetData"),
)
LIST_DEFAULTS = ("createdAt", "downloads", "library_name", "likes", "pipeline_tag", "private", "sdk", "tags")
LIST_FULL = (
    *LIST_DEFAULTS,
    *("author", "disabled", "gated", "lastModified", "sha", "siblings", "trendingScore"),
)


def check_expand(kind: str, names: Sequence[str], in_list: bool = False) -> None:
    accepted = [name for name in EXPAND[kind] if not (in_list and name in NOT_IN_LISTS)]
    for name in names:
        if name not in accepted:
            options = "|".join(f'"{option}"' for option in accepted)
            raise errors.bad_request(
                f'Invalid option: expected one of {options}\n  at "expand": got "{name}"'
            )


def describe(state: HubState, repository: Repository, commit: Commit, names: Sequence[str]) -> JsonObject:
    """`_id`, `id` and the named properties; those without a value are left out, as the Hub does."""
    properties = all_properties(state, repository, commit)
    described: JsonObject = {"_id": repository.database_id, "id": repository.id}
    described |= {name: properties[name]() for name in names if name in properties}
    return {name: value for name, value in described.items() if value is not None}


def all_properties(state: HubState, repository: Repository, commit: Commit) -> JsonObject:
    """Each property as a function, so that only those asked for are computed."""
    metadata = repository.metadata(commit)
    is_model = repository.kind == "model"
    return {
        "author": lambda: repository.owner,
        "baseModels": lambda: base_models(state, repository),
        "cardData": lambda: metadata.card_data,
        "childrenModelCount": lambda: count_children(state, repository),
        "config": lambda: metadata.config if is_model else None,
        "createdAt": lambda: timestamp(repository.created_at),
        "disabled": lambda: repository.disabled,
        "downloads": lambda: None if repository.kind == "space" else repository.downloads,
        "downloadsAllTime": lambda: repository.downloads * 10,
        "gated": lambda: repository.gated,
        "lastModified": lambda: timestamp(repository.modified_at),
        "library_name": lambda: metadata.library_name if is_model else None,
        "likes": lambda: repository.likes,
        "pipeline_tag": lambda: metadata.pipeline_tag if is_model else None,
        "private": lambda: repository.private,
        "safetensors": lambda: metadata.safetensors if is_model else None,
        "sdk": lambda: repository.space_sdk,
        "sha": lambda: commit.sha,
        "siblings": lambda: [{"rfilename": path} for path in sorted(commit.files)],
        "spaces": lambda: [] if is_model else None,
        "tags": lambda: tags_of(repository, commit),
        "trendingScore": lambda: repository.trending_score,
        "transformersInfo": lambda: transformers_info(repository, commit),
        "usedStorage": lambda: used_storage(repository),
        "xetEnabled": lambda: False,
    }


def tags_of(repository: Repository, commit: Commit | None = None) -> list[str]:
    return list(dict.fromkeys([*repository.metadata(commit).tags, *repository.extra_tags]))


def base_models(state: HubState, repository: Repository) -> JsonObject | None:
    """Only bases that are on the Hub have an `_id`, so only those are listed."""
    metadata = repository.metadata()
    found = [base for base_id in metadata.base_model_ids if (base := state.get("model", base_id))]
    if not found:
        return None
    models = [{"_id": base.database_id, "id": base.id} for base in found]
    return {"relation": metadata.base_model_relation, "models": models}


def count_children(state: HubState, repository: Repository) -> JsonObject:
    counts = {"adapter": 0, "merge": 0, "quantized": 0, "finetune": 0}
    for other in state.all_of("model"):
        metadata = other.metadata()
        if repository.id in metadata.base_model_ids and metadata.base_model_relation in counts:
            counts[metadata.base_model_relation] += 1
    return counts


def transformers_info(repository: Repository, commit: Commit) -> JsonObject | None:
    metadata = repository.metadata(commit)
    architectures = (metadata.config or {}).get("architectures")
    if metadata.library_name != "transformers" or not architectures:
        return None
    return {
        "auto_model": architectures[0],
        "pipeline_tag": metadata.pipeline_tag,
        "processor": "AutoTokenizer",
    }


def used_storage(repository: Repository) -> int:
    """Everything in the history, each content once."""
    contents = {
        file.content.sha256: file.content.size
        for commit in repository.commits.values()
        for file in commit.files.values()
    }
    return sum(contents.values())


def siblings_with_sizes(commit: Commit) -> list[JsonObject]:
    return [sibling_with_size(file) for _, file in sorted(commit.files.items())]


def sibling_with_size(file: TrackedFile) -> JsonObject:
    sibling: JsonObject = {"rfilename": file.path, "blobId": file.oid, "size": file.content.size}
    if file.is_lfs:
        sibling["lfs"] = {
            "sha256": file.content.sha256,
            "size": file.content.size,
            "pointerSize": len(file.pointer),
        }
    return sibling
