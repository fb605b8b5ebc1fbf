"""The Hub's list of adapters: a SearchQuery becomes its parameters, its rows become AdapterSummary (pure).

Rows are a stranger's JSON: a field of the wrong kind is unknown. Base models are read from `config.peft` and
the tags; the list's own `baseModels` says the same, and some Hubs refuse it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapter_ui.catalog.profiles.methods import METHODS, PIPELINE_TAGS
from adapter_ui.domain import AdapterRef, AdapterSummary, SearchQuery, Source, is_hub_id

SORTS = {
    "trending": "trendingScore",
    "downloads": "downloads",
    "likes": "likes",
    "updated": "lastModified",
    "created": "createdAt",
}
EXPAND = ("config", "downloads", "gated", "lastModified", "likes", "pipeline_tag", "sha", "tags")
ADAPTER_TAG = "base_model:adapter:"
LONGEST_TEXT = 200


def list_parameters(query: SearchQuery, limit: int, cursor: str) -> dict[str, Any]:
    """The parameters of `/api/models` for one page of at most `limit` rows."""
    filters = ["peft"]
    if query.base_model:
        filters.append(ADAPTER_TAG + query.base_model)
    if query.method and query.method != "LORA":
        filters.append(query.method.lower())
    parameters: dict[str, Any] = {
        "filter": filters,
        "sort": SORTS[query.sort],
        "limit": limit,
        "expand": list(EXPAND),
    }
    if query.text.strip():
        parameters["search"] = query.text.strip()[:LONGEST_TEXT]
    if query.task_type and query.task_type != "CAUSAL_LM":
        parameters["pipeline_tag"] = PIPELINE_TAGS[query.task_type]
    if cursor:
        parameters["cursor"] = cursor
    return parameters


def read_row(row: Mapping[str, Any]) -> AdapterSummary | None:
    """One row of the list; None when it has no usable name."""
    repo_id = row.get("id")
    if not isinstance(repo_id, str) or not is_hub_id(repo_id):
        return None
    tags = (
        [tag for tag in row.get("tags") or () if isinstance(tag, str)]
        if isinstance(row.get("tags"), list)
        else []
    )
    config = row.get("config")
    peft = config.get("peft") if isinstance(config, dict) else None
    peft = peft if isinstance(peft, dict) else {}
    return AdapterSummary(
        ref=AdapterRef(Source.HUB, repo_id),
        base_model=base_of(peft, tags),
        task_type=text_of(peft, "task_type"),
        method=method_of(tags),
        downloads=count_of(row, "downloads"),
        likes=count_of(row, "likes"),
        updated=text_of(row, "lastModified"),
        gated=bool(row.get("gated")),
        commit=text_of(row, "sha"),
    )


def base_of(peft: Mapping[str, Any], tags: list[str]) -> str | None:
    """What the adapter's config names; the tags where that is a path on someone's machine, or nothing."""
    named = text_of(peft, "base_model_name_or_path")
    if named and is_hub_id(named):
        return named
    tagged = [tag.removeprefix(ADAPTER_TAG) for tag in tags if tag.startswith(ADAPTER_TAG)]
    return next((base for base in tagged if is_hub_id(base)), None)


def method_of(tags: list[str]) -> str | None:
    """The one method among the tags; authors tag freely, so two of them say nothing."""
    named = {tag.upper() for tag in tags} & METHODS.keys()
    return named.pop() if len(named) == 1 else None


def fits(row: AdapterSummary, query: SearchQuery) -> bool:
    """Whether a row of the Hub fits the filters the Hub cannot apply; what is not known yet may fit."""
    return (not query.task_type or row.task_type in (None, query.task_type)) and (
        not query.method or row.method in (None, query.method)
    )


def notice_of(query: SearchQuery) -> str | None:
    """What the filters leave out without saying so."""
    parts = []
    if query.task_type and query.task_type != "CAUSAL_LM":
        parts.append(f"whose card carries the task {PIPELINE_TAGS[query.task_type]}")
    if query.method and query.method != "LORA":
        parts.append(f"whose card carries the tag {query.method.lower()}")
    if parts:
        return f"The Hub lists only adapters {' and '.join(parts)}; others may exist, so search by name too."
    if query.method or query.task_type:
        return "The Hub does not say every adapter's method and task; unknown ones are shown as well."
    return None


def text_of(row: Mapping[str, Any], name: str) -> str | None:
    value = row.get(name)
    return value[:LONGEST_TEXT] if isinstance(value, str) and value else None


def count_of(row: Mapping[str, Any], name: str) -> int | None:
    value = row.get(name)
    return value if type(value) is int and value >= 0 else None
