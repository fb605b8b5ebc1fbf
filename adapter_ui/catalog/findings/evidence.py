"""What the rules look at: everything that was read of an adapter and its base."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from adapter_ui.catalog.profiles.config import AdapterConfig
from adapter_ui.domain import AdapterRef, BaseFacts, Finding, Level, TensorInfo


@dataclass(frozen=True)
class Evidence:
    """What was read of an adapter. A problem is the finding that stands for what could not be read."""

    ref: AdapterRef
    files: Mapping[str, int | None]
    config: AdapterConfig | None = None
    tensors: tuple[TensorInfo, ...] | None = None
    base: BaseFacts | None = None
    base_from_card: bool = False
    problems: tuple[Finding, ...] = field(default=())


def blocker(code: str, message: str) -> Finding:
    return Finding(Level.BLOCKER, code, message)
