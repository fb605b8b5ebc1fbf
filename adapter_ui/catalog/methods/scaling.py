"""What a method multiplies its change by, computed as its own layer computes it (pure).

LoRA: alpha/r (Hu et al. 2021), or alpha/√r with rsLoRA (Kalajdzievski 2023). Other methods: the `scaling` of
their layers in PEFT. A method that is not here has no such factor, or learns it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Any


@dataclass(frozen=True)
class Rule:
    """Which fields of a config make the factor: `alpha`, divided by the sum of `ranks`, or by its root where
    the field `root` is on. `by_module` says that rank_pattern and alpha_pattern are heeded.
    """

    alpha: str
    ranks: tuple[str, ...] = ()
    root: str | None = None
    by_module: bool = False


RULES: dict[str, Rule] = {
    "ADALORA": Rule("lora_alpha", ("init_r",)),
    "FOURIERFT": Rule("scaling"),
    "GRALORA": Rule("alpha", ("r", "hybrid_r")),
    "LILY": Rule("scaling"),
    "LOHA": Rule("alpha", ("r",), by_module=True),
    "LOKR": Rule("alpha", ("r",), by_module=True),
    "LORA": Rule("lora_alpha", ("r",), root="use_rslora", by_module=True),
    "PEANUT": Rule("scaling"),
    "PSOFT": Rule("psoft_alpha", ("r",)),
    "RANDLORA": Rule("randlora_alpha", ("r",)),
    "SHADOW": Rule("shadow_alpha"),
    "WAVEFT": Rule("scaling"),
}


@dataclass(frozen=True)
class Scaling:
    """A factor with the numbers it is made of: `alpha` over `rank`, over the root of it, or alone."""

    alpha: float
    rank: float | None = None
    rooted: bool = False

    @property
    def factor(self) -> float:
        if self.rank is None:
            return self.alpha
        return self.alpha / (sqrt(self.rank) if self.rooted else self.rank)

    def __str__(self) -> str:
        """The sum with its result: “16/8 = 2”."""
        if self.rank is None:
            return f"{self.alpha:.4g}"
        return f"{self.alpha:.4g}/{'√' if self.rooted else ''}{self.rank:.4g} = {self.factor:.4g}"


def scaling_of(method: str, values: Mapping[str, Any]) -> Scaling | None:
    """The factor that the fields in `values` make; None where the method has none or a number is missing."""
    rule = RULES.get(method)
    if rule is None:
        return None
    alpha, ranks = number(values.get(rule.alpha)), [number(values.get(name)) for name in rule.ranks]
    if alpha is None or None in ranks:
        return None
    rank = sum(one for one in ranks if one is not None)
    if not rule.ranks:
        return Scaling(alpha)
    return Scaling(alpha, rank, bool(rule.root and values.get(rule.root))) if rank > 0 else None


def number(value: Any) -> float | None:
    """A stranger's value, if it is a finite number."""
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return value if plain and isfinite(value) else None
