"""The linear modules of a base as an adapter can sit on them: those of one name together (pure)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LinearModules:
    """The linear modules that share a name, such as q_proj. `sizes` are the inputs and outputs of each;
    `outside` counts those in no numbered layer, such as a pooler.
    """

    name: str
    sizes: tuple[tuple[int, int], ...]
    outside: int = 0
