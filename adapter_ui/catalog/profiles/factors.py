"""What a config says of single modules: ranks and scalings, with rank_pattern and alpha_pattern (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapter_ui.catalog.methods.fields import default_fields
from adapter_ui.catalog.methods.overrides import Overrides, ends_of
from adapter_ui.catalog.methods.scaling import RULES, scaling_of
from adapter_ui.catalog.profiles.config import AdapterConfig


@dataclass(frozen=True)
class Factors:
    """The fields of a config with PEFT's defaults, and the values that differ by module.

    `stacks` are the modules, by the ends of their names, whose parameters are changed themselves
    (target_parameters), several experts in one tensor.
    """

    method: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    ranks: Overrides = field(default_factory=Overrides)
    alphas: Overrides = field(default_factory=Overrides)
    stacks: frozenset[str] = frozenset()

    @classmethod
    def read(cls, config: AdapterConfig | None) -> Factors:
        if config is None:
            return cls()
        rule = RULES.get(config.peft_type)
        by_module = rule is not None and rule.by_module
        return cls(
            method=config.peft_type,
            values={**default_fields(config.peft_type), **config.model_dump(exclude_unset=True)},
            ranks=Overrides.read(as_mapping(config.rank_pattern) if by_module else None),
            alphas=Overrides.read(as_mapping(config.alpha_pattern) if by_module else None),
            stacks=frozenset(
                name.rpartition(".")[0] for name in config.target_parameters or () if "." in name
            ),
        )

    def scaling(self, module: str, rank: int | None) -> float | None:
        """What the module's change is multiplied by; None where that is not known or there is nothing.

        `rank` is the one that its tensors show, where they do.
        """
        rule = RULES.get(self.method)
        if rule is None:
            return None
        values = dict(self.values)
        if rule.by_module:
            values[rule.alpha] = self._own(self.alphas, module, values.get(rule.alpha))
            values["r"] = rank if rank is not None else self._own(self.ranks, module, values.get("r"))
        found = scaling_of(self.method, values)
        return found.factor if found else None

    def is_stack(self, module: str) -> bool:
        return bool(self.stacks) and any(end in self.stacks for end in ends_of(module))

    def rank_of_stack(self, extent: int | None) -> int | None:
        """The rank of each expert: the tensor is as long as all of them together, so the config says it."""
        rank = self.values.get("r")
        sure = not self.ranks and isinstance(rank, int) and rank > 0
        return rank if sure and extent and extent % rank == 0 else None

    def _own(self, overrides: Overrides, module: str, default: Any) -> Any:
        if self.is_stack(module):
            return None if overrides else default
        return overrides.value(module, default)


def as_mapping(value: Any) -> Mapping[str, Any] | None:
    return value if isinstance(value, dict) else None
