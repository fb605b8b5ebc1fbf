"""A configuration in words: each field, its meaning, what its value does, and whether that is a default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from adapter_ui.catalog.methods.fields import default_fields
from adapter_ui.catalog.methods.meanings import meanings_of
from adapter_ui.catalog.methods.scaling import RULES
from adapter_ui.catalog.profiles.config import AdapterConfig
from adapter_ui.catalog.profiles.effects import effect_of, scaling_effect

SHOWN_NAMES = 8
EMPTY = (None, "", [], {})
IDENTITY = (
    "peft_type",
    "task_type",
    "base_model_name_or_path",
    "revision",
    "auto_mapping",
    "inference_mode",
    "peft_version",
)
"""Fields that say what the adapter is: no default is a choice there."""
FIRST = (
    *("peft_type", "task_type", "base_model_name_or_path", "revision"),
    *("r", "init_r", "target_r", "num_virtual_tokens"),
    *("lora_alpha", "alpha", "psoft_alpha", "randlora_alpha", "scaling", "use_rslora", "use_dora"),
    *("target_modules", "target_parameters", "modules_to_save"),
)
"""What decides most; the method's own fields follow, then those that many methods have."""


@dataclass(frozen=True)
class Explanation:
    """One row: the field, its value as text, what the field means, what this value does.

    `default` is whether PEFT would have chosen this value itself, None where that is not known or says
    nothing. `newer` marks a field that the method does not have in the PEFT of this app: a newer one wrote
    it, or another program.
    """

    field: str
    value: str
    meaning: str
    effect: str
    default: bool | None = None
    newer: bool = False


def explain(config: AdapterConfig) -> tuple[Explanation, ...]:
    """The fields that say something, what matters first; those that nobody here knows come last.

    A field that the file leaves out is told where the scaling is made of it.
    """
    stated = config.model_dump(exclude_unset=True)
    defaults = default_fields(config.peft_type)
    meanings = meanings_of(config.peft_type)
    foreign = stated.keys() - (defaults or meanings).keys()
    values = {**{name: defaults[name] for name in scaling_fields(config)}, **stated}
    known = [name for name in in_order(meanings) if name in values and name not in foreign]
    rows = list(known_rows(config, known, values, defaults, meanings))
    rows += [
        Explanation(name, as_text(stated[name]), meanings.get(name, ""), "", newer=bool(defaults))
        for name in sorted(foreign)
        if stated[name] not in EMPTY
    ]
    return tuple(rows)


def known_rows(
    config: AdapterConfig,
    names: list[str],
    values: dict[str, Any],
    defaults: Mapping[str, Any],
    meanings: Mapping[str, str],
) -> Iterator[Explanation]:
    rule = RULES.get(config.peft_type)
    for name in names:
        value = values[name]
        default = None if name in IDENTITY or name not in defaults else same(value, defaults[name])
        if value not in EMPTY or default is False:
            yield Explanation(name, as_text(value), meanings[name], effect_of(name, value, config), default)
        if rule is not None and name == rule.alpha and (scaling := scaling_effect(config, values)):
            factor, effect = scaling
            yield Explanation("scaling", factor, "what the change is multiplied by", effect)


def scaling_fields(config: AdapterConfig) -> tuple[str, ...]:
    rule = RULES.get(config.peft_type)
    return (rule.alpha, *rule.ranks) if rule else ()


def in_order(meanings: Mapping[str, str]) -> list[str]:
    first = [name for name in FIRST if name in meanings]
    return first + [name for name in meanings if name not in FIRST]


def same(value: Any, default: Any) -> bool:
    """Whether JSON would read them as one value: true is not 1, and 8.0 is 8."""
    return value == default and isinstance(value, bool) == isinstance(default, bool)


def as_text(value: Any) -> str:
    if isinstance(value, list):
        rest = f" and {len(value) - SHOWN_NAMES} more" if len(value) > SHOWN_NAMES else ""
        return ", ".join(str(item)[:80] for item in value[:SHOWN_NAMES]) + rest
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)[:400]
