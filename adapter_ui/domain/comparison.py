"""Two to four adapters beside each other: what is the same in all of them, and what tells them apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from adapter_ui.domain.adapters import AdapterProfile
from adapter_ui.domain.models import Precision
from adapter_ui.domain.refs import AdapterRef


class Agreement(StrEnum):
    """Whether adapters agree on something. PARTLY: those that have it agree, and some do not have it."""

    DIFFERS = "differs"
    PARTLY = "partly"
    SAME = "same"


@dataclass(frozen=True)
class ComparedAdapter:
    """One adapter of a comparison: its profile, or the sentence that says why there is none."""

    ref: AdapterRef
    profile: AdapterProfile | None = None
    error: str | None = None


@dataclass(frozen=True)
class ComparedRow:
    """One fact, by adapter. A figure that is not known, or a field that a config lacks, is not in `values`.

    So None as a value is a null that a config holds.
    """

    name: str
    values: Mapping[AdapterRef, Any]
    agreement: Agreement


@dataclass(frozen=True)
class ModuleChange:
    """What one adapter does to the modules of a group: `parameters` are those of all of them together."""

    rank: int | None
    scaling: float | None
    parts: tuple[str, ...]
    whole: bool
    parameters: int


@dataclass(frozen=True)
class ModuleGroup:
    """Modules of one place in the layers that the same adapters change in the same way.

    `place` is the full name with * for its numbers, `layers` are those of the `count` modules, ascending.
    """

    place: str
    kind: str
    layers: tuple[int, ...]
    count: int
    changes: Mapping[AdapterRef, ModuleChange]
    agreement: Agreement


@dataclass(frozen=True)
class Verdict:
    """Whether something can be done, None where that is not known, and the sentences that say why."""

    possible: bool | None
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class SideBySide:
    """A comparison. What differs stands first in `config` and `modules`.

    `precision` is that of the figure `memory`. `one_base` is whether one copy of the base in memory can serve
    all, `one_batch` whether one forward pass can answer with all of them.
    """

    adapters: tuple[ComparedAdapter, ...]
    precision: Precision
    figures: tuple[ComparedRow, ...]
    config: tuple[ComparedRow, ...]
    modules: tuple[ModuleGroup, ...]
    one_base: Verdict
    one_batch: Verdict

    @property
    def profiles(self) -> tuple[AdapterProfile, ...]:
        """Those that could be inspected."""
        return tuple(one.profile for one in self.adapters if one.profile is not None)
