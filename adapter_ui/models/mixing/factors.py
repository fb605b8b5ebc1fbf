"""The low-rank factors of a LoRA on disk, module by module, without its base.

PEFT itself says which tensors the config asks for and what each module is scaled by: the adapter is put on
stand-ins for the modules that its file names, on the meta device, where tensors have shapes and no memory.
Knows nothing of mixing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model_state_dict
from peft.tuners.lora import LoraLayer

from adapter_ui.domain import ADAPTER_WEIGHTS
from adapter_ui.errors import BadAdapter, UnsupportedAdapter
from adapter_ui.models.adapters import add_empty_adapter, read_adapter_config, read_tensors

FACTOR = re.compile(
    r"base_model\.model\.(?P<module>.+)\.(?P<kind>lora|lora_embedding)_(?P<side>[AB])(?:\.weight)?"
)
CONVOLUTIONS = {3: torch.nn.Conv1d, 4: torch.nn.Conv2d, 5: torch.nn.Conv3d}
EMBEDDING = "lora_embedding"
ALL_MODULES = (None, "all-linear")
ADAPTER_NAME = "part"


@dataclass(frozen=True)
class Factors:
    """The change of one module: `scaling` times B times A, as PEFT names and shapes them.

    `kind` begins the names of both tensors: `lora`, or `lora_embedding`.
    """

    down: torch.Tensor
    up: torch.Tensor
    kind: str = "lora"
    scaling: float = 1.0

    @property
    def rank(self) -> int:
        return self.down.shape[0]

    @property
    def parameters(self) -> int:
        return self.down.numel() + self.up.numel()

    def padded(self, rank: int) -> Factors:
        """The same change with a larger rank: the new rows of A and columns of B are zero, and so is their
        product.
        """
        more = rank - self.rank
        down, up = self.down, self.up
        return replace(
            self,
            down=torch.cat([down, down.new_zeros(more, *down.shape[1:])]),
            up=torch.cat([up, up.new_zeros(up.shape[0], more, *up.shape[2:])], dim=1),
        )

    def named(self, module: str) -> dict[str, torch.Tensor]:
        """Both tensors under the names that PEFT saves them by."""
        end = "" if self.kind == EMBEDDING else ".weight"
        place = f"base_model.model.{module}.{self.kind}"
        return {f"{place}_A{end}": self.down, f"{place}_B{end}": self.up}


@dataclass(frozen=True)
class LoraAdapter:
    """A plain LoRA: its factors by module. `targets` are the names that find these modules in the base, by
    PEFT's rules for a list.
    """

    config: LoraConfig
    factors: Mapping[str, Factors]
    targets: frozenset[str]


def read_lora(folder: Path) -> LoraAdapter:
    """Read a LoRA and hold its file to its config.

    Raises BadAdapter where they disagree, UnsupportedAdapter for what is more than B times A.
    """
    tensors = read_tensors(folder)
    pairs = paired(tensors)
    model = stand_ins(pairs)
    config = read_adapter_config(folder, model)
    if not isinstance(config, LoraConfig):
        raise UnsupportedAdapter(f"Only LoRAs can be mixed, and this one is {config.peft_type.value}.")
    if config.target_modules in ALL_MODULES:
        config.target_modules = set(pairs)
    scaling = scaling_by_module(model, config, tensors)
    factors = {name: replace(pair, scaling=scaling[name]) for name, pair in pairs.items()}
    by_place = config.layers_to_transform is not None or config.exclude_modules
    return LoraAdapter(config, factors, frozenset(pairs if by_place else config.target_modules))


def paired(tensors: Mapping[str, torch.Tensor]) -> dict[str, Factors]:
    """A and B of each module, in the order of their names. Raises UnsupportedAdapter for any other tensor."""
    sides: dict[str, dict[str, torch.Tensor]] = {}
    kinds: dict[str, str] = {}
    for key in sorted(tensors):
        factor = FACTOR.fullmatch(key)
        if factor is None:
            raise UnsupportedAdapter(
                f"{ADAPTER_WEIGHTS} holds {key[:120]}, which is no factor of a LoRA; only plain LoRAs can be "
                "mixed."
            )
        sides.setdefault(factor["module"], {})[factor["side"]] = tensors[key]
        kinds[factor["module"]] = factor["kind"]
    return {name: pair_of(name, kinds[name], both) for name, both in sides.items()}


def pair_of(name: str, kind: str, both: Mapping[str, torch.Tensor]) -> Factors:
    if both.keys() != {"A", "B"} or min(tensor.dim() for tensor in both.values()) < 2:
        raise BadAdapter(f"{ADAPTER_WEIGHTS} lacks a factor of {name[:120]}; try another revision.")
    pair = Factors(both["A"], both["B"], kind)
    if pair.up.shape[1] != pair.rank:
        raise UnsupportedAdapter(
            f"The factors of {name[:120]} do not meet in one rank, as those of a grouped convolution; it "
            "cannot be mixed."
        )
    return pair


def stand_ins(pairs: Mapping[str, Factors]) -> torch.nn.Module:
    """A model of nothing but the modules that the adapter changes, in their shapes, on the meta device."""
    root = torch.nn.Module()
    for name, pair in pairs.items():
        *parents, leaf = name.split(".")
        place = root
        try:
            for parent in parents:
                if parent not in place._modules:
                    place.add_module(parent, torch.nn.Module())
                place = place.get_submodule(parent)
            place.add_module(leaf, stand_in(pair))
        except KeyError as error:
            raise BadAdapter(f"{name[:120]} is no name of a module, so it cannot be mixed.") from error
    return root


def stand_in(pair: Factors) -> torch.nn.Module:
    inputs, outputs = pair.down.shape[1], pair.up.shape[0]
    with torch.device("meta"):
        if pair.kind == EMBEDDING:
            return torch.nn.Embedding(inputs, outputs)
        if convolution := CONVOLUTIONS.get(pair.down.dim()):
            return convolution(inputs, outputs, tuple(pair.down.shape[2:]), bias=False)
        return torch.nn.Linear(inputs, outputs, bias=False)


def scaling_by_module(
    model: torch.nn.Module, config: LoraConfig, there: Mapping[str, torch.Tensor]
) -> dict[str, float]:
    """What PEFT multiplies each change by; it must ask for the tensors that the file has, and no others."""
    with torch.device("meta"):
        # a task would ask the stand-ins for a model's ways of generating
        adapted = add_empty_adapter(model, replace(config, task_type=None), ADAPTER_NAME)
    layers = lora_layers(adapted)
    variants = next((name for name, layer in layers.items() if layer.lora_variant), None)
    if variants:
        raise UnsupportedAdapter("Only plain LoRAs can be mixed, and this one is a variant such as DoRA.")
    asked = get_peft_model_state_dict(adapted, adapter_name=ADAPTER_NAME, save_embedding_layers=False)
    different = [
        key
        for key in sorted(asked.keys() | there.keys())
        if key not in asked or key not in there or asked[key].shape != there[key].shape
    ]
    if different:
        raise BadAdapter(
            f"The adapter's config and its tensors do not agree on {different[0][:120]}; try another "
            "revision."
        )
    return {name: layer.scaling[ADAPTER_NAME] for name, layer in layers.items()}


def lora_layers(adapted: PeftModel) -> dict[str, LoraLayer]:
    modules: Iterable[tuple[str, torch.nn.Module]] = adapted.get_base_model().named_modules()
    return {name: module for name, module in modules if isinstance(module, LoraLayer)}
