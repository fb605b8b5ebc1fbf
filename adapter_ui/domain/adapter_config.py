"""adapter_config.json, a stranger's file, read into checked fields.

Bounds come first: size, depth, lengths, finite numbers, then the kinds and ranges of fields. Fields that are
not known here are kept. Nothing here compiles a pattern, opens a path or imports a name that a config
mentions.
"""

from __future__ import annotations

from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from adapter_ui.domain.bounded_json import JSONOutOfBounds, is_finite, read_object
from adapter_ui.domain.files import ADAPTER_CONFIG
from adapter_ui.errors import ConfigUnreadable, NonFiniteNumber

LARGEST_RANK = 65_536
# Methods whose layers PEFT builds with `r` columns, so that 0 of them is no adapter.
NEEDS_RANK = ("LORA", "ADALORA", "DELORA", "HIRA", "LOHA", "LOKR", "MISS", "RANDLORA", "VERA")
# What sizes a method's tensors, beside r: (smallest, largest).
SIZES: dict[str, tuple[int, int]] = {
    "adapter_layers": (1, 1_024),
    "adapter_len": (1, LARGEST_RANK),
    "block_size": (1, LARGEST_RANK),
    "boft_block_num": (0, LARGEST_RANK),
    "boft_block_size": (0, LARGEST_RANK),
    "boft_n_butterfly_factor": (0, 64),
    "depth": (0, 256),
    "encoder_hidden_size": (1, LARGEST_RANK),
    "encoder_num_layers": (1, 256),
    "gralora_k": (1, LARGEST_RANK),
    "group_size": (1, LARGEST_RANK),
    "hybrid_r": (0, LARGEST_RANK),
    "init_r": (1, LARGEST_RANK),
    "mini_r": (0, LARGEST_RANK),
    "num_B": (1, LARGEST_RANK),
    "num_attention_heads": (1, 4_096),
    "num_cayley_neumann_terms": (0, 256),
    "num_frozen_tokens": (0, LARGEST_RANK),
    "num_layers": (1, 1_024),
    "num_subspaces": (1, LARGEST_RANK),
    "num_transformer_submodules": (1, 2),
    "num_vectors": (1, 1_000_000),
    "oft_block_size": (0, LARGEST_RANK),
    "qalora_group_size": (1, LARGEST_RANK),
    "shadow_hidden_size": (1, LARGEST_RANK),
    "shadow_intermediate_size": (1, 524_288),
    "shadow_num_attention_heads": (1, 4_096),
    "shadow_num_hidden_layers": (1, 1_024),
    "stride_A": (1, LARGEST_RANK),
    "subspace_rank": (1, LARGEST_RANK),
    "theta_d_length": (1, 100_000_000),
    "token_dim": (1, LARGEST_RANK),
    "topk": (1, LARGEST_RANK),
    "u": (1, LARGEST_RANK),
    "update_hidden_size": (1, LARGEST_RANK),
    "vector_length": (1, LARGEST_RANK),
}

ModuleNames = list[str] | str | None
Rank = Annotated[int, Field(ge=0, le=LARGEST_RANK)]
Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(max_length=512)]


class AdapterFields(BaseModel):
    """The fields of a PEFT configuration that decide something, by PEFT's own names."""

    model_config = ConfigDict(frozen=True, strict=True, extra="allow", hide_input_in_errors=True)

    peft_type: Annotated[str, Field(min_length=1, max_length=64)]
    task_type: Annotated[str, Field(max_length=64)] | None = None
    base_model_name_or_path: Annotated[str, Field(max_length=4096)] | None = None
    revision: Name | None = None
    peft_version: Annotated[str, Field(max_length=64)] | None = None
    inference_mode: bool | None = None
    auto_mapping: dict[str, Any] | None = None

    r: Rank | None = None
    lora_alpha: float | None = None
    lora_dropout: Share | None = None
    bias: Annotated[str, Field(max_length=32)] | bool | None = None
    use_rslora: bool = False
    use_dora: bool = False
    init_lora_weights: bool | Annotated[str, Field(max_length=64)] | None = None
    fan_in_fan_out: bool = False

    target_modules: ModuleNames = None
    exclude_modules: ModuleNames = None
    modules_to_save: ModuleNames = None
    target_parameters: list[str] | None = None
    layers_to_transform: list[int] | int | None = None
    layers_pattern: ModuleNames = None
    rank_pattern: dict[str, Any] | None = None
    alpha_pattern: dict[str, Any] | None = None
    layer_replication: list[Any] | None = None
    trainable_token_indices: Any = None
    megatron_config: dict[str, Any] | None = None
    num_virtual_tokens: Annotated[int, Field(ge=0, le=1_000_000)] | None = None

    @model_validator(mode="after")
    def needs_a_rank(self) -> Self:
        if self.peft_type in NEEDS_RANK and self.r == 0:
            raise ValueError("r is 0, which changes nothing")
        return self

    @property
    def extra(self) -> dict[str, Any]:
        """Fields that this app gives no meaning to."""
        return dict(self.model_extra or {})


Fields = TypeVar("Fields", bound=AdapterFields)


def parse_fields(data: bytes, kind: type[Fields]) -> Fields:
    """Read the bytes of adapter_config.json as `kind`. Raises ConfigUnreadable, or NonFiniteNumber."""
    try:
        values = read_object(data, ADAPTER_CONFIG)
    except JSONOutOfBounds as error:
        raise ConfigUnreadable(str(error)) from error
    if not is_finite(values):
        raise NonFiniteNumber(
            f"{ADAPTER_CONFIG} holds a NaN, an infinity or a number beyond all use; the adapter cannot be "
            "sound, so try another revision."
        )
    try:
        fields = kind.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"][:1]) or "r"
        raise ConfigUnreadable(
            f"The field “{field}” of {ADAPTER_CONFIG} cannot be used: {first['msg']}."
        ) from error
    check_sizes(fields)
    return fields


def check_sizes(fields: AdapterFields) -> None:
    """The numbers that size an adapter's tensors, within what any base could hold."""
    for name, value in fields.extra.items():
        if name in SIZES and isinstance(value, int | float):
            check_size(name, value, *SIZES[name])
    least = 1 if fields.peft_type in NEEDS_RANK else 0
    for pattern, rank in (fields.rank_pattern or {}).items():
        if fields.peft_type == "ADALORA" and is_choice_of_ranks(rank):
            continue
        check_number("rank_pattern", pattern, rank)
        check_size("rank_pattern", rank, least, LARGEST_RANK)
    for pattern, alpha in (fields.alpha_pattern or {}).items():
        check_number("alpha_pattern", pattern, alpha)


def is_choice_of_ranks(value: object) -> bool:
    """AdaLoRA writes down which of its first ranks are left of each module, as a list of true and false."""
    return isinstance(value, list) and all(isinstance(one, bool) for one in value)


def check_number(name: str, pattern: str, value: object) -> None:
    if not isinstance(value, int | float):
        raise ConfigUnreadable(
            f"The field “{name}” of {ADAPTER_CONFIG} has no number for “{pattern[:80]}”; ask the author for "
            "a sound one."
        )


def check_size(name: str, value: float, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ConfigUnreadable(
            f"The field “{name}” of {ADAPTER_CONFIG} is {value:,}, not within {least:,} and {most:,}; no "
            "sound adapter has that."
        )
