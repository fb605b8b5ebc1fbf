"""Adapters and their bases as their files tell of them, before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from adapter_ui.domain.models import MemoryEstimate, Precision
from adapter_ui.domain.refs import AdapterRef


class Level(StrEnum):
    """How much a finding matters."""

    GOOD = "good"
    INFO = "info"
    WARNING = "warning"
    BLOCKER = "blocker"


@dataclass(frozen=True)
class Finding:
    """Something that decides whether an adapter is worth loading: a stable code and one sentence."""

    level: Level
    code: str
    message: str


@dataclass(frozen=True)
class SearchQuery:
    """What to look for. An empty string or list leaves that filter out; `cursor` continues a page."""

    text: str = ""
    base_model: str = ""
    task_type: str = ""
    method: str = ""
    source: str = ""
    sort: str = "trending"
    limit: int = 30
    cursor: str = ""


@dataclass(frozen=True)
class AdapterSummary:
    """One row of a search. What only the files tell (method, rank, sizes) may still be unknown."""

    ref: AdapterRef
    base_model: str | None = None
    task_type: str | None = None
    method: str | None = None
    rank: int | None = None
    size_bytes: int | None = None
    base_size_bytes: int | None = None
    downloads: int | None = None
    likes: int | None = None
    updated: str | None = None
    gated: bool = False
    commit: str | None = None
    title: str | None = None


@dataclass(frozen=True)
class SearchPage:
    """Rows in the asked order, the cursor of the next page, and one sentence when something is missing."""

    adapters: tuple[AdapterSummary, ...]
    next: str | None = None
    notice: str | None = None


@dataclass(frozen=True)
class TensorInfo:
    """One tensor of a safetensors file, from its header. `start` and `end` are offsets in the file's data."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def parameters(self) -> int:
        count = 1
        for extent in self.shape:
            count *= extent
        return count


@dataclass(frozen=True)
class ModuleInfo:
    """One module of the base that the adapter changes: where it sits, its rank, its parameters."""

    name: str
    kind: str
    layer: int | None
    rank: int | None
    parameters: int


@dataclass(frozen=True)
class BaseFacts:
    """What is known of a base model without downloading its weights.

    `problem` says why `available` is False, and `problem_code` is the `code` of that error. `weights` is the
    format of its files: safetensors, gguf or pickle.
    """

    id: str
    commit: str | None = None
    parameters: int | None = None
    size_bytes: int | None = None
    dtype: str | None = None
    architectures: tuple[str, ...] = ()
    model_type: str | None = None
    vocab_size: int | None = None
    hidden_size: int | None = None
    layers: int | None = None
    key_value_heads: int | None = None
    head_size: int | None = None
    gated: bool = False
    license: str | None = None
    available: bool = True
    problem: str | None = None
    problem_code: str | None = None
    tied_embeddings: bool | None = None
    weights: str | None = None
    quantization: str | None = None
    remote_code: bool = False
    is_adapter: bool = False


@dataclass(frozen=True)
class AdapterProfile:
    """Everything about an adapter that can be known before its weights are downloaded.

    `label_count` is the number of classes of the classification head it brings with it, if any.
    """

    ref: AdapterRef
    commit: str | None
    config: Mapping[str, Any]
    method: str | None
    task_type: str | None
    rank: int | None
    parameters: int | None
    size_bytes: int | None
    dtype: str | None
    base: BaseFacts | None
    modules: tuple[ModuleInfo, ...] = ()
    files: tuple[tuple[str, int | None], ...] = ()
    findings: tuple[Finding, ...] = ()
    memory: Mapping[Precision, MemoryEstimate] = field(default_factory=dict)
    available_bytes: int | None = None
    label_count: int | None = None
    snippet: str = ""
    card: str = ""

    @property
    def ratio(self) -> float | None:
        """The adapter's parameters as a share of the base's."""
        if not self.parameters or self.base is None or not self.base.parameters:
            return None
        return self.parameters / self.base.parameters

    @property
    def blockers(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.level is Level.BLOCKER)
