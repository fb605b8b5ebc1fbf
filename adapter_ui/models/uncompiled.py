"""bitsandbytes without torch's compiler: a fifth of the time that a process of this room needs to start.

While it is imported, bitsandbytes 0.50 wraps two ways to dequantise and two steps of optimizers with
torch.compile, for devices without kernels of their own, and torch loads all of its compiler for that. CPUs
and GPUs of NVIDIA have such kernels, so the wrapped functions are never called there; elsewhere they run as
they are written, as bitsandbytes itself lets them when they do not compile.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch


def import_bitsandbytes() -> None:
    """Import it with torch.compile giving back what it was given. Called before anything else imports it."""
    compiled = torch.compile
    torch.compile = as_written
    try:
        importlib.import_module("bitsandbytes")
    finally:
        torch.compile = compiled


def as_written(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    return function
