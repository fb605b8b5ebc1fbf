"""Weighted mixes: which adapters are combined into a new one, how much of each, and how.

Combination types and their meaning are PEFT's (`LoraModel.add_weighted_adapter`). What is wrong with a recipe
is said where it is built; whether adapters can be mixed at all takes their files, and is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from adapter_ui.domain.refs import LOCAL_NAME, AdapterRef
from adapter_ui.domain.text import check_number
from adapter_ui.errors import InvalidInput, InvalidRef

FEWEST_PARTS, MOST_PARTS = 2, 8
LARGEST_WEIGHT = 10.0
LARGEST_MIX_RANK = 1024
LARGEST_SEED = 2**32 - 1
USUAL_DENSITY = 0.5


class Combination(StrEnum):
    """PEFT's combination types: first those that keep every number, then those that prune."""

    LINEAR = "linear"
    CAT = "cat"
    SVD = "svd"
    TIES = "ties"
    TIES_SVD = "ties_svd"
    DARE_LINEAR = "dare_linear"
    DARE_LINEAR_SVD = "dare_linear_svd"
    DARE_TIES = "dare_ties"
    DARE_TIES_SVD = "dare_ties_svd"
    MAGNITUDE_PRUNE = "magnitude_prune"
    MAGNITUDE_PRUNE_SVD = "magnitude_prune_svd"

    @property
    def by_svd(self) -> bool:
        """Whether whole changes are combined and then cut to a rank; else the factors A and B are."""
        return self.value.endswith("svd")

    @property
    def prunes(self) -> bool:
        """Whether each adapter loses a share of its numbers first."""
        return self not in (Combination.LINEAR, Combination.CAT, Combination.SVD)

    @property
    def prunes_at_random(self) -> bool:
        return self.value.startswith("dare")

    @property
    def elects_signs(self) -> bool:
        """Whether only numbers of the sign that prevails are kept."""
        return "ties" in self.value


@dataclass(frozen=True)
class MixPart:
    """One adapter of a mix and its weight: 1 is the adapter as it was trained, below 0 takes it away."""

    adapter: AdapterRef
    weight: float

    def __post_init__(self) -> None:
        check_number("weight", self.weight, -LARGEST_WEIGHT, LARGEST_WEIGHT)
        if self.weight == 0:
            raise InvalidInput(f"The weight of {self.adapter} is 0; leave it out of the mix.", field="weight")

    @classmethod
    def parse(cls, part: object) -> MixPart:
        """A part as JSON has it: `{"adapter": …, "weight": …}`; the weight is 1 where it is not given."""
        if not isinstance(part, Mapping) or not {"adapter"} <= part.keys() <= {"adapter", "weight"}:
            raise InvalidInput("Each of parts must be an object with adapter and weight.", field="parts")
        if not isinstance(part["adapter"], str):
            raise InvalidInput("adapter must be a string in each of parts.", field="parts")
        try:
            ref = AdapterRef.parse(part["adapter"])
        except InvalidRef as error:
            raise InvalidInput(f"parts: {error.message}", field="parts") from error
        return cls(ref, part.get("weight", 1.0))


@dataclass(frozen=True)
class MixRecipe:
    """Everything that makes a mix. `name` is what it is called here, as `mix:NAME`.

    `density` is the share of numbers kept by the types that prune. `rank` is that of the result of the types
    by svd; None is the largest of the parts. `seed` draws what the dare types drop.
    """

    parts: tuple[MixPart, ...]
    name: str
    combination: Combination = Combination.LINEAR
    density: float = USUAL_DENSITY
    rank: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not LOCAL_NAME.fullmatch(self.name):
            raise InvalidInput(
                "name must be 1 to 96 letters, digits, - or _, and begin with a letter or a digit.", "name"
            )
        check_number("density", self.density, 0, 1)
        if self.density == 0:
            raise InvalidInput("density 0 would leave nothing of the adapters; use more than 0.", "density")
        check_number("seed", self.seed, 0, LARGEST_SEED)
        if self.rank is not None:
            check_number("rank", self.rank, 1, LARGEST_MIX_RANK)
            if not self.combination.by_svd:
                raise InvalidInput(
                    f"rank belongs to the types by svd; the parts decide the rank of {self.combination}.",
                    field="rank",
                )
        self._check_parts()

    def _check_parts(self) -> None:
        if not FEWEST_PARTS <= len(self.parts) <= MOST_PARTS:
            raise InvalidInput(f"parts must hold {FEWEST_PARTS} to {MOST_PARTS} adapters.", field="parts")
        refs = [part.adapter for part in self.parts]
        twice = next((ref for ref in refs if refs.count(ref) > 1), None)
        if twice:
            raise InvalidInput(f"parts names {twice} twice; give it one weight.", field="parts")
        if self.combination.elects_signs and (taken := [one for one in self.parts if one.weight < 0]):
            raise InvalidInput(
                f"{self.combination} elects signs before it weighs, so the weight of {taken[0].adapter} must "
                "be above 0; linear, cat and svd can take an adapter away.",
                field="weight",
            )

    @classmethod
    def of(cls, parts: object, combination: str, **fields: Any) -> MixRecipe:
        """A recipe from parts and a combination as JSON has them. Raises InvalidInput, naming the field."""
        if isinstance(parts, (str, Mapping)) or not isinstance(parts, Sequence) or len(parts) > MOST_PARTS:
            raise InvalidInput(
                f"parts must be a list of {FEWEST_PARTS} to {MOST_PARTS} objects.", field="parts"
            )
        if combination not in set(Combination):
            raise InvalidInput(f"combination must be one of {', '.join(Combination)}.", field="combination")
        read = tuple(MixPart.parse(part) for part in parts)
        return cls(read, combination=Combination(combination), **fields)

    def to_json(self) -> dict[str, Any]:
        """What `of` reads again."""
        return {
            "parts": [{"adapter": str(part.adapter), "weight": part.weight} for part in self.parts],
            "combination": self.combination.value,
            "name": self.name,
            "density": self.density,
            "rank": self.rank,
            "seed": self.seed,
        }

    @property
    def ref(self) -> AdapterRef:
        return AdapterRef.parse(f"mix:{self.name}")
