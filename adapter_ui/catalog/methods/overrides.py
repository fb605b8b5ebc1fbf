"""rank_pattern and alpha_pattern: values of their own for some modules, found without compiling a pattern.

PEFT reads each key as a regular expression for the end of a module's name, the first that matches wins
(`peft.utils.other.get_pattern_key`). A stranger's expression is never compiled here: a key that is a plain
name is compared as text, and after a real expression nothing more is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

SPECIAL = frozenset("*+?{()[|\\")


@dataclass(frozen=True)
class Overrides:
    """The plain keys with their places and values, those of them that must be the whole name, and the place
    of the first key that is a real expression.
    """

    ends: Mapping[str, tuple[int, Any]] = field(default_factory=dict)
    names: Mapping[str, tuple[int, Any]] = field(default_factory=dict)
    first_pattern: int | None = None

    @classmethod
    def read(cls, patterns: Mapping[str, Any] | None) -> Overrides:
        ends: dict[str, tuple[int, Any]] = {}
        names: dict[str, tuple[int, Any]] = {}
        for place, (key, value) in enumerate((patterns or {}).items()):
            if SPECIAL & set(key):
                return cls(ends, names, place)
            plain = key.removesuffix("$")
            found, plain = (names, plain[1:]) if plain.startswith("^") else (ends, plain)
            found.setdefault(plain, (place, value))
        return cls(ends, names)

    def __bool__(self) -> bool:
        return bool(self.ends or self.names) or self.first_pattern is not None

    def value(self, name: str, default: Any) -> Any:
        """The value for the module called `name`; None where an expression may decide it."""
        matches = [self.ends[end] for end in ends_of(name) if end in self.ends]
        if name in self.names:
            matches.append(self.names[name])
        if matches:
            return min(matches, key=lambda match: match[0])[1]
        return default if self.first_pattern is None else None


def ends_of(name: str) -> Iterator[str]:
    """The name, and what follows each of its dots."""
    yield name
    start = name.find(".")
    while start >= 0:
        yield name[start + 1 :]
        start = name.find(".", start + 1)
