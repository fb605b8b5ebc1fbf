"""adapter_config.json, a stranger's file, read into a checked AdapterConfig.

Bounds come first: size, depth, lengths, finite numbers. Fields that are not known here are kept as `extra`.
Nothing here compiles a pattern, opens a path or imports a name that a config mentions.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from adapter_ui.catalog.methods.fields import default_fields
from adapter_ui.catalog.methods.scaling import scaling_of
from adapter_ui.domain import ADAPTER_CONFIG
from adapter_ui.errors import BadAdapter

CONFIG_BYTES = 1_000_000
MOST_DEPTH = 8
MOST_ITEMS = 50_000
LONGEST_STRING = 20_000
LARGEST_NUMBER = 1e15
LARGEST_RANK = 65_536

ModuleNames = list[str] | str | None
Rank = Annotated[int, Field(ge=0, le=LARGEST_RANK)]
Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(max_length=512)]


class ConfigUnreadable(BadAdapter):
    """The configuration cannot be used; the message says why."""

    code = "config_unreadable"


class NonFiniteNumber(ConfigUnreadable):
    """The configuration holds a NaN or an infinity."""

    code = "non_finite"


class AdapterConfig(BaseModel):
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
    def lora_needs_a_rank(self) -> Self:
        if self.peft_type in ("LORA", "ADALORA") and self.r == 0:
            raise ValueError("r is 0, which changes nothing")
        return self

    @property
    def extra(self) -> dict[str, Any]:
        """Fields that this app gives no meaning to."""
        return dict(self.model_extra or {})

    @property
    def scaling(self) -> float | None:
        """What a LoRA's change is multiplied by: alpha/r, or alpha/√r with rsLoRA. None for other methods."""
        if self.peft_type != "LORA":
            return None
        found = scaling_of("LORA", {**default_fields("LORA"), **self.model_dump(exclude_unset=True)})
        return found.factor if found else None


def parse_config(data: bytes) -> AdapterConfig:
    """Read the bytes of adapter_config.json. Raises ConfigUnreadable, or NonFiniteNumber."""
    if len(data) > CONFIG_BYTES:
        raise ConfigUnreadable(
            f"{ADAPTER_CONFIG} is larger than {CONFIG_BYTES:,} bytes; no sound adapter has that."
        )
    try:
        values = json.loads(data.decode("utf-8-sig"), parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ConfigUnreadable(f"{ADAPTER_CONFIG} is not JSON; ask the author to upload it again.") from error
    if not isinstance(values, dict):
        raise ConfigUnreadable(f"{ADAPTER_CONFIG} is not a JSON object; ask the author to upload it again.")
    check_bounds(values)
    try:
        return AdapterConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"][:1]) or "r"
        raise ConfigUnreadable(
            f"The field “{field}” of {ADAPTER_CONFIG} cannot be used: {first['msg']}."
        ) from error


def refuse_constant(name: str) -> float:
    raise NonFiniteNumber(
        f"{ADAPTER_CONFIG} holds {name} where a number belongs; the adapter would give no usable output."
    )


def check_bounds(values: Any, depth: int = 0) -> int:
    """Check depth, lengths and numbers all the way down; gives the number of items seen."""
    if depth > MOST_DEPTH:
        raise ConfigUnreadable(
            f"{ADAPTER_CONFIG} is nested deeper than {MOST_DEPTH} levels; no sound adapter is."
        )
    if isinstance(values, str) and len(values) > LONGEST_STRING:
        raise ConfigUnreadable(f"{ADAPTER_CONFIG} holds a text longer than {LONGEST_STRING:,} characters.")
    if isinstance(values, int | float) and not abs(values) <= LARGEST_NUMBER:
        raise NonFiniteNumber(f"{ADAPTER_CONFIG} holds a number beyond all use; the adapter cannot be sound.")
    if not isinstance(values, dict | list):
        return 1
    if isinstance(values, dict) and any(len(key) > LONGEST_STRING for key in values):
        raise ConfigUnreadable(f"{ADAPTER_CONFIG} holds a name longer than {LONGEST_STRING:,} characters.")
    items = values.values() if isinstance(values, dict) else values
    count = sum(check_bounds(item, depth + 1) for item in items)
    if count > MOST_ITEMS:
        raise ConfigUnreadable(
            f"{ADAPTER_CONFIG} holds more than {MOST_ITEMS:,} values; no sound adapter does."
        )
    return count
