"""A row of a search, filled in from what an adapter's files say (pure)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from adapter_ui.catalog.profiles.config import AdapterConfig
from adapter_ui.catalog.profiles.profile import list_modules, overall_rank, stated_rank
from adapter_ui.domain import AdapterSummary, TensorInfo, is_hub_id
from adapter_ui.domain.tensor_table import main_dtype


@dataclass(frozen=True)
class Weights:
    """The weights file of an adapter: its size in bytes, its format, and its tensors if they can be read."""

    size_bytes: int | None
    safetensors: bool
    tensors: tuple[TensorInfo, ...] | None = None


def with_config(row: AdapterSummary, config: AdapterConfig) -> AdapterSummary:
    """The config's word counts more than the card's, but for a base that is no id of the Hub."""
    named = config.base_model_name_or_path
    on_hub = named is not None and is_hub_id(named)
    return replace(
        row,
        method=config.peft_type,
        rank=stated_rank(config),
        task_type=config.task_type or row.task_type,
        base_model=named if on_hub else row.base_model,
    )


def with_weights(row: AdapterSummary, config: AdapterConfig | None, weights: Weights) -> AdapterSummary:
    """The rank is the tensors' own where they show it, else the config's."""
    row = replace(row, size_bytes=weights.size_bytes, safetensors=weights.safetensors)
    if weights.tensors is None:
        return row
    modules = list_modules(weights.tensors, config)
    return replace(
        row,
        rank=overall_rank(config, modules),
        parameters=sum(tensor.parameters for tensor in weights.tensors),
        dtype=main_dtype(weights.tensors),
    )
