"""Two to four inspected adapters, compared figure by figure, field by field, module by module (pure).

Knows nothing of how a profile came about, and nothing of the page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from adapter_ui.catalog.comparison.sharing import one_base, one_batch
from adapter_ui.catalog.profiles.config import AdapterConfig
from adapter_ui.domain import (
    AdapterProfile,
    AdapterRef,
    Agreement,
    ComparedAdapter,
    ComparedRow,
    ModuleChange,
    ModuleGroup,
    ModuleInfo,
    Precision,
    SideBySide,
)

NUMBER = re.compile(r"(?<![^.])\d+(?![^.])")
# PEFT holds these as sets, so the order in which a file lists their items says nothing.
UNORDERED = frozenset(
    {"target_modules", "exclude_modules", "modules_to_save", "target_parameters", "layers_to_transform"}
)
VARIANTS = {"use_dora": "DoRA", "use_rslora": "rsLoRA", "use_qalora": "QALoRA", "use_bdlora": "BD-LoRA"}
FIRST_TO_LAST = tuple(Agreement)


def side_by_side(adapters: Sequence[ComparedAdapter], precision: Precision) -> SideBySide:
    """What the adapters share and where they differ; `precision` is the one that memory is told for."""
    profiles = [one.profile for one in adapters if one.profile is not None]
    failed = [one.ref for one in adapters if one.profile is None]
    base = one_base(profiles, failed)
    return SideBySide(
        tuple(adapters),
        precision,
        compare_figures(profiles, precision),
        compare_configs(profiles),
        compare_modules(profiles),
        base,
        one_batch(profiles, base),
    )


def compare_figures(profiles: Sequence[AdapterProfile], precision: Precision) -> tuple[ComparedRow, ...]:
    """One row a figure that is known of at least one adapter, in a reader's order; sizes in bytes."""
    figures: dict[str, Callable[[AdapterProfile], Any]] = {
        "base": lambda one: one.base.id if one.base else one.config.get("base_model_name_or_path"),
        "method": lambda one: one.method,
        "variant": variant_of,
        "task_type": lambda one: one.task_type,
        "rank": lambda one: one.rank,
        "scaling": scaling_of,
        "parameters": lambda one: one.parameters,
        "size_bytes": lambda one: one.size_bytes,
        "ratio": lambda one: one.ratio,
        "dtype": lambda one: one.dtype,
        "base_parameters": lambda one: one.base and one.base.parameters,
        "base_size_bytes": lambda one: one.base and one.base.size_bytes,
        "memory": lambda one: one.memory[precision].total if precision in one.memory else None,
        "license": lambda one: one.license,
        "base_license": lambda one: one.base and one.base.license,
        "downloads": lambda one: one.downloads,
        "likes": lambda one: one.likes,
        "updated": lambda one: one.updated,
    }
    rows = []
    for name, figure in figures.items():
        known = {one.ref: value for one in profiles if (value := figure(one)) is not None}
        if known:
            rows.append(ComparedRow(name, known, agreement(known, len(profiles))))
    return tuple(rows)


def variant_of(profile: AdapterProfile) -> str | None:
    """What a LoRA adds to the plain method, such as "DoRA, rsLoRA"."""
    return ", ".join(name for field, name in VARIANTS.items() if profile.config.get(field) is True) or None


def scaling_of(profile: AdapterProfile) -> float | None:
    """What most modules' change is multiplied by, else what the config states."""
    scalings = [module.scaling for module in profile.modules if module.scaling is not None]
    if scalings:
        return max(set(scalings), key=lambda one: (scalings.count(one), one))
    return AdapterConfig.model_validate(dict(profile.config)).scaling if profile.config else None


def compare_configs(profiles: Sequence[AdapterProfile]) -> tuple[ComparedRow, ...]:
    """Every field that a config holds: first what differs, then what some of them lack, then the rest."""
    readable = [one for one in profiles if one.config]
    rows = []
    for field in {name for one in readable for name in one.config}:
        values = {one.ref: ordered(field, one.config[field]) for one in readable if field in one.config}
        rows.append(ComparedRow(field, values, agreement(values, len(readable))))
    return tuple(sorted(rows, key=lambda row: (FIRST_TO_LAST.index(row.agreement), row.name)))


def ordered(field: str, value: Any) -> Any:
    return sorted(value, key=str) if field in UNORDERED and isinstance(value, list) else value


def agreement(values: Mapping[AdapterRef, Any], adapters: int) -> Agreement:
    if len({canonical(value) for value in values.values()}) > 1:
        return Agreement.DIFFERS
    return Agreement.PARTLY if len(values) < adapters else Agreement.SAME


def canonical(value: Any) -> str:
    """Equal for equal values as JSON has them: 16 is 16.0, and neither 1 nor 1.0 is true."""
    return json.dumps(without_fractions(value), sort_keys=True)


def without_fractions(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: without_fractions(item) for name, item in value.items()}
    return [without_fractions(item) for item in value] if isinstance(value, list | tuple) else value


def compare_modules(profiles: Sequence[AdapterProfile]) -> tuple[ModuleGroup, ...]:
    """The modules that any of the adapters changes, in groups that read as one line each.

    First those that all change but not alike, then those that some leave alone, the most shared ones first,
    then those that all change alike.
    """
    by_name: dict[str, dict[AdapterRef, ModuleInfo]] = {}
    for profile in profiles:
        for module in profile.modules:
            by_name.setdefault(module.name, {})[profile.ref] = module
    groups: dict[tuple[Any, ...], list[dict[AdapterRef, ModuleInfo]]] = {}
    for name, owners in by_name.items():
        alike = tuple((ref, one.rank, one.scaling, one.parts, one.whole) for ref, one in owners.items())
        groups.setdefault((NUMBER.sub("*", name), *alike), []).append(owners)
    found = [group_of(key[0], members, len(profiles)) for key, members in groups.items()]
    return tuple(
        sorted(
            found,
            key=lambda one: (FIRST_TO_LAST.index(one.agreement), -len(one.changes), one.place, one.layers),
        )
    )


def group_of(place: str, members: Sequence[Mapping[AdapterRef, ModuleInfo]], adapters: int) -> ModuleGroup:
    changes = {ref: change_of([owners[ref] for owners in members]) for ref in members[0]}
    modules = [next(iter(owners.values())) for owners in members]
    partly = len(changes) < adapters
    alike = len(set(changes.values())) == 1
    return ModuleGroup(
        place,
        modules[0].kind,
        tuple(sorted({one.layer for one in modules if one.layer is not None})),
        len(modules),
        changes,
        Agreement.PARTLY if partly else Agreement.SAME if alike else Agreement.DIFFERS,
    )


def change_of(modules: Iterable[ModuleInfo]) -> ModuleChange:
    """One adapter's change of modules that it changes alike."""
    modules = list(modules)
    first = modules[0]
    parameters = sum(one.parameters for one in modules)
    return ModuleChange(first.rank, first.scaling, first.parts, first.whole, parameters)
