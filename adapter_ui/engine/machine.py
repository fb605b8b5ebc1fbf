"""Which precisions this machine can load in, and which to start with, found without torch."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from adapter_ui.domain import Precision, PrecisionChoice

LABELS = {
    Precision.FP32: "32-bit floats",
    Precision.BF16: "16-bit bfloat",
    Precision.FP16: "16-bit floats",
    Precision.INT8: "8-bit integers by bitsandbytes",
    Precision.NF4: "4-bit NormalFloat by bitsandbytes",
    Precision.FP4: "4-bit floats by bitsandbytes",
}
BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16", "svebf16"}


@cache
def precision_choices(has_gpu: bool) -> tuple[PrecisionChoice, ...]:
    """Every precision in a fixed order; the one to start with is marked, and each has its reason."""
    fast_bf16 = has_gpu or bool(BF16_FLAGS & cpu_flags())
    default = Precision.BF16 if fast_bf16 else Precision.FP32
    reasons = {
        Precision.FP32: "exact, the most memory"
        + ("" if fast_bf16 else "; the fastest to train on this processor, which has no bf16 units"),
        Precision.BF16: f"half the memory of fp32, {speed_of_bf16(has_gpu, fast_bf16)}",
        Precision.FP16: "half the memory of fp32" + ("" if has_gpu else "; meant for GPUs, slow to train"),
        Precision.INT8: "a quarter of fp32's memory, slower",
        Precision.NF4: "an eighth of fp32's memory, small loss of quality",
        Precision.FP4: "as small as nf4, with a little more loss",
    }
    return tuple(
        PrecisionChoice(precision, LABELS[precision], reasons[precision], default=precision is default)
        for precision in Precision
    )


def speed_of_bf16(has_gpu: bool, fast: bool) -> str:
    if fast:
        return f"and fast on {'this GPU' if has_gpu else 'this processor'}"
    return "about as fast for answers, but slow to train on this processor"


def cpu_flags() -> set[str]:
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return set()
    for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return set(value.split())
    return set()
