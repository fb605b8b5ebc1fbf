"""What the rules look at: all that was read of an adapter and its base; and how a rule says what it finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from adapter_ui.catalog.profiles.config import AdapterConfig
from adapter_ui.catalog.profiles.values import Values
from adapter_ui.domain import AdapterRef, BaseFacts, Finding, Level, TensorInfo

BaseTensors = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Evidence:
    """What was read of an adapter. A problem is the finding that stands for what could not be read.

    `base_asked` is the name that `base` was asked for by; with `base_chosen`, whoever looks chose it, and not
    the author. `base_tensors` are the base's shapes by tensor name, and `likely_base` is a guess at the base
    of a config that names none. `license` is the one that the repository or its card states; without a
    `card_read` there may be one all the same.
    """

    ref: AdapterRef
    files: Mapping[str, int | None]
    config: AdapterConfig | None = None
    tensors: tuple[TensorInfo, ...] | None = None
    base: BaseFacts | None = None
    base_from_card: bool = False
    problems: tuple[Finding, ...] = field(default=())
    base_asked: str | None = None
    base_chosen: bool = False
    base_tensors: BaseTensors | None = None
    likely_base: str | None = None
    values: Values | None = None
    license: str | None = None
    card_read: bool = False


def good(code: str, message: str) -> Finding:
    return Finding(Level.GOOD, code, message)


def info(code: str, message: str) -> Finding:
    return Finding(Level.INFO, code, message)


def warning(code: str, message: str) -> Finding:
    return Finding(Level.WARNING, code, message)


def blocker(code: str, message: str) -> Finding:
    """A load must be refused: it would fail, or be unsafe."""
    return Finding(Level.BLOCKER, code, message)


def listed(names: set[str], shown: int = 3) -> str:
    """A few of the names, and how many more there are."""
    first = [name[:80] for name in sorted(names)[:shown]]
    return ", ".join(first) + (f" and {len(names) - shown} more" if len(names) > shown else "")
