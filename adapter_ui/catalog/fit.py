"""Will it fit? What running an adapter on its base needs, and training one like it, beside the memory of this
machine and of common GPUs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from adapter_ui.catalog.machine import CUDA_BYTES, own_devices, room_beside, room_on
from adapter_ui.catalog.memory import CONTEXT_TOKENS, estimate_memory
from adapter_ui.catalog.methods.plain import is_plain_lora
from adapter_ui.domain import (
    AdapterProfile,
    BaseFacts,
    Device,
    Fit,
    LoadedBase,
    MemoryEstimate,
    Precision,
    check_number,
)
from adapter_ui.domain.classes import task_of
from adapter_ui.domain.loadable import supported
from adapter_ui.domain.memory import lora_parameters, training_memory
from adapter_ui.errors import InvalidInput

MOST_TOKENS = 1_000_000
MOST_ARMS = 16
MEBIBYTE = 2**20
USUAL_RANK = 8
# Total memory in MiB as nvidia-smi states it, which is less than the name where error correction takes some.
COMMON_GPU_MEBIBYTES = {
    "RTX 3060 12 GB": 12_288,
    "T4 16 GB": 15_360,
    "RTX 4060 Ti 16 GB": 16_380,
    "L4 24 GB": 23_034,
    "A10G 24 GB": 23_028,
    "RTX 3090 24 GB": 24_576,
    "RTX 4090 24 GB": 24_564,
    "RTX 5090 32 GB": 32_607,
    "A100 40 GB": 40_960,
    "L40S 48 GB": 46_068,
    "A100 80 GB": 81_920,
    "H100 80 GB": 81_559,
    "H200 141 GB": 143_771,
}


def common_devices() -> tuple[Device, ...]:
    """GPUs that many people have or rent, smallest first; `available` is the total less CUDA_BYTES."""
    return tuple(
        Device(name, mebibytes * MEBIBYTE, mebibytes * MEBIBYTE - CUDA_BYTES)
        for name, mebibytes in sorted(COMMON_GPU_MEBIBYTES.items(), key=lambda item: item[1])
    )


def fit_devices(
    profile: AdapterProfile, context: int, arms: int, loaded: Sequence[LoadedBase] = ()
) -> Fit | None:
    """The adapter on its base beside this machine, with `loaded` in memory, and common GPUs; None when the
    base's size is not known.

    Raises InvalidInput unless `context` is 1 to 1,000,000 tokens and `arms` 1 to 16 answers.
    """
    check_count("context", context, MOST_TOKENS)
    check_count("arms", arms, MOST_ARMS)
    if profile.base is None:
        return None
    found = fit(profile.base, profile, (*own_devices(), *common_devices()), context, arms, loaded)
    return found if found.loading else None


def check_count(field: str, value: int, most: int) -> None:
    """Raise InvalidInput unless `value` is a whole number from 1 to `most`."""
    check_number(field, value, 1, most)
    if value != int(value):
        raise InvalidInput(f"{field} must be a whole number, not {value}.", field=field)


def fit(
    base: BaseFacts,
    profile: AdapterProfile,
    devices: Iterable[Device],
    context: int = CONTEXT_TOKENS,
    arms: int = 1,
    loaded: Sequence[LoadedBase] = (),
) -> Fit:
    """Loading and training memory by precision, beside the devices.

    `context` is in tokens: of each of `arms` answers, and of the one row of a training batch. Estimates are
    empty where the base's size (for training, its shape too) is not known; those of loading leave out the
    precisions that the method does not work in.
    """
    loading = estimate_memory(
        base,
        profile.parameters,
        plain_lora=is_plain_lora(profile.method, profile.config),
        task_type=told_task(profile),
        context=context,
        arms=arms,
    )
    devices = tuple(devices)
    return Fit(
        context=context,
        arms=arms,
        loading=supported(profile.method, loading),
        training=estimate_training(base, profile, context),
        devices=devices,
        room=room_here([device for device in devices if device.here], loaded),
        in_memory=tuple(one.precision for one in loaded if one.base == base.id),
    )


def room_here(devices: Sequence[Device], loaded: Sequence[LoadedBase]) -> Mapping[Precision, int]:
    """What a load finds on this machine's devices: it unloads others only where that makes room enough where
    models go, and else takes the RAM beside GPUs too.
    """
    if not devices:
        return {}
    unloaded = sum(one.measured_bytes for one in loaded)
    return {one: room_on(devices) + max(unloaded, room_beside(devices, one)) for one in Precision}


def estimate_training(
    base: BaseFacts, profile: AdapterProfile, context: int
) -> dict[Precision, MemoryEstimate]:
    """Memory of training an adapter of this size on one row of `context` tokens at a time.

    An adapter whose size is not known counts as a LoRA on every linear module.
    """
    if base.quantization:
        return {}
    trainable, features = profile.parameters, count_features(profile)
    if trainable is None:
        trainable, features = lora_parameters(base, profile.rank or USUAL_RANK), lora_parameters(base, 1)
    estimates = {
        precision: training_memory(
            base,
            precision,
            tokens=context,
            trainable=trainable,
            features=features,
            task_type=told_task(profile),
        )
        for precision in Precision
    }
    return {precision: estimate for precision, estimate in estimates.items() if estimate is not None}


def told_task(profile: AdapterProfile) -> str | None:
    """Its task, by the class that its config names where it states none."""
    return task_of(profile.task_type, profile.config)


def count_features(profile: AdapterProfile) -> int:
    """Inputs and outputs of the modules with a low-rank change: r(in + out) parameters over r."""
    return sum(one.parameters // one.rank for one in profile.modules if one.rank and not one.whole)
