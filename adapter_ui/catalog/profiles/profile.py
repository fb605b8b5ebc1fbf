"""Config, tensors and base, put together: the modules an adapter changes, its rank (pure)."""

from __future__ import annotations

from collections.abc import Iterable

from adapter_ui.catalog.profiles.config import AdapterConfig
from adapter_ui.catalog.profiles.methods import METHODS, Method
from adapter_ui.domain import ModuleInfo, TensorInfo

PEFT_PREFIX = "base_model.model."
SAVED_COPY = ("modules_to_save", "original_module")
NEW_TOKENS = "trainable_tokens_"
UNKNOWN_METHOD = Method(())
HEAD_WEIGHTS = ("score.weight", "classifier.weight", "classifier.out_proj.weight")


def list_modules(tensors: Iterable[TensorInfo], method: str | None) -> tuple[ModuleInfo, ...]:
    """One entry for each module of the base that has tensors here, in the order of the base's layers."""
    rules = METHODS.get(method or "", UNKNOWN_METHOD)
    groups: dict[str, list[TensorInfo]] = {}
    for tensor in tensors:
        groups.setdefault(module_name(tensor.name, rules), []).append(tensor)
    modules = [describe_module(name, group, rules) for name, group in groups.items()]
    return tuple(sorted(modules, key=lambda one: (one.layer is None, one.layer or 0, one.name)))


def describe_module(name: str, tensors: list[TensorInfo], rules: Method) -> ModuleInfo:
    parts = name.split(".")
    numbers = [int(part) for part in parts if part.isascii() and part.isdigit() and len(part) < 7]
    return ModuleInfo(
        name=name,
        kind=next((part for part in reversed(parts) if not part.isdigit()), name),
        layer=numbers[0] if numbers else None,
        rank=next((rank for tensor in tensors if (rank := tensor_rank(tensor, rules)) is not None), None),
        parameters=sum(tensor.parameters for tensor in tensors),
    )


def module_name(tensor_name: str, rules: Method) -> str:
    """The module of the base a tensor belongs to: its name without PEFT's own parts."""
    parts = tensor_name.removeprefix(PEFT_PREFIX).split(".")
    end = next((place for place, part in enumerate(parts) if part.startswith(rules.prefixes)), None)
    if end is None:
        end = len(parts) - 1 if len(parts) > 1 else 1
    kept = [part for part in parts[:end] if part not in (*SAVED_COPY, "base_layer")]
    return ".".join(kept) or parts[0]


def belongs_to_method(tensor_name: str, method: str) -> bool:
    """Whether a tensor is the method's own, not a whole weight of the base."""
    prefixes = (*METHODS.get(method, UNKNOWN_METHOD).prefixes, NEW_TOKENS)
    return any(part.startswith(prefixes) for part in tensor_name.split("."))


def count_labels(tensors: Iterable[TensorInfo]) -> int | None:
    """The number of classes of the classification head in the file, if it holds one."""
    for tensor in tensors:
        if tensor.name.endswith(HEAD_WEIGHTS) and len(tensor.shape) == 2:
            return tensor.shape[0]
    return None


def tensor_rank(tensor: TensorInfo, rules: Method) -> int | None:
    """The rank that a tensor shows, if it is the one of its method that does."""
    if rules.rank is None:
        return None
    part, axis = rules.rank
    if part in tensor.name.split(".") and len(tensor.shape) > axis:
        return tensor.shape[axis]
    return None


def overall_rank(config: AdapterConfig | None, modules: Iterable[ModuleInfo]) -> int | None:
    """The most common rank of the modules, else the one the config states."""
    ranks = [module.rank for module in modules if module.rank is not None]
    if ranks:
        return max(set(ranks), key=lambda rank: (ranks.count(rank), rank))
    return config.r if config else None
