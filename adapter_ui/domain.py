"""What crosses rooms: the nouns of this app, as frozen dataclasses, checked where they are built.

Sizes are bytes on disk, memory is bytes when loaded, times are seconds, timestamps are ISO 8601 in UTC.
`None` means "not known", never zero. Nothing here reads a file, the network or the environment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from adapter_ui.errors import InvalidInput, InvalidRef

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9_][\w.-]{0,95})?", re.ASCII)
REVISION = re.compile(r"(?!.*\.\.)[\w][\w./-]{0,254}", re.ASCII)
LOCAL_NAME = re.compile(r"[A-Za-z0-9][\w-]{0,95}", re.ASCII)


TEXT_BOUND = 200_000

MODEL_CLASS_OF_TASK = {
    "CAUSAL_LM": "AutoModelForCausalLM",
    "SEQ_2_SEQ_LM": "AutoModelForSeq2SeqLM",
    "SEQ_CLS": "AutoModelForSequenceClassification",
    "TOKEN_CLS": "AutoModelForTokenClassification",
    "QUESTION_ANS": "AutoModelForQuestionAnswering",
    "FEATURE_EXTRACTION": "AutoModel",
}


def check_number(field: str, value: float, low: float, high: float) -> None:
    """Raise InvalidInput unless `value` is a number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise InvalidInput(f"{field} must be a number from {low:g} to {high:g}, not {value!r}.", field=field)


def is_hub_id(text: str) -> bool:
    """Whether `text` can be a repository id on the Hub: `org/name`, or a legacy single name."""
    return bool(HUB_ID.fullmatch(text)) and ".." not in text and "--" not in text


class Source(StrEnum):
    """Where an adapter comes from."""

    HUB = "hub"
    STARTER = "starter"
    RUN = "run"
    FOLDER = "folder"


@dataclass(frozen=True)
class AdapterRef:
    """The name of an adapter, the same on the page, in the API and in a URL.

    `org/name` or `org/name@revision` on the Hub, `starter:NAME`, `run:ID`, or `folder:NAME`.
    """

    source: Source
    name: str
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> AdapterRef:
        """Read a ref as a person types it. Raises InvalidRef with the forms that are accepted."""
        text = text.strip()
        source, colon, name = text.partition(":")
        if colon and source in set(Source) - {Source.HUB}:
            if LOCAL_NAME.fullmatch(name):
                return cls(Source(source), name)
        elif not colon:
            name, at, revision = text.partition("@")
            if is_hub_id(name) and (not at or REVISION.fullmatch(revision)):
                return cls(Source.HUB, name, revision or None)
        raise InvalidRef(
            f"“{text[:120]}” is not the name of an adapter; use org/name, org/name@revision, starter:NAME, "
            "run:ID or folder:NAME.",
            field="adapter",
        )

    def __str__(self) -> str:
        if self.source is not Source.HUB:
            return f"{self.source}:{self.name}"
        return f"{self.name}@{self.revision}" if self.revision else self.name


class Precision(StrEnum):
    """How the base's weights are held in memory. int8, nf4 and fp4 are bitsandbytes'."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"
    INT8 = "int8"
    NF4 = "nf4"
    FP4 = "fp4"


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
class MemoryEstimate:
    """Predicted memory of one precision, term by term, in bytes."""

    weights: int
    adapter: int
    kv_cache: int
    margin: int
    activations: int = 0

    @property
    def total(self) -> int:
        return self.weights + self.adapter + self.kv_cache + self.margin + self.activations


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


@dataclass(frozen=True)
class Progress:
    """One step of long work. `done` and `total` are bytes unless `unit` says otherwise."""

    stage: str
    message: str
    done: int | None = None
    total: int | None = None
    unit: str = "bytes"


@dataclass(frozen=True)
class LoadReport:
    """What a load did: predicted beside measured memory, and the share of the file that was applied."""

    adapter: str
    base: str
    precision: Precision
    model_class: str
    device: str
    predicted_bytes: int
    measured_bytes: int
    seconds: float
    keys_in_file: int
    keys_applied: int
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoadedBase:
    """A base in the worker's memory with the adapters on it."""

    base: str
    precision: Precision
    model_class: str
    task_type: str | None
    device: str
    measured_bytes: int
    adapters: tuple[str, ...] = ()


