"""How much memory the adapters of one base may hold, and which of them go when it is more (pure).

Coming back to an adapter that stayed costs nothing, so they stay as long as they are small beside what
they sit on. Knows names and sizes in the order of use; nothing of models.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

SHARE_OF_BASE = 0.5
AT_LEAST_BYTES = 512 * 1024**2


def to_detach(adapters: Mapping[str, int], staying: Collection[str], base_bytes: int) -> list[str]:
    """The adapters to detach, the least recently used first. `adapters` has their bytes in the order of use,
    `staying` are those that answer now or were just asked for.
    """
    allowed = max(AT_LEAST_BYTES, int(SHARE_OF_BASE * base_bytes))
    held = sum(adapters.values())
    chosen: list[str] = []
    for name, size in adapters.items():
        if held <= allowed:
            break
        if name not in staying:
            chosen.append(name)
            held -= size
    return chosen
