"""Config and table of tensors, put together: the modules that an adapter changes, and their ranks (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from adapter_ui.catalog.methods.ranks import is_part
from adapter_ui.catalog.methods.table import METHODS, UNKNOWN_METHOD, Method
from adapter_ui.catalog.profiles.config import AdapterConfig
from adapter_ui.catalog.profiles.factors import Factors
from adapter_ui.catalog.profiles.kinds import Place, place_modules
from adapter_ui.domain import ModuleInfo, TensorInfo
from adapter_ui.domain.heads import class_count
from adapter_ui.domain.tensor_table import main_dtype

PEFT_PREFIX = "base_model.model."
PEFT_ROOT = "base_model"
WRAPPERS = ("modules_to_save", "original_module", "base_layer", "token_adapter")
NEW_TOKENS = "trainable_tokens_"


@dataclass(frozen=True)
class Name:
    """A tensor's name taken apart: its module of the base, and what it is called within that module.

    `own` says that it is the method's, not a weight of the base; `shared` that it belongs to no module but to
    all of them, as a projection, a bank of vectors or a prompt.
    """

    module: str
    tail: str
    own: bool
    shared: bool = False


@dataclass
class Group:
    """The tensors of one module."""

    shared: bool = False
    whole: bool = True
    tensors: list[tuple[Name, TensorInfo]] = field(default_factory=list)


def list_modules(tensors: Iterable[TensorInfo], config: AdapterConfig | None) -> tuple[ModuleInfo, ...]:
    """One entry for each module of the base that has tensors here, in the order of the base's layers; then
    what lies beside the layers.

    Without a config the method is not known, so modules are told from names alone.
    """
    method = config.peft_type if config else ""
    rules = METHODS.get(method, UNKNOWN_METHOD)
    groups: dict[str, Group] = {}
    for tensor in tensors:
        name = take_apart(tensor.name, rules)
        group = groups.setdefault(name.module, Group(shared=name.shared, whole=method in METHODS))
        group.tensors.append((name, tensor))
        group.whole = group.whole and not name.own
    places = place_modules(name for name, group in groups.items() if not group.shared)
    factors = Factors.read(config)
    modules = [
        describe_module(name, group, places.get(name) or Place(None, name), rules, factors)
        for name, group in groups.items()
    ]
    return tuple(sorted(modules, key=lambda one: (one.layer is None, one.layer or 0, one.shared, one.name)))


def describe_module(name: str, group: Group, place: Place, rules: Method, factors: Factors) -> ModuleInfo:
    rank = next(ranks_shown(group, rules), None)
    targeted = not (group.whole or group.shared)
    if factors.is_stack(name):
        rank = factors.rank_of_stack(rank)
    return ModuleInfo(
        name=name,
        kind=place.kind,
        layer=place.layer,
        rank=rank,
        parameters=sum(tensor.parameters for _, tensor in group.tensors),
        parts=tuple(sorted({one.tail.partition(".")[0] for one, _ in group.tensors})),
        dtype=main_dtype(tuple(tensor for _, tensor in group.tensors)),
        whole=group.whole,
        shared=group.shared,
        scaling=factors.scaling(name, rank) if targeted and has_own_part(group, rules) else None,
    )


def ranks_shown(group: Group, rules: Method) -> Iterator[int]:
    """The ranks that the module's tensors show, that of the table's first extent first."""
    for extent in rules.rank:
        for name, tensor in group.tensors:
            rank = extent.rank(name.tail, tensor.shape)
            if rank is not None:
                yield rank


def has_own_part(group: Group, rules: Method) -> bool:
    """Whether the module has a tensor of the method, not only new tokens."""
    return any(name.own and name.tail.startswith(rules.prefixes) for name, _ in group.tensors)


def take_apart(tensor_name: str, rules: Method) -> Name:
    """The module of the base that a tensor belongs to, without PEFT's own words, and its name in there."""
    words = tensor_name.removeprefix(PEFT_PREFIX).split(".")
    prefixes = (*rules.prefixes, NEW_TOKENS)
    place = next((place for place, word in enumerate(words) if word.startswith(prefixes)), None)
    if place is None:
        kept = [word for word in words[:-1] if word not in WRAPPERS]
        return Name(".".join(kept) or words[0], words[-1], own=False)
    kept = [word for word in words[:place] if word not in WRAPPERS]
    tail = ".".join(words[place:])
    if kept in ([], [PEFT_ROOT]):
        return Name(words[place], tail, own=True, shared=True)
    return Name(".".join(kept), tail, own=True)


def module_name(tensor_name: str, rules: Method) -> str:
    """The module of the base a tensor belongs to: its name without PEFT's own parts."""
    return take_apart(tensor_name, rules).module


def belongs_to_method(tensor_name: str, method: str) -> bool:
    """Whether a tensor is the method's own, not a whole weight of the base."""
    return take_apart(tensor_name, METHODS.get(method, UNKNOWN_METHOD)).own


def zero_tensors(tensors: Iterable[TensorInfo], method: str) -> tuple[TensorInfo, ...]:
    """The tensors of the method that, all zero, leave its change at nothing; see `Method.zero_parts`."""
    rules = METHODS.get(method, UNKNOWN_METHOD)
    return tuple(
        tensor
        for tensor in tensors
        if any(is_part(take_apart(tensor.name, rules).tail, part) for part in rules.zero_parts)
    )


def count_labels(tensors: Iterable[TensorInfo]) -> int | None:
    """The number of classes of the classification head in the file, if it holds one."""
    return class_count({tensor.name: tensor.shape for tensor in tensors}) or None


def overall_rank(config: AdapterConfig | None, modules: Iterable[ModuleInfo]) -> int | None:
    """The most common rank of the modules, else the one the config states."""
    ranks = [module.rank for module in modules if module.rank is not None]
    if ranks:
        return max(set(ranks), key=lambda rank: (ranks.count(rank), rank))
    return stated_rank(config) if config else None


def stated_rank(config: AdapterConfig) -> int | None:
    """The rank that the config states, for methods whose `r` is one."""
    return (config.r or None) if METHODS.get(config.peft_type, UNKNOWN_METHOD).r_is_rank else None