@dataclass(frozen=True)
class GenerationOptions:
    """How to decode. temperature 0 is greedy; `seed` None draws a fresh one; `raw` skips the chat
    template.
    """

    max_new_tokens: int = 256
    temperature: float = 0.7
    top_p: float = 0.95
    top_k: int = 50
    repetition_penalty: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    raw: bool = False

    def __post_init__(self) -> None:
        check_number("max_new_tokens", self.max_new_tokens, 1, 8192)
        check_number("temperature", self.temperature, 0, 5)
        check_number("top_p", self.top_p, 0.01, 1)
        check_number("top_k", self.top_k, 0, 1000)
        check_number("repetition_penalty", self.repetition_penalty, 0.5, 3)
        if self.seed is not None:
            check_number("seed", self.seed, 0, 2**32 - 1)
        if len(self.stop) > 8 or any(len(text) > 200 for text in self.stop):
            raise InvalidInput("stop takes at most 8 strings of at most 200 characters.", field="stop")


@dataclass(frozen=True)
class ChatMessage:
    """One turn: role is system, user or assistant."""

    role: str
    content: str

    def __post_init__(self) -> None:
        if self.role not in ("system", "user", "assistant"):
            raise InvalidInput(f"“{self.role[:20]}” is no role; use system, user or assistant.", field="role")
        if len(self.content) > TEXT_BOUND:
            raise InvalidInput(
                f"A message has at most {TEXT_BOUND:,} characters; shorten it.", field="prompt"
            )


@dataclass(frozen=True)
class Generation:
    """The text so far. The last one has `done` set and the reason: stop, length or cancelled."""

    text: str
    tokens: int = 0
    prompt_tokens: int = 0
    seconds: float = 0.0
    first_token_seconds: float | None = None
    done: bool = False
    reason: str | None = None
    seed: int | None = None

    @property
    def tokens_per_second(self) -> float | None:
        """Decoding speed after the first token, which also pays for reading the prompt."""
        if self.first_token_seconds is None or self.tokens < 2 or self.seconds <= self.first_token_seconds:
            return None
        return (self.tokens - 1) / (self.seconds - self.first_token_seconds)


@dataclass(frozen=True)
class PrecisionChoice:
    """A precision that this machine can load in, and why it is (or is not) the one to start with."""

    precision: Precision
    label: str
    reason: str
    default: bool = False


@dataclass(frozen=True)
class MemoryUse:
    """Memory of the machine this app runs on: a GPU's where there is one, else RAM under its cgroup limit."""

    device: str
    total: int
    available: int
    worker: int = 0


@dataclass(frozen=True)
class LabelScore:
    label: str
    score: float


@dataclass(frozen=True)
class Entity:
    """A labelled span; `start` and `end` are character offsets in the text."""

    text: str
    label: str
    start: int
    end: int
    score: float


@dataclass(frozen=True)
class Prediction:
    """The answer of a model that is not a plain text generator; which fields are set depends on the task.

    SEQ_CLS: labels. TOKEN_CLS: entities. QUESTION_ANS: answer, start, end, score. FEATURE_EXTRACTION:
    embedding, pooling. CAUSAL_LM and SEQ_2_SEQ_LM: text.
    """

    task_type: str
    labels: tuple[LabelScore, ...] = ()
    entities: tuple[Entity, ...] = ()
    answer: str | None = None
    start: int | None = None
    end: int | None = None
    score: float | None = None
    embedding: tuple[float, ...] = ()
    pooling: str | None = None
    text: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Table:
    """Rows of a data file as they were read: column names, rows of text values, and what was dropped and why.

    `places` says for each row where it came from: "line 7", or "row 7" of a JSON list. `dropped_rows` counts
    all dropped rows; `dropped` explains the first of them.
    """

    columns: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    dropped: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    dropped_rows: int = 0


@dataclass(frozen=True)
class Preflight:
    """What is known of a fine-tune before it starts. `refusal` is set when it cannot start.

    `longest` and `tokens` are token counts after the chat template; `cut` counts rows longer than max_length.
    """

    recipe: Mapping[str, Any]
    rows: int
    validation_rows: int
    tokens: int | None
    longest: int | None
    cut: int
    steps: int
    trainable_parameters: int | None
    adapter_bytes: int | None
    memory: MemoryEstimate | None
    available_bytes: int
    warnings: tuple[str, ...] = ()
    refusal: str | None = None


class RunState(StrEnum):
    """The life of a fine-tuning run."""

    QUEUED = "queued"
    RUNNING = "running"
    SAVING = "saving"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def ended(self) -> bool:
        return self not in (RunState.QUEUED, RunState.RUNNING, RunState.SAVING)


@dataclass(frozen=True)
class RunStatus:
    """Where a fine-tuning run stands. `history` holds one mapping a logged step: step, loss, learning_rate,
    …
    """

    run_id: str
    state: RunState
    name: str = ""
    message: str = ""
    base_model: str = ""
    step: int = 0
    total_steps: int | None = None
    history: tuple[Mapping[str, float], ...] = ()
    samples: tuple[Mapping[str, str], ...] = ()
    eta_seconds: float | None = None
    seconds: float | None = None
    created: str | None = None
    adapter: str | None = None
    error: str | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
