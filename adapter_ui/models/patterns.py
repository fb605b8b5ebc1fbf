"""The patterns of an adapter's config, matched here and under a time limit: PEFT's own `re` has none.

What could run for ever is turned into plain names of modules before PEFT sees it. Knows names of modules and
fields of configs; nothing of tensors.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import regex
import torch
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import AuxiliaryTrainingWrapper

from adapter_ui.errors import BadAdapter
from adapter_ui.models.older_adapters import older_expert_names

PATTERN_SECONDS = 1.0
MODULE_PATTERNS = ("target_modules", "exclude_modules", "feedforward_modules")
PLAIN_NAMES = ("layers_pattern", "modules_to_save")
# A list of these holds names, yet PEFT compiles them where weights are tied.
PLAIN_LISTS = (*MODULE_PATTERNS, "target_parameters")
# Its target_modules is no pattern but the end of the names of the attention modules.
NAMED_BY_SUFFIX = ("ADAPTION_PROMPT",)
# A name without these is a sound pattern that cannot run away, with its dots and with ^ and $ around it.
SPECIAL = frozenset("*+?{()[|\\")


def with_plain_names(values: Mapping[str, Any], model: torch.nn.Module) -> dict[str, Any]:
    """The config's fields with every pattern that could run away resolved on the modules of `model`.

    Raises BadAdapter for a pattern that is none, that takes too long, or that stands where only names do.
    """
    plain = dict(values)
    names = module_names(model)
    is_suffix = plain.get("peft_type") in NAMED_BY_SUFFIX
    for field in (*PLAIN_NAMES, "target_modules") if is_suffix else PLAIN_NAMES:
        refuse_patterns(field, plain.get(field))
    for field in PLAIN_LISTS:
        if isinstance(plain.get(field), list):
            refuse_patterns(field, plain[field])
    for field in MODULE_PATTERNS:
        if not is_suffix and isinstance(pattern := plain.get(field), str) and pattern != "all-linear":
            older = older_expert_names(names, model) if field == "target_modules" else []
            plain[field] = matching([*names, *older], field, pattern)
    for field, patterns in plain.items():
        if field.endswith("_pattern") and isinstance(patterns, dict):
            plain[field] = by_module(names, field, patterns)
    if plain.get("target_modules") == [] and isinstance(values["target_modules"], str):
        raise BadAdapter(
            f"The target_modules pattern “{values['target_modules'][:80]}” matches no module of this base."
        )
    return plain


def module_names(model: torch.nn.Module) -> list[str]:
    """Names of the base's own modules, also when adapters sit on it already: they add modules of theirs."""
    base = model.get_base_model() if isinstance(model, PeftModel) else model
    names: list[str] = []
    wrapper = None
    for name, module in base.named_modules():
        if wrapper is None or not name.startswith(wrapper):
            names.append(name)
            if isinstance(module, (BaseTunerLayer, AuxiliaryTrainingWrapper)):
                wrapper = f"{name}."
    return names


def matching(names: Sequence[str], field: str, pattern: str) -> list[str]:
    """The names that the whole pattern matches."""
    deadline = time.monotonic() + PATTERN_SECONDS
    try:
        compiled = regex.compile(pattern)
        return [name for name in names if compiled.fullmatch(name, timeout=time_left(deadline))]
    except TimeoutError as error:
        raise BadAdapter(f"The {field} pattern “{pattern[:80]}” takes too long to match.") from error
    except (regex.error, RecursionError) as error:
        raise BadAdapter(f"The {field} pattern “{pattern[:80]}” cannot be used: {error}.") from error


def time_left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def by_module(names: Sequence[str], field: str, patterns: Mapping[str, Any]) -> dict[str, Any]:
    """PEFT gives a module the value of the first key that matches its name or the end of it."""
    resolved: dict[str, Any] = {}
    for pattern, value in patterns.items():
        if is_plain(pattern):
            resolved[pattern] = value
            continue
        for name in matching(names, field, rf"(.*\.)?({pattern})"):
            resolved.setdefault(regex.escape(name), value)
    return resolved


def refuse_patterns(field: str, value: object) -> None:
    for name in value if isinstance(value, list) else [value]:
        if isinstance(name, str) and not is_plain(name):
            raise BadAdapter(f"{field} has “{name[:80]}” where names belong; the adapter cannot be loaded.")


def is_plain(pattern: str) -> bool:
    return not SPECIAL & set(pattern)
