"""Where modules sit in a base, told from their names alone: the layer, and the kind that repeats in each.

A kind is the shortest end of a name that tells a module from the others of its layer: “q_proj” in a Llama,
“attention.output.dense” beside “output.dense” in a BERT. Where an adapter sits in several stacks of layers,
the kind begins with the stack: “encoder.q” and “decoder.q” in a T5. Knows no base and no method.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MOST_WORDS = 4


@dataclass(frozen=True)
class Place:
    """A module's layer, and its kind within that layer."""

    layer: int | None
    kind: str


@dataclass(frozen=True)
class Path:
    """A name taken apart: the stack of layers it is in, the layer's number, and the words below it.

    Further numbers are experts and blocks of one kind and are left out. `words` are the last few only.
    """

    stack: tuple[str, ...]
    layer: int | None
    words: tuple[str, ...]


def place_modules(names: Iterable[str]) -> dict[str, Place]:
    """The place of each name among all of them."""
    paths = {name: take_apart(name) for name in names}
    stacks: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for path in paths.values():
        stacks.setdefault(path.stack, set()).add(path.words)
    kinds = {stack: shortest_ends(words) for stack, words in stacks.items()}
    prefixes = stack_names(stack for stack in stacks if stack)
    return {
        name: Place(
            path.layer,
            ".".join(filter(None, (prefixes.get(path.stack), kinds[path.stack][path.words]))) or name,
        )
        for name, path in paths.items()
    }


def take_apart(name: str) -> Path:
    """The first number is the layer's, unless a short name ends in it: “classifier.0” is a head."""
    words = name.split(".")
    inside = words if len(words) > 2 else words[:-1]
    first = next((place for place, word in enumerate(inside) if is_number(word)), None)
    if first is None:
        return Path((), None, tuple(word for word in words if not word.isdigit())[-MOST_WORDS:])
    below = [word for word in words[first + 1 :] if not word.isdigit()]
    return Path(tuple(words[:first]), int(words[first]), tuple(below or words[:first])[-MOST_WORDS:])


def is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 7


def shortest_ends(paths: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """For each path its last word, and as many before it as tell it from the other paths."""
    paths = tuple(paths)
    shared = Counter(path[-length:] for path in paths for length in range(1, len(path) + 1))
    ends = {}
    for path in paths:
        lengths = (length for length in range(1, len(path) + 1) if shared[path[-length:]] == 1)
        ends[path] = ".".join(path[-next(lengths, len(path)) :])
    return ends


def stack_names(stacks: Iterable[Sequence[str]]) -> dict[tuple[str, ...], str]:
    """What tells each stack of layers from the others; nothing where there is only one."""
    found = [tuple(stack) for stack in stacks]
    if len(found) < 2:
        return dict.fromkeys(found, "")
    common = set.intersection(*(set(stack) for stack in found))
    short = {stack: next((word for word in stack if word not in common), "") for stack in found}
    counts = Counter(short.values())
    return {stack: name if name and counts[name] == 1 else ".".join(stack) for stack, name in short.items()}
