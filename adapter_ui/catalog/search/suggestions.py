"""Base models that a few typed letters may mean: those with adapters in the index, then the Hub's own."""

from __future__ import annotations

from adapter_ui.catalog.search.lists import HubLists
from adapter_ui.catalog.storage.index import Index
from adapter_ui.domain import BaseSuggestion
from adapter_ui.errors import HubError

FROM_INDEX, FROM_HUB = 8, 8
MOST_SUGGESTIONS = 12
LONGEST_TEXT = 200


def suggest(lists: HubLists, index: Index, text: str) -> tuple[BaseSuggestion, ...]:
    """At most twelve; those with the most adapters here first. Without text, only what is known here."""
    typed = "".join(one for one in text if one.isprintable()).strip()[:LONGEST_TEXT]
    known = dict(index.bases(typed, FROM_INDEX if typed else MOST_SUGGESTIONS))
    downloads: dict[str, int] = {}
    if typed:
        try:
            downloads = lists.named(typed, FROM_HUB)
        except HubError:
            # Suggestions are a help, no answer: what is known here has to do.
            downloads = {}
    names = list(dict.fromkeys([*known, *downloads]))[:MOST_SUGGESTIONS]
    return tuple(BaseSuggestion(name, known.get(name, 0), downloads.get(name)) for name in names)
