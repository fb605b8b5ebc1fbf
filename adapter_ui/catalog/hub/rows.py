"""The Hub's list of adapters: what to ask it, its rows as AdapterSummary (pure).

Rows are a stranger's JSON: a field of the wrong kind is unknown. Base models are read from `config.peft` and
the tags; the list's own `baseModels` says the same, and some Hubs refuse it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapter_ui.catalog.methods.table import METHODS
from adapter_ui.domain import AdapterRef, AdapterSummary, SearchQuery, Source, is_hub_id

SORTS = {
    "trending": "trendingScore",
    "downloads": "downloads",
    "likes": "likes",
    "updated": "lastModified",
    "created": "createdAt",
    "size": "downloads",
    "rank": "downloads",
}
"""The sorts, and the Hub's own by which its list is read for each."""

EXPAND = (
    "config",
    "createdAt",
    "downloads",
    "gated",
    "lastModified",
    "likes",
    "pipeline_tag",
    "sha",
    "tags",
    "trendingScore",
)
ADAPTER_TAG = "base_model:adapter:"
LICENSE_TAG = "license:"
SAFETENSORS_TAG = "safetensors"
LONGEST_TEXT = 200
LARGEST_COUNT = 2**53


@dataclass(frozen=True)
class Listed:
    """A row of the Hub's list, with the tags by which it is in that list."""

    row: AdapterSummary
    tags: frozenset[str]
    task: str | None


def list_parameters(
    query: SearchQuery, tags: tuple[str, ...], task: str, limit: int, page: str
) -> dict[str, Any]:
    """The parameters of `/api/models` for at most `limit` rows that carry all `tags` and the Hub's `task`."""
    filters = ["peft", *tags]
    if query.license:
        filters.append(LICENSE_TAG + query.license.lower())
    if query.safetensors:
        filters.append(SAFETENSORS_TAG)
    asked = {
        "search": " ".join(query.words)[:LONGEST_TEXT],
        "author": query.author,
        "gated": {"gated": "true", "open": "false"}.get(query.access, ""),
        "pipeline_tag": task,
        "cursor": page,
    }
    return {
        "filter": filters,
        "sort": SORTS[query.sort],
        "limit": limit,
        "expand": list(EXPAND),
        **{name: value for name, value in asked.items() if value},
    }


def read_row(row: Mapping[str, Any]) -> Listed | None:
    """One row of the list; None when it has no usable name."""
    repo_id = row.get("id")
    if not isinstance(repo_id, str) or not is_hub_id(repo_id):
        return None
    tags = tags_of(row)
    config = row.get("config")
    peft = config.get("peft") if isinstance(config, dict) else None
    peft = peft if isinstance(peft, dict) else {}
    summary = AdapterSummary(
        ref=AdapterRef(Source.HUB, repo_id),
        base_model=base_of(peft, tags),
        task_type=text_of(peft, "task_type"),
        method=method_of(tags),
        downloads=count_of(row.get("downloads")),
        likes=count_of(row.get("likes")),
        updated=text_of(row, "lastModified"),
        gated=bool(row.get("gated")),
        commit=text_of(row, "sha"),
        license=next((tag.removeprefix(LICENSE_TAG) for tag in tags if tag.startswith(LICENSE_TAG)), None),
        trending=number_of(row, "trendingScore"),
        created=text_of(row, "createdAt"),
    )
    return Listed(summary, frozenset(tags), text_of(row, "pipeline_tag"))


def tags_of(row: Mapping[str, Any]) -> list[str]:
    tags = row.get("tags")
    found = tags if isinstance(tags, list) else []
    return [tag for tag in found if isinstance(tag, str) and tag.isprintable() and len(tag) <= LONGEST_TEXT]


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


def text_of(row: Mapping[str, Any], name: str) -> str | None:
    value = row.get(name)
    return value[:LONGEST_TEXT] if isinstance(value, str) and value.isprintable() and value else None


def count_of(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= LARGEST_COUNT else None


def number_of(row: Mapping[str, Any], name: str) -> float | None:
    value = row.get(name)
    usable = type(value) in (int, float) and math.isfinite(value) and 0 <= value <= LARGEST_COUNT
    return float(value) if usable else None
