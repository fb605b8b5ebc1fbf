"""Models in memory: precisions, what they need and what they took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from adapter_ui.domain.classes import check_class
from adapter_ui.domain.refs import is_hub_id
from adapter_ui.errors import InvalidInput

MODEL_CLASS_OF_TASK = {
    "CAUSAL_LM": "AutoModelForCausalLM",
    "SEQ_2_SEQ_LM": "AutoModelForSeq2SeqLM",
    "SEQ_CLS": "AutoModelForSequenceClassification",
    "TOKEN_CLS": "AutoModelForTokenClassification",
    "QUESTION_ANS": "AutoModelForQuestionAnswering",
    "FEATURE_EXTRACTION": "AutoModel",
}


class Precision(StrEnum):
    """How the base's weights are held in memory, first what keeps most of them. int8, nf4 and fp4 are
    bitsandbytes'.
    """

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"
    INT8 = "int8"
    NF4 = "nf4"
    FP4 = "fp4"

    @property
    def has_4_bits(self) -> bool:
        return self in (Precision.NF4, Precision.FP4)

    @property
    def is_quantized(self) -> bool:
        return self is Precision.INT8 or self.has_4_bits


@dataclass(frozen=True)
class PrecisionChoice:
    """A precision that this machine can load in, and why it is (or is not) the one to start with."""

    precision: Precision
    label: str
    reason: str
    default: bool = False


@dataclass(frozen=True)
class MemoryEstimate:
    """Predicted memory of one precision, term by term, in bytes.

    `optimizer` holds gradients and optimizer states; it and `activations` are there in training only.
    """

    weights: int
    adapter: int
    kv_cache: int
    margin: int
    activations: int = 0
    optimizer: int = 0

    @property
    def total(self) -> int:
        return self.weights + self.adapter + self.kv_cache + self.margin + self.activations + self.optimizer


@dataclass(frozen=True)
class MemoryTerm:
    """One term of a MemoryEstimate: the name of its field, its bytes, and in words how they come about."""

    name: str
    bytes: int
    formula: str


@dataclass(frozen=True)
class Device:
    """Something a model can be loaded into: this machine's RAM or a GPU of it, or a common GPU to compare.

    Memory in bytes; `available` is what a load could take now, for a device elsewhere what a fresh one has.
    """

    name: str
    total: int
    available: int
    here: bool = False


@dataclass(frozen=True)
class Fit:
    """What running and training one adapter on its base need, and what fits where.

    `context` is in tokens, `arms` are answers written at once. `loading` and `training` are by precision.
    `room` are the bytes that a load in each precision could take on this machine, after it has unloaded what
    it may; `in_memory` are the precisions in which the base is loaded, so that a load needs no room.
    """

    context: int
    arms: int
    loading: Mapping[Precision, MemoryEstimate]
    training: Mapping[Precision, MemoryEstimate]
    devices: tuple[Device, ...]
    room: Mapping[Precision, int] = field(default_factory=dict)
    in_memory: tuple[Precision, ...] = ()

    def loads_here(self, precision: Precision) -> bool | None:
        """Whether a load in this precision finds memory on this machine; None where that is not known."""
        if precision in self.in_memory:
            return True
        if precision not in self.loading or precision not in self.room:
            return None
        return self.loading[precision].total <= self.room[precision]

    def largest(self, device: Device, *, training: bool = False) -> Precision | None:
        """The precision that keeps most of the weights and fits the device; None when none does."""
        return largest_that_fits(self.training if training else self.loading, device.available)


def largest_that_fits(memory: Mapping[Precision, MemoryEstimate], available: int) -> Precision | None:
    """The precision that keeps most of the weights and still fits into `available` bytes.

    `Precision` lists them in that order.
    """
    for precision in Precision:
        if precision in memory and memory[precision].total <= available:
            return precision
    return None


@dataclass(frozen=True)
class MemoryUse:
    """Memory of the machine this app runs on: a GPU's where there is one, else RAM under its cgroup limit."""

    device: str
    total: int
    available: int
    worker: int = 0


@dataclass(frozen=True)
class Progress:
    """One step of long work. `done` and `total` are bytes unless `unit` says otherwise."""

    stage: str
    message: str
    done: int | None = None
    total: int | None = None
    unit: str = "bytes"


@dataclass(frozen=True)
class ModelChoice:
    """The model that an adapter is put on, as far as somebody chose it: "" is its own base, and the class of
    its task. Raises InvalidInput for what can be neither.
    """

    base_model: str = ""
    model_class: str = ""

    def __post_init__(self) -> None:
        check_class(self.model_class)
        if self.base_model and not is_hub_id(self.base_model):
            raise InvalidInput("base_model must be a model on the Hub, as org/name.", field="base_model")


OWN_MODEL = ModelChoice()
"""Nothing chosen."""


@dataclass(frozen=True)
class LoadReport:
    """What a load did: predicted beside measured memory, and the share of the file that was applied.

    `takes_turns` says why its answers cannot share a batch with others; empty when they can.
    """

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
    takes_turns: str = ""


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
