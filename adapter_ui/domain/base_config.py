"""A base's config.json, a stranger's file: the numbers that decide how much is built, and what it may not
decide at all (pure).

A config is held against the weights that come with it: a base whose config asks for much more than its files
hold would be filled with noise, if there were memory for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from adapter_ui.domain.heads import MOST_CLASSES

CONFIG_BYTES = 5_000_000
HIDDEN_SIZE = ("hidden_size", "n_embd", "d_model", "dim")
LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers", "decoder_layers")
INNER_SIZE = ("intermediate_size", "n_inner", "d_ff", "ffn_dim", "hidden_dim", "decoder_ffn_dim")
HEADS = ("num_attention_heads", "n_head", "num_heads", "n_heads", "decoder_attention_heads")
BOUNDS: Mapping[str, int] = {
    **dict.fromkeys(
        (*LAYERS, "num_decoder_layers", "encoder_layers", "num_encoder_layers", "num_nextn_predict_layers"),
        512,
    ),
    **dict.fromkeys(HIDDEN_SIZE, 65_536),
    **dict.fromkeys(INNER_SIZE, 524_288),
    **dict.fromkeys((*HEADS, "encoder_attention_heads", "num_key_value_heads", "num_kv_heads"), 1_024),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 4_096),
    # an ALBERT's layers within a layer, and names of classes, which transformers makes one by one
    **dict.fromkeys(("inner_group_num", "num_hidden_groups"), 512),
    "num_labels": MOST_CLASSES,
    "vocab_size": 2_000_000,
}
# An ALBERT shares one layer's weights among all, and embeds in fewer numbers than it computes with.
MOST_SHARING = 16
# Code, kernels from elsewhere, files by name, and a precision of its own.
NOT_FOR_A_CONFIG_TO_DECIDE = frozenset(
    {
        "auto_map",
        "custom_generate",
        "_attn_implementation",
        "attn_implementation",
        "_attn_implementation_internal",
        "_experts_implementation",
        "experts_implementation",
        "_experts_implementation_internal",
        "transformers_weights",
        "torch_dtype",
        "dtype",
    }
)
PLAIN_SAFETENSORS = re.compile(r"[\w][\w.-]{0,200}\.safetensors", re.ASCII)
MOST_SHARDS = 1000
LARGEST_COUNT = 2**40


def without_choices(values: Any) -> Any:
    """The config without the fields by which it could choose code to run, at any depth."""
    if isinstance(values, dict):
        kept = values.keys() - NOT_FOR_A_CONFIG_TO_DECIDE
        return {key: without_choices(value) for key, value in values.items() if key in kept}
    return [without_choices(value) for value in values] if isinstance(values, list) else values


def beyond_bounds(config: Mapping[str, Any]) -> str | None:
    """The first number that no base has, as “field=value”, and its bound; in parts of the config too."""
    for field, value in fields_of(config):
        bound = BOUNDS.get(field)
        if bound and isinstance(value, int | float) and not 0 < value <= bound:
            return f"{field}={value}, beyond the bound of {bound}"
    return None


def fields_of(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The fields of a config and of its parts, such as text_config."""
    for field, value in config.items():
        yield field, value
        if isinstance(value, dict):
            yield from fields_of(value)


def asks_for_more(config: Mapping[str, Any], numbers: int) -> bool:
    """Whether the config describes a model far larger than its files, which hold so many numbers."""
    parts = [config, *(value for value in config.values() if isinstance(value, dict))]
    return any(smallest_size(part) > MOST_SHARING * numbers for part in parts)


def smallest_size(config: Mapping[str, Any]) -> int:
    """Numbers that a model of this shape has at least, were nothing of it shared."""
    fields = (HIDDEN_SIZE, LAYERS, INNER_SIZE, ("vocab_size",))
    hidden, layers, inner, words = (first_count(config, names) or 0 for names in fields)
    return max(words * hidden, layers * hidden * hidden, layers * hidden * inner)


def first_count(config: Mapping[str, Any], names: Iterable[str]) -> int | None:
    """The first of these fields that holds a usable count."""
    for name in names:
        value = config.get(name)
        if type(value) is int and 0 < value <= LARGEST_COUNT:
            return value
    return None


def shard_names(index: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The files that a sharded model's index names, in order; None unless all are plain names of safetensors
    at the top of its repository.
    """
    mapping = index.get("weight_map")
    names = list(mapping.values()) if isinstance(mapping, dict) else []
    if not names or not all(is_plain_safetensors(name) for name in names):
        return None
    found = tuple(sorted(set(names)))
    return found if len(found) <= MOST_SHARDS else None


def is_plain_safetensors(name: object) -> bool:
    return isinstance(name, str) and PLAIN_SAFETENSORS.fullmatch(name) is not None
