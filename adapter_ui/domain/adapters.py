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

    @property
    def is_about_base(self) -> bool:
        """Whether it is about the base by itself, with or without the adapter."""
        return self.code.startswith("base_")


@dataclass(frozen=True)
class SearchQuery:
    """What to look for. An empty string or None leaves that filter out; `cursor` continues a page.

    `variants` asks for adapters of the base's finetunes and quantised copies too. Ranks and sizes (bytes) are
    inclusive bounds. `access` is "open" or "gated".
    """

    text: str = ""
    base_model: str = ""
    variants: bool = False
    author: str = ""
    task_type: str = ""
    method: str = ""
    min_rank: int | None = None
    max_rank: int | None = None
    min_size: int | None = None
    max_size: int | None = None
    license: str = ""
    access: str = ""
    safetensors: bool = False
    source: str = ""
    sort: str = "trending"
    limit: int = 30
    cursor: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """The words of `text` in lower case, without what cannot be printed."""
        printable = "".join(one if one.isprintable() else " " for one in self.text)
        return tuple(printable.lower().split())


@dataclass(frozen=True)
class AdapterSummary:
    """One row of a search. What only the files tell (method, rank, sizes) may still be unknown.

    `complete` says that all that can be known is here: what is None then stays so. `safetensors` is whether
    its weights are in that format.
    """

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
    parameters: int | None = None
    dtype: str | None = None
    license: str | None = None
    safetensors: bool | None = None
    trending: float | None = None
    created: str | None = None
    complete: bool = False


@dataclass(frozen=True)
class BaseSuggestion:
    """A base model that what was typed may mean, and how many adapters for it are known here."""

    id: str
    adapters: int = 0
    downloads: int | None = None


@dataclass(frozen=True)
class Revision:
    """A branch or a tag of a repository. `commit` is its newest commit."""

    name: str
    kind: str
    commit: str | None = None


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
    """One module of the base that the adapter changes: where it sits, its rank, its parameters.

    `parts` are the method's own names of its tensors (lora_A, lora_magnitude_vector, …), `whole` says that
    the module itself is saved (a head, an embedding, a bias), and `scaling` is what its change is multiplied
    by. `shared` marks what is no module of the base but used by all that the adapter changes: a projection, a
    bank of vectors, a prompt. `kind` names it within its layer, with the stack of layers where there are
    several ("encoder.q").
    """

    name: str
    kind: str
    layer: int | None
    rank: int | None
    parameters: int
    parts: tuple[str, ...] = ()
    dtype: str | None = None
    whole: bool = False
    scaling: float | None = None
    shared: bool = False


@dataclass(frozen=True)
class BaseFacts:
    """What is known of a base model without downloading its weights.

    `problem` says why `available` is False, and `problem_code` is the `code` of that error. `weights` is the
    format of its files: safetensors, gguf or pickle. `parameters` are not known where files are quantised
    and pack several into one number. Only its headers tell `linear_parameters` and
    `linear_rows` (what bitsandbytes quantises), `output_parameters` (an output layer of its own) and
    `fp32_parameters` (never held in fp16). `cache_layers` keep keys and values of every token, and
    `window_layers` those of the last `window` tokens. `checked` is set where the Hub could not be asked now:
    when it said so.
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
    linear_parameters: int | None = None
    linear_rows: int | None = None
    output_parameters: int | None = None
    fp32_parameters: int | None = None
    cache_layers: int | None = None
    window_layers: int | None = None
    window: int | None = None
    checked: str | None = None


@dataclass(frozen=True)
class AdapterProfile:
    """Everything about an adapter that can be known before its weights are downloaded.

    `label_count` is the number of classes of the classification head it brings with it, if any. `folders` are
    the folders of its repository that hold an adapter each. `checked` is when the Hub was asked; an earlier
    time than now means that the Hub could not be reached, and this is what was known then.
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
    license: str | None = None
    downloads: int | None = None
    likes: int | None = None
    updated: str | None = None
    folders: tuple[str, ...] = ()
    checked: str | None = None

    @property
    def ratio(self) -> float | None:
        """The adapter's parameters as a share of the base's."""
        if not self.parameters or self.base is None or not self.base.parameters:
            return None
        return self.parameters / self.base.parameters

    @property
    def blockers(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.level is Level.BLOCKER)
