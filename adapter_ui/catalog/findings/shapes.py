"""What the shapes of a method's tensors say of the weight they change: how many numbers go in and out (pure).

Only for methods whose tensors state a size of the weight as it is; the others (spectra, indices, blocks that
are padded) say nothing that could be held against a base.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from adapter_ui.catalog.methods.ranks import is_part, side_of_pairs
from adapter_ui.catalog.methods.table import METHODS
from adapter_ui.catalog.profiles.config import AdapterConfig
from adapter_ui.catalog.profiles.profile import take_apart
from adapter_ui.domain import TensorInfo

Shape = tuple[int, ...]
OUT, IN = 0, 1
# LoRAs whose matrices are smaller than the weight, and stacks of experts in one tensor.
OTHER_SHAPES = ("use_qalora", "use_bdlora", "target_parameters", "block_share")


@dataclass(frozen=True)
class Claim:
    """That a tensor called `part` within its module says the size of one side of the weight.

    Where two parts speak of one side, it is as long as both multiplied.
    """

    part: str
    side: int
    size: Callable[[Shape], int]


def at(axis: int) -> Callable[[Shape], int]:
    return lambda shape: shape[axis] if len(shape) in (1, 2) and axis < len(shape) else 0


def rotated(shape: Shape) -> int:
    """The width that OFT's blocks rotate: each block of side n is stored as its n(n-1)/2 pairs."""
    return shape[0] * (side_of_pairs(shape[1]) or 0) if len(shape) == 2 else 0


def pair(a: str, b: str) -> tuple[Claim, ...]:
    return Claim(a, IN, at(1)), Claim(b, OUT, at(0))


CLAIMS: dict[str, tuple[Claim, ...]] = {
    "ADALORA": pair("lora_A", "lora_B"),
    "DELORA": pair("delora_A", "delora_B"),
    "HIRA": pair("hira_A", "hira_B"),
    "HRA": (Claim("hra_u", IN, at(0)),),
    "IA3": (Claim("ia3_l", OUT, at(0)), Claim("ia3_l", IN, at(1))),
    "LOHA": pair("hada_w1_b", "hada_w1_a"),
    "LOKR": (
        *pair("lokr_w1", "lokr_w1"),
        *pair("lokr_w1_b", "lokr_w1_a"),
        *pair("lokr_w2", "lokr_w2"),
        *pair("lokr_w2_b", "lokr_w2_a"),
    ),
    "LORA": (*pair("lora_A.weight", "lora_B.weight"), Claim("lora_embedding_B", IN, at(0))),
    "OFT": (Claim("oft_R.weight", IN, rotated),),
    "VERA": (Claim("vera_lambda_b", OUT, at(0)),),
}


def claimed_shapes(tensors: Iterable[TensorInfo], config: AdapterConfig) -> dict[str, dict[int, int]]:
    """For each module the sizes of its weight's sides, as far as the adapter's tensors state them."""
    values = config.model_dump(exclude_unset=True)
    claims = CLAIMS.get(config.peft_type, ())
    found: dict[str, dict[int, int]] = {}
    if not claims or any(values.get(field) for field in OTHER_SHAPES):
        return found
    for tensor in tensors:
        name = take_apart(tensor.name, METHODS[config.peft_type])
        for claim in claims:
            size = claim.size(tensor.shape) if is_part(name.tail, claim.part) else 0
            # IA3 writes a column or a row: a side of 1 is no side of the weight.
            if size > (config.peft_type == "IA3"):
                sides = found.setdefault(name.module, {})
                sides[claim.side] = sides.get(claim.side, 1) * size
    return found


def fits(sides: Mapping[int, int], shape: Shape) -> bool:
    """Whether a weight has these sides. Conv1D keeps its weights the other way round."""
    return any(all(one[side] == size for side, size in sides.items()) for one in (shape, shape[::-1]))


def in_words(sides: Mapping[int, int]) -> str:
    known = [(IN, "numbers in"), (OUT, "numbers out")]
    return " and ".join(f"{sides[side]:,} {word}" for side, word in known if side in sides)
