"""Keys and values of conversations that have been answered, so that the next turn reads only what is new.

Knows tokens and tensors; nothing of text.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import torch

from adapter_ui.models.decoding.batch import Row
from adapter_ui.models.decoding.cache import RowCache
from adapter_ui.models.decoding.mixture import Voice

MOST_CONVERSATIONS = 8
MOST_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class Conversation:
    """`tokens` are the prompt and the answer, of which the first `prompt_tokens` are the prompt.

    `speaker` and `voice` are who answered: an adapter in the base's layers, and one beside them.
    """

    speaker: Hashable
    voice: Voice
    tokens: list[int]
    prompt_tokens: int
    layers: list[tuple[torch.Tensor, torch.Tensor]]

    @property
    def bytes(self) -> int:
        return sum(keys.nbytes + values.nbytes for keys, values in self.layers)

    def shared_with(self, speaker: Hashable, row: Row) -> int:
        """How many first tokens the row's prompt shares, if it goes on with this conversation; else 0.

        The same question asked again is no continuation: it is read afresh, so that a seed repeats an answer
        to the bit.
        """
        if (self.speaker, self.voice) != (speaker, row.voice) or len(row.prompt) <= self.prompt_tokens:
            return 0
        pairs = zip(self.tokens, row.prompt[:-1], strict=False)
        shared = next((place for place, (one, other) in enumerate(pairs) if one != other), None)
        shared = min(len(self.tokens), len(row.prompt) - 1) if shared is None else shared
        return shared if shared >= self.prompt_tokens else 0


class KeptConversations:
    """The last few, within a bound of memory."""

    def __init__(self) -> None:
        self.conversations: deque[Conversation] = deque(maxlen=MOST_CONVERSATIONS)

    def keep(self, speaker: Hashable, row: Row, cache: RowCache, place: int) -> None:
        self.conversations.append(
            Conversation(speaker, row.voice, row.cached_tokens, len(row.prompt), cache.row_of(place))
        )
        while sum(one.bytes for one in self.conversations) > MOST_BYTES:
            self.conversations.popleft()

    def known(self, speaker: Hashable, row: Row) -> RowCache | None:
        """The longest known beginning of the row's prompt, by the one who is to answer it."""
        longest = max(self.conversations, key=lambda one: one.shared_with(speaker, row), default=None)
        shared = longest.shared_with(speaker, row) if longest else 0
        if not shared:
            return None
        layers = [(keys[:, :, :shared], values[:, :, :shared]) for keys, values in longest.layers]
        return RowCache.of_one(layers)

    def forget(self, gone: Callable[[Any, Voice], bool]) -> None:
        """Drop the conversations with an adapter that goes; `gone` tells them by speaker and voice."""
        staying = [one for one in self.conversations if not gone(one.speaker, one.voice)]
        self.conversations = deque(staying, maxlen=MOST_CONVERSATIONS)
