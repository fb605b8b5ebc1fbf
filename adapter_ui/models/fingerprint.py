"""Notice that a base in memory has changed: a hash over a sample of the bytes of each of its tensors.

An adapter may sit on the base meanwhile: what it added does not count, and the base's tensors keep their
names. Knows tensors, names and PEFT's wrappers; not why anything might change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch
from peft import PeftModel
from peft.tuners.adaption_prompt.layer import AdaptedAttention
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import AuxiliaryTrainingWrapper
from transformers import PreTrainedModel

PIECES = 8
PIECE_BYTES = 512


def fingerprint(model: torch.nn.Module) -> str:
    """The same for the same base, with adapters on it or without; about 4 KB of every tensor are read.

    Bytes are compared, not values, so a base in int8 or 4 bits has a fingerprint too, and NaN equals itself.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in base_tensors(bare(model)):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(sample(tensor))
    return digest.hexdigest()


def bare(model: torch.nn.Module) -> torch.nn.Module:
    """The base inside a PeftModel, also one whose last adapter was deleted, which PEFT's own way refuses."""
    if not isinstance(model, PeftModel):
        return model
    inner = model.base_model
    return inner if isinstance(inner, PreTrainedModel) else inner.model


def base_tensors(module: torch.nn.Module, name: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Parameters and buffers of the base by the names that they have while no adapter is attached."""
    own = unwrapped(module)
    for part in (own._parameters, own._buffers):
        for key, tensor in part.items():
            if tensor is not None and not tensor.is_meta:
                yield f"{name}.{key}", tensor
    for key, child in own.named_children():
        yield from base_tensors(child, f"{name}.{key}")


def unwrapped(module: torch.nn.Module) -> torch.nn.Module:
    """The base's own module inside whatever PEFT put around it."""
    while True:
        if isinstance(module, BaseTunerLayer) and "base_layer" in module._modules:
            module = module.base_layer
        elif isinstance(module, AuxiliaryTrainingWrapper):
            module = module.original_module
        elif isinstance(module, AdaptedAttention):
            module = module.model
        else:
            return module


def sample(tensor: torch.Tensor) -> bytes:
    """Evenly spread pieces of the tensor's bytes and its end, or all of a small one."""
    flat = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
    if flat.numel() > PIECES * PIECE_BYTES:
        step = flat.numel() // PIECES
        pieces = flat[: PIECES * step].view(PIECES, step)[:, :PIECE_BYTES]
        flat = torch.cat([pieces.reshape(-1), flat[-PIECE_BYTES:]])
    return flat.cpu().numpy().tobytes()
