"""What a search may ask for, and whether a row fits it (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from adapter_ui.catalog.hub.rows import SORTS
from adapter_ui.catalog.methods.table import METHODS, PIPELINE_TAGS
from adapter_ui.catalog.storage.index_query import SORT_COLUMNS
from adapter_ui.domain import AdapterSummary, SearchQuery, Source, is_hub_id
from adapter_ui.domain.loadable import REFUSED_METHODS
from adapter_ui.errors import InvalidInput

MOST_ROWS = 100
LARGEST_NUMBER = 2**53
ACCESS = ("open", "gated")
AUTHOR = re.compile(r"[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
LICENSE = re.compile(r"[A-Za-z0-9][\w.+-]{0,63}", re.ASCII)


def check_query(query: SearchQuery) -> None:
    """Raises InvalidInput that names the field. The cursor is checked where it is read."""
    choices = {
        "sort": (query.sort, SORTS),
        "source": (query.source, {"", *Source}),
        "task": (query.task_type, {"", *PIPELINE_TAGS}),
        "method": (query.method, {"", *METHODS, *REFUSED_METHODS}),
        "access": (query.access, {"", *ACCESS}),
    }
    for field, (value, accepted) in choices.items():
        if not isinstance(value, str) or value not in accepted:
            names = ", ".join(sorted(name for name in accepted if name))
            raise InvalidInput(
                f"“{str(value)[:40]}” is no {field} to search by; use one of {names}.", field=field
            )
    if query.base_model and not is_hub_id(query.base_model):
        raise InvalidInput(
            f"“{query.base_model[:120]}” is not the name of a base model; use org/name.", field="base_model"
        )
    if query.author and not AUTHOR.fullmatch(query.author):
        raise InvalidInput(
            f"“{query.author[:120]}” is not a name on the Hub; use the part before the slash of org/name.",
            field="author",
        )
    if query.license and not LICENSE.fullmatch(query.license):
        raise InvalidInput(
            f"“{query.license[:120]}” is not the Hub's name of a licence; use one such as apache-2.0 or mit.",
            field="license",
        )
    if not 1 <= query.limit <= MOST_ROWS:
        raise InvalidInput(f"limit is {query.limit}; use 1 to {MOST_ROWS}.", field="limit")
    check_bounds("rank", query.min_rank, query.max_rank)
    check_bounds("size", query.min_size, query.max_size)


def check_bounds(name: str, lowest: int | None, highest: int | None) -> None:
    for field, value in ((f"min_{name}", lowest), (f"max_{name}", highest)):
        if value is not None and (type(value) is not int or not 0 <= value <= LARGEST_NUMBER):
            raise InvalidInput(f"{field} is {str(value)[:40]}; use a whole number from 0.", field=field)
    if lowest is not None and highest is not None and lowest > highest:
        raise InvalidInput(
            f"min_{name} is {lowest}, more than max_{name}, {highest}; swap them.", field=f"min_{name}"
        )


def needs_files(query: SearchQuery) -> bool:
    """Whether only an adapter's files can tell if it fits."""
    bounds = (query.min_rank, query.max_rank, query.min_size, query.max_size)
    return bool(query.method) or any(bound is not None for bound in bounds)


def fits(row: AdapterSummary, query: SearchQuery, known: bool) -> bool | None:
    """Whether a row fits the filters; None while only its files could tell.

    `known` says that they have been read: what is None then stays unknown, and fits no filter.
    """
    answers = list(answers_of(row, query, known))
    if False in answers:
        return False
    if None in answers:
        return False if known else None
    return True


def answers_of(row: AdapterSummary, query: SearchQuery, known: bool) -> Iterator[bool | None]:
    """Filter by filter. Text, author and base are the Hub's and the library's own business."""
    if query.task_type:
        yield equal(query.task_type, row.task_type)
    if query.license:
        yield (row.license or "").lower() == query.license.lower()
    if query.access:
        yield row.gated is (query.access == "gated")
    if query.safetensors:
        yield row.safetensors
    if query.method:
        # The method that a list's tags name can rule a row out, but is no proof.
        same = equal(query.method, row.method)
        yield same if known or same is False else None
    if query.min_rank is not None or query.max_rank is not None:
        yield within(query.min_rank, query.max_rank, row.rank)
    if query.min_size is not None or query.max_size is not None:
        yield within(query.min_size, query.max_size, row.size_bytes)


def equal(wanted: str, value: str | None) -> bool | None:
    return None if value is None else value == wanted


def within(lowest: int | None, highest: int | None, value: int | None) -> bool | None:
    if value is None:
        return None
    return (lowest is None or value >= lowest) and (highest is None or value <= highest)


def by_sort(rows: Sequence[AdapterSummary], sort: str) -> list[AdapterSummary]:
    """Rows with the highest value first; equal ones keep their order, unknown ones come last."""

    def value(row: AdapterSummary) -> tuple[bool, float | str]:
        found = getattr(row, SORT_COLUMNS[sort])
        return (True, found) if found is not None else (False, 0)

    return sorted(rows, key=value, reverse=True)
