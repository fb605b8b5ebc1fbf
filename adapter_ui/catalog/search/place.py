"""Where a search goes on: what a cursor holds. It travels through pages and addresses, so it is checked."""

from __future__ import annotations

import base64
import json
from dataclasses import astuple, dataclass, replace
from typing import Any

from adapter_ui.catalog.storage.index_query import After
from adapter_ui.domain import is_hub_id
from adapter_ui.errors import InvalidInput

LONGEST_CURSOR = 4096
LARGEST_COUNT = 1_000_000
LARGEST_NUMBER = 2**53


@dataclass(frozen=True)
class Place:
    """A place in the one list that a search is: this machine's rows, then the Hub's lists, or the index.

    `local` is the number of this machine's rows before it, None when they are through. In the Hub's lists it
    is the list `lane` at the Hub's own cursor `page`, after the adapter `last` on that page when `inside`;
    otherwise `last` was the end of the page before. `after` is the last row taken from the index.
    """

    local: int | None = 0
    lane: int = 0
    page: str = ""
    last: str = ""
    inside: bool = False
    after: After | None = None

    @classmethod
    def parse(cls, cursor: str) -> Place:
        """Raises InvalidInput for what no search gave."""
        if not cursor:
            return cls()
        try:
            if len(cursor) > LONGEST_CURSOR:
                raise ValueError("too long")
            values = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
            return checked(values)
        except (ValueError, TypeError, RecursionError) as error:
            raise InvalidInput(
                "This cursor is not one that a search gave; search again without it.", field="cursor"
            ) from error

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(json.dumps(astuple(self)).encode()).decode()

    def past_page(self, following: str | None, last: str) -> Place:
        """The place behind a whole page of the Hub's: its next page, or the next list."""
        if following is None:
            return replace(self, lane=self.lane + 1, page="", last=last or self.last, inside=False)
        return replace(self, page=following, last=last or self.last, inside=False)

    def past_row(self, name: str) -> Place:
        """The place behind one adapter of this page of the Hub's."""
        return replace(self, last=name, inside=True)


def checked(values: Any) -> Place:
    """Raises ValueError or TypeError for values of the wrong kind."""
    local, lane, page, last, inside, after = values
    if local is not None and not is_count(local):
        raise ValueError("local")
    if not is_count(lane) or not isinstance(page, str) or not page.isprintable():
        raise ValueError("page")
    if not isinstance(last, str) or (last and not is_hub_id(last)) or not isinstance(inside, bool):
        raise ValueError("last")
    return Place(local, lane, page, last, inside, None if after is None else checked_after(after))


def checked_after(after: Any) -> After:
    value, number = after
    if isinstance(value, str):
        if not value.isprintable():
            raise ValueError("after")
    elif type(value) not in (int, float) or not -1 <= value <= LARGEST_NUMBER:
        raise ValueError("after")
    if type(number) is not int or not 0 <= number <= LARGEST_NUMBER:
        raise ValueError("after")
    return value, number


def is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= LARGEST_COUNT
