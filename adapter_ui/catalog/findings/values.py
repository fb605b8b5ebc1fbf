"""What the numbers in the weights decide: whether they are sound, and whether they change anything (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from adapter_ui.catalog.findings.evidence import blocker, good, listed, warning
from adapter_ui.catalog.profiles.config import AdapterConfig
from adapter_ui.catalog.profiles.profile import list_modules, zero_tensors
from adapter_ui.catalog.profiles.values import Values
from adapter_ui.domain import Finding, ModuleInfo, TensorInfo

# MiCA keeps a fixed B and trains A from zero (`mica_init` of PEFT's LoRA layer).
MICA_PART = "lora_A"
# Beside the method's own change: DoRA's magnitudes, and tokens trained on their own.
ACTING_PARTS = ("lora_magnitude_vector", "trainable_tokens_")


def deciding_tensors(config: AdapterConfig, tensors: Sequence[TensorInfo]) -> tuple[TensorInfo, ...]:
    """Those that, all zero, prove that the method changes nothing; none for a method that no zeros prove."""
    if config.peft_type == "LORA" and config.init_lora_weights == "mica":
        return tuple(tensor for tensor in tensors if MICA_PART in tensor.name.split("."))
    return zero_tensors(tensors, config.peft_type)


def value_findings(config: AdapterConfig, tensors: Sequence[TensorInfo], values: Values) -> Iterator[Finding]:
    if values.not_finite is not None:
        yield blocker(
            "non_finite_weights",
            f"Its weights hold numbers that are not finite (in {values.not_finite[:120]}), so every answer "
            "would be noise; try another revision.",
        )
    elif values.nonzero and config.lora_alpha != 0:
        yield good("has_effect", "Its weights are not all zero, so it changes what the base says.")
    elif not values.nonzero and values.deciding_bytes:
        yield zeros_finding(config, tensors, values)


def zeros_finding(config: AdapterConfig, tensors: Sequence[TensorInfo], values: Values) -> Finding:
    deciding = list_modules(deciding_tensors(config, tensors), config)
    parts = " and ".join(sorted({part for module in deciding for part in module.parts})[:3])
    if values.seen_bytes < values.deciding_bytes:
        return warning(
            "seems_to_change_nothing",
            f"The {values.seen_bytes:,} bytes that were read of the {values.deciding_bytes:,} that decide "
            f"({parts}) are all zero, as before any training; try it on a prompt before you trust it.",
        )
    others = {module.name for module in list_modules(tensors, config) if acts_besides(module)}
    if others:
        return warning(
            "seems_to_change_nothing",
            f"Its {config.peft_type} weights are all zero, as before any training; only what else is in the "
            f"file can change an answer ({listed(others)}).",
        )
    return warning(
        "changes_nothing",
        f"Its weights that decide ({parts}) are all zero, as before any training, so every answer is the "
        "base's; choose another revision.",
    )


def acts_besides(module: ModuleInfo) -> bool:
    """Whether the module has more than the method's own change."""
    return module.whole or any(part.startswith(ACTING_PARTS) for part in module.parts)
