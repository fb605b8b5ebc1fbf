"""A base's config.json, a stranger's file, read into the fields of BaseFacts that it decides (pure).

Families name the same things differently; what a config does not state stays None.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapter_ui.domain.base_config import HEADS, HIDDEN_SIZE, LAYERS, first_count

MOST_LAYERS = 10_000

DECODER_LAYERS = ("num_decoder_layers", "decoder_layers")
KEY_VALUE_HEADS = ("num_key_value_heads", "num_kv_heads")
HEAD_SIZE = ("head_dim", "d_kv")
WINDOW = ("sliding_window", "attention_chunk_size")

WINDOWED = ("sliding_attention", "chunked_attention")
# Layers with a state of fixed size, or with no attention at all.
WITHOUT_CACHE = ("linear_attention", "conv", "mamba", "moe", "mlp")
# Families whose every layer has the window, where the config lists no kinds of layers.
WINDOW_EVERYWHERE = ("mistral", "mixtral", "phi3", "phimoe", "starcoder2")


def architecture(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of BaseFacts that config.json decides; a model of several kinds of input describes its text
    part.
    """
    text = config.get("text_config")
    inner = {**config, **text} if isinstance(text, dict) else config
    names = config.get("architectures")
    model_type, tied = config.get("model_type"), inner.get("tie_word_embeddings")
    return {
        "architectures": tuple(str(name) for name in names) if isinstance(names, list) else (),
        "model_type": model_type if isinstance(model_type, str) else None,
        "vocab_size": first_count(inner, ("vocab_size",)),
        "hidden_size": first_count(inner, HIDDEN_SIZE),
        "layers": first_count(inner, LAYERS),
        "tied_embeddings": tied if isinstance(tied, bool) else None,
        "remote_code": bool(config.get("auto_map")),
        "quantization": quantization_name(config.get("quantization_config")),
        **cached_heads(inner),
        **cached_layers(inner),
    }


def cached_heads(config: Mapping[str, Any]) -> dict[str, int | None]:
    """How many heads have keys and values of their own, and how many numbers each of them has.

    Multi-head latent attention (DeepSeek-V2, Liu et al. 2024) keeps one compressed vector for all heads.
    """
    latent = first_count(config, ("kv_lora_rank",))
    if latent:
        rotated = first_count(config, ("qk_rope_head_dim",)) or 0
        return {"key_value_heads": 1, "head_size": (latent + rotated) // 2}
    hidden, heads = first_count(config, HIDDEN_SIZE), first_count(config, HEADS)
    size = first_count(config, HEAD_SIZE)
    if size is None and hidden and heads and hidden % heads == 0:
        size = hidden // heads
    key_value_heads = first_count(config, KEY_VALUE_HEADS) or heads
    if config.get("new_decoder_architecture") is True:
        # The newer Falcons repeat their keys and values before they keep them.
        key_value_heads = heads
    elif config.get("multi_query") is True:
        key_value_heads = 1
    return {"key_value_heads": key_value_heads, "head_size": size}


def cached_layers(config: Mapping[str, Any]) -> dict[str, int | None]:
    """How many layers keep keys and values of every token, and how many only of the last `window`.

    A decoder that reads an encoder keeps the encoder's keys and values too, and counts twice. Where the
    config does not say which layers have the window, none is taken to have it.
    """
    if config.get("is_encoder_decoder") is True:
        layers = first_count(config, (*DECODER_LAYERS, *LAYERS))
        return {"cache_layers": None if layers is None else 2 * layers}
    layers = first_count(config, LAYERS)
    window = first_count(config, WINDOW) if config.get("use_sliding_window") is not False else None
    kinds = config.get("layer_types")
    if isinstance(kinds, list) and 0 < len(kinds) <= MOST_LAYERS:
        windowed = sum(kind in WINDOWED for kind in kinds) if window else 0
        without = sum(kind in WITHOUT_CACHE for kind in kinds)
        layers = len(kinds) - windowed - without
    elif window and config.get("model_type") in WINDOW_EVERYWHERE:
        windowed, layers = layers, 0
    else:
        windowed = 0
    if not windowed:
        return {"cache_layers": layers}
    return {"cache_layers": layers, "window_layers": windowed, "window": window}


def quantization_name(section: Any) -> str | None:
    if not isinstance(section, dict):
        return None
    if section.get("load_in_4bit"):
        return "bitsandbytes 4-bit"
    if section.get("load_in_8bit"):
        return "bitsandbytes 8-bit"
    return str(section.get("quant_method", "unknown"))[:64]
