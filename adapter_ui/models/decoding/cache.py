"""Keys and values of rows that are decoded together: rows join and leave, and a token is written in place.

All rows end in the same column; a shorter row has empty columns before its start, which its mask hides.
transformers' own DynamicCache copies all keys and values at every token. Knows tensors; nothing of text.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers.cache_utils import Cache, DynamicLayer

SPARE_COLUMNS = 128


class RowLayer(DynamicLayer):
    """One layer's keys and values, [rows, heads, columns, size], with spare columns at the end.

    `keys` and `values` are views of what is filled.
    """

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        if not self.is_initialized:
            self.fill(key_states, value_states, 0)
        elif end > self.all_keys.shape[-2]:
            self.fill(self.keys, self.values, end - start)
        if start:
            self.all_keys[:, :, start:end] = key_states
            self.all_values[:, :, start:end] = value_states
        self.keys, self.values = self.all_keys[:, :, :end], self.all_values[:, :, :end]
        return self.keys, self.values

    def fill(self, keys: torch.Tensor, values: torch.Tensor, more: int) -> None:
        """Start over with these, and room for `more` columns beyond the spare ones."""
        self.dtype, self.device = keys.dtype, keys.device
        self.all_keys, self.all_values = with_room(keys, more), with_room(values, more)
        length = keys.shape[-2]
        self.keys, self.values = self.all_keys[:, :, :length], self.all_values[:, :, :length]
        self.is_initialized = True

    def part(self, row: int, first: int, last: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A copy of one row's columns."""
        columns = slice(row, row + 1), slice(None), slice(first, last)
        return self.keys[columns].clone(), self.values[columns].clone()


def with_room(states: torch.Tensor, more: int) -> torch.Tensor:
    rows, heads, columns, size = states.shape
    roomy = states.new_zeros((rows, heads, columns + more + SPARE_COLUMNS, size))
    roomy[:, :, :columns] = states
    return roomy


class RowCache(Cache):
    """The layers of all rows. `starts` is the first column of each row."""

    def __init__(self, starts: Sequence[int] = ()) -> None:
        super().__init__(layer_class_to_replicate=RowLayer)
        self.starts = list(starts)

    @classmethod
    def of_one(cls, layers: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> RowCache:
        """One row from keys and values as `row_of` gives them."""
        cache = cls([0])
        for keys, values in layers:
            layer = RowLayer()
            layer.fill(keys, values, 0)
            cache.layers.append(layer)
        return cache

    @property
    def length(self) -> int:
        return self.get_seq_length()

    def join(self, other: RowCache) -> None:
        """Take the other's rows in, after one's own, all ends in one column."""
        if not self.starts:
            self.layers, self.starts = other.layers, other.starts
            return
        length = max(self.length, other.length)
        self.starts = [start + length - cache.length for cache in (self, other) for start in cache.starts]
        for mine, theirs in zip(self.layers, other.layers, strict=True):
            keys = [at_the_end(states, length) for states in (mine.keys, theirs.keys)]
            values = [at_the_end(states, length) for states in (mine.values, theirs.values)]
            mine.fill(torch.cat(keys), torch.cat(values), 0)

    def keep(self, rows: Sequence[int]) -> None:
        """Leave only these rows, without the columns that none of them uses."""
        self.starts = [self.starts[row] for row in rows]
        if not rows:
            self.layers = []
            return
        unused = min(self.starts)
        self.starts = [start - unused for start in self.starts]
        for layer in self.layers:
            chosen = torch.tensor(rows, device=layer.keys.device)
            layer.fill(layer.keys[chosen, :, unused:], layer.values[chosen, :, unused:], 0)

    def row_of(self, row: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """A copy of one row's keys and values by layer, without its empty columns."""
        return [layer.part(row, self.starts[row], self.length) for layer in self.layers]


def at_the_end(states: torch.Tensor, length: int) -> torch.Tensor:
    """The states moved to the end of `length` columns, with zeros before them."""
    return torch.nn.functional.pad(states, (0, 0, length - states.shape[-2], 0))
