"""What is read of a sound LoRA and its base, and the same with something else about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from adapter_ui.catalog.findings.evidence import Evidence
from adapter_ui.catalog.findings.rules import find
from adapter_ui.catalog.profiles.config import AdapterConfig
from adapter_ui.catalog.profiles.values import Values
from adapter_ui.domain import AdapterRef, BaseFacts, Level, TensorInfo

PEFT = "0.21.2"
FILES = {"adapter_config.json": 100, "adapter_model.safetensors": 1000}
BASE = BaseFacts(
    "org/base",
    parameters=10**6,
    architectures=("LlamaForCausalLM",),
    vocab_size=512,
    hidden_size=64,
    layers=2,
    key_value_heads=2,
    head_size=16,
    license="apache-2.0",
    tied_embeddings=True,
    weights="safetensors",
)
ATTENTION = "model.layers.{}.self_attn.{}.weight"
BASE_TENSORS = {
    "model.embed_tokens.weight": (512, 64),
    **{ATTENTION.format(layer, name): (64, 64) for layer in (0, 1) for name in ("q_proj", "v_proj")},
    **{f"model.layers.{layer}.mlp.up_proj.weight": (128, 64) for layer in (0, 1)},
}
Q_PROJ = "base_model.model.model.layers.0.self_attn.q_proj"


def tensor(name: str, *shape: int) -> TensorInfo:
    return TensorInfo(name, "F32", shape, 0, 0)


def lora(module: str, rank: int, size_in: int, size_out: int) -> tuple[TensorInfo, ...]:
    name = f"base_model.model.{module}"
    return tensor(f"{name}.lora_A.weight", rank, size_in), tensor(f"{name}.lora_B.weight", size_out, rank)


LORA = lora("model.layers.0.self_attn.q_proj", 8, 64, 64)
SOUND = Evidence(
    AdapterRef.parse("a/lora"),
    FILES,
    AdapterConfig(
        peft_type="LORA",
        r=8,
        lora_alpha=16,
        task_type="CAUSAL_LM",
        base_model_name_or_path="org/base",
        target_modules=["q_proj"],
    ),
    LORA,
    BASE,
    base_asked="org/base",
    base_tensors=BASE_TENSORS,
    values=Values(deciding_bytes=2048, seen_bytes=2048, nonzero=True),
    license="apache-2.0",
    card_read=True,
)


def codes(evidence: Evidence, *levels: Level) -> set[str]:
    return {finding.code for finding in find(evidence, PEFT) if not levels or finding.level in levels}


def message(evidence: Evidence, code: str) -> str:
    return next(finding.message for finding in find(evidence, PEFT) if finding.code == code)


def with_config(**changes: Any) -> Evidence:
    return replace(SOUND, config=AdapterConfig(**(SOUND.config.model_dump(exclude_unset=True) | changes)))


def without_field(name: str) -> Evidence:
    kept = {key: value for key, value in SOUND.config.model_dump(exclude_unset=True).items() if key != name}
    return replace(SOUND, config=AdapterConfig(**kept))


def with_tensors(*more: TensorInfo, **changes: Any) -> Evidence:
    """The sound adapter's tensors and some more."""
    return replace(with_config(**changes), tensors=(*LORA, *more))


def of_tensors(*tensors: TensorInfo, **changes: Any) -> Evidence:
    """Other tensors than the sound adapter's."""
    return replace(with_config(**changes), tensors=tensors)


def with_base(**changes: Any) -> Evidence:
    return replace(SOUND, base=replace(BASE, **changes))


def with_base_tensors(**changes: tuple[int, ...] | None) -> Evidence:
    """The base's tensors with some of another shape, or left out; a dot in a name is written as two _."""
    changed = {name.replace("__", "."): shape for name, shape in changes.items()}
    tensors = {name: shape for name, shape in (BASE_TENSORS | changed).items() if shape is not None}
    return replace(SOUND, base_tensors=tensors)


def with_values(**changes: Any) -> Evidence:
    return replace(SOUND, values=replace(SOUND.values, **changes))
