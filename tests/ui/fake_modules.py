"""Modules as real adapters have them: all linear layers, an encoder with a decoder, shared tensors, heads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from adapter_ui.domain import ModuleInfo

ATTENTION = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")
LINEAR = (*ATTENTION, "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
DORA = ("lora_A", "lora_B", "lora_magnitude_vector")


def stack(
    path: str,
    layers: Sequence[int],
    places: Sequence[str],
    rank_of: Callable[[int, str], int | None],
    parts: tuple[str, ...] = ("lora_A", "lora_B"),
    parameters: int = 4_096,
) -> tuple[ModuleInfo, ...]:
    """One module for each layer and place; a place without a rank there is left out."""
    return tuple(
        ModuleInfo(
            f"{path}.{layer}.{place}",
            place.rpartition(".")[2],
            layer,
            rank or None,
            (rank or 1) * parameters * (3 if "mlp" in place else 1),
            parts,
            "float32",
            scaling=16 / rank if rank else None,
        )
        for place in places
        for layer in layers
        if (rank := rank_of(layer, place)) is not None
    )


def deeper_is_higher(layer: int, place: str) -> int | None:
    """Rank 8 early, 64 late; the first layers' MLP is left alone."""
    return None if layer < 4 and "mlp" in place else 8 * 2 ** (layer // 8)


def whole(name: str, parameters: int) -> ModuleInfo:
    return ModuleInfo(name, name.rpartition(".")[2], None, None, parameters, (), "bfloat16", whole=True)


SEVEN_KINDS = (
    *stack("model.layers", range(32), LINEAR, deeper_is_higher, DORA),
    whole("lm_head", 525_336_576),
    whole("model.embed_tokens", 525_336_576),
)
LARGE = stack(
    "model.layers",
    range(80),
    (
        *LINEAR,
        *(f"mlp.experts.{expert}.{name}" for expert in range(4) for name in ("w1", "w2", "w3")),
        "mlp.gate",
    ),
    lambda layer, place: 16,
)
ENCODER_DECODER = (
    *stack("encoder.block", range(12), [f"layer.0.SelfAttention.{name}" for name in "qkvo"], lambda *_: 16),
    *stack("decoder.block", range(12), [f"layer.0.SelfAttention.{name}" for name in "qkvo"], lambda *_: 16),
    *stack("decoder.block", range(12), [f"layer.1.EncDecAttention.{name}" for name in "qkvo"], lambda *_: 8),
)
IA3 = stack(
    "model.layers",
    range(30),
    ("self_attn.k_proj", "self_attn.v_proj", "mlp.down_proj"),
    lambda *_: 0,
    ("ia3_l",),
)
VERA = (
    *stack("model.layers", range(24), ATTENTION, lambda *_: 256, ("vera_lambda_b", "vera_lambda_d"), 4),
    ModuleInfo("base_model.vera_A", "vera_A", None, 256, 1_048_576, ("vera_A",), "float32"),
    ModuleInfo("base_model.vera_B", "vera_B", None, 256, 1_048_576, ("vera_B",), "float32"),
)
