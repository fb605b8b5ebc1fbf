"""Which models to unload so that another one fits (pure). Knows sizes and the order of use, nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from adapter_ui.domain import LoadedBase


def to_unload(loaded: Sequence[LoadedBase], needed: int, available: int) -> tuple[LoadedBase, ...]:
    """The bases to unload, the least recently used first, so that `needed` bytes are free.

    `loaded` is in the order of use. Empty when it fits already, and when unloading all would not be enough:
    nobody should lose a model for a load that fails all the same.
    """
    chosen: list[LoadedBase] = []
    for base in loaded:
        if available >= needed:
            break
        chosen.append(base)
        available += base.measured_bytes
    return tuple(chosen) if available >= needed else ()
