"""Rows of one batch, each with its own LoRA: the low-rank products of all of them, stacked, beside the base's
own product.

Each module computes the base's answer for all rows, as it would without adapters, and then adds one product
of the stacked factors, in which every row sees only the columns of its own adapter (the idea of Punica, Chen
et al. 2023, and S-LoRA, Sheng et al. 2023, as dense products). A row of the base has zeros there, so its
answer is the base's to the bit. Knows modules and factors; nothing of text.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from adapter_ui.models.decoding.low_rank import Factors, LowRank

KEPT_STACKS = 2
FEW_NUMBERS = 1 << 16


@dataclass(frozen=True)
class Voice:
    """Which LoRA a row speaks with, and how strongly; None is the base."""

    adapter: LowRank | None = None
    strength: float = 1.0

    @property
    def is_base(self) -> bool:
        return self.adapter is None or self.strength == 0


@dataclass(frozen=True)
class Stacked:
    """The factors of several adapters for one module; `ranks` has the rank of each, 0 where it has none."""

    factors: Factors
    ranks: tuple[int, ...]


class Mixture:
    """The adapters that a base's modules add right now."""

    def __init__(self, modules: Mapping[str, torch.nn.Module]) -> None:
        self.modules = modules
        self.voices: tuple[Voice, ...] | None = ()
        self.adapters: tuple[LowRank, ...] = ()
        self.additions: list[Addition] = []
        self.stacks: OrderedDict[tuple[LowRank, ...], dict[str, Stacked]] = OrderedDict()

    def compose(self, voices: Sequence[Voice]) -> None:
        """From now on, row i of every input speaks with voices[i]."""
        voices = tuple(Voice() if voice.is_base else voice for voice in voices)
        if voices == self.voices:
            return
        self.voices = None  # what fails on the way leaves it open who speaks
        wanted = {voice.adapter for voice in voices if voice.adapter is not None}
        if wanted != set(self.adapters):
            self.install(tuple(sorted(wanted, key=id)))
        shares = Shares(voices, self.adapters)
        for addition in self.additions:
            addition.hear(shares.of(addition.stack))
        self.voices = voices

    def silence(self) -> None:
        """Add nothing."""
        self.compose(())

    def forget(self, adapter: LowRank) -> None:
        """Drop the factors of an adapter that goes."""
        self.silence()
        for adapters in [adapters for adapters in self.stacks if adapter in adapters]:
            del self.stacks[adapters]

    def install(self, adapters: tuple[LowRank, ...]) -> None:
        for addition in self.additions:
            addition.remove()
        self.additions, self.adapters = [], ()
        stacks = self.stacked(adapters) if adapters else {}
        self.additions = [Addition(self.modules[name], stack) for name, stack in stacks.items()]
        self.adapters = adapters

    def stacked(self, adapters: tuple[LowRank, ...]) -> dict[str, Stacked]:
        if adapters in self.stacks:
            self.stacks.move_to_end(adapters)
            return self.stacks[adapters]
        touched = [name for name in self.modules if any(name in one.factors for one in adapters)]
        stacks = {name: stacked(name, adapters) for name in touched}
        if len(adapters) > 1:  # one alone is used as it is, without a copy
            self.stacks[adapters] = stacks
            while len(self.stacks) > KEPT_STACKS:
                self.stacks.popitem(last=False)
        return stacks


def stacked(name: str, adapters: Sequence[LowRank]) -> Stacked:
    found = [one.factors.get(name) for one in adapters]
    ranks = tuple(len(pair.down) if pair else 0 for pair in found)
    there = [pair for pair in found if pair]
    if len(there) == 1:
        return Stacked(there[0], ranks)
    down, up = torch.cat([pair.down for pair in there]), torch.cat([pair.up for pair in there])
    return Stacked(Factors(down, up), ranks)


class Shares:
    """How much of each stacked column a row sees, for one order of voices."""

    def __init__(self, voices: Sequence[Voice], adapters: Sequence[LowRank]) -> None:
        self.voices, self.adapters = voices, adapters
        self.all_see_all = all(voice == Voice(adapters[0]) for voice in voices) if adapters else True
        self.made: dict[tuple[tuple[int, ...], torch.device], torch.Tensor] = {}

    def of(self, stack: Stacked) -> torch.Tensor | None:
        """[rows, 1, sum of ranks], or None where every row sees all of it."""
        if self.all_see_all:
            return None
        key = stack.ranks, stack.factors.down.device
        if key not in self.made:
            rows = [
                [
                    voice.strength if voice.adapter is adapter else 0.0
                    for adapter, rank in zip(self.adapters, stack.ranks, strict=True)
                    for _ in range(rank)
                ]
                for voice in self.voices
            ]
            self.made[key] = torch.tensor(rows, device=key[1]).unsqueeze(1)
        return self.made[key]


class Addition:
    """Stands before a module's own forward, and adds the adapters' products to its answer, in place.

    No forward hook, whose way through torch costs as much as the products of a single row.
    """

    def __init__(self, module: torch.nn.Module, stack: Stacked) -> None:
        self.module, self.stack = module, stack
        self.down, self.up = stack.factors.down.T, stack.factors.up
        self.size_in, self.size_out = len(self.down), self.up.shape[1]
        self.share: torch.Tensor | None = None
        self.unseen: torch.Tensor | None = None
        self.before = module.__dict__.get("forward")
        self.forward = module.forward
        module.forward = self

    def hear(self, share: torch.Tensor | None) -> None:
        """How much of each stacked column the rows see from now on."""
        self.share, self.unseen = share, None if share is None else share == 0

    def remove(self) -> None:
        if self.before is None:
            del self.module.forward
        else:  # accelerate's, where a base is spread over devices
            self.module.forward = self.before

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        output = self.forward(inputs)
        # some models (OPT) flatten rows and tokens into one dimension, so all are read like that
        answers = output.view(-1, self.size_out)
        numbers = answers.numel()
        if numbers == self.size_out or numbers > FEW_NUMBERS or answers.is_cuda:
            answers.add_(self.products(inputs))
            return output
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # waking the others takes longer than the products do
        try:
            answers.add_(self.products(inputs))
        finally:
            torch.set_num_threads(threads)
        return output

    def products(self, inputs: torch.Tensor) -> torch.Tensor:
        hidden = inputs.reshape(-1, self.size_in).float().mm(self.down)
        if self.share is not None:
            of_rows = hidden.view(len(self.share), -1, hidden.shape[-1]).mul_(self.share)
            # an adapter whose product overflows must not reach the rows of others as 0 x inf
            of_rows.masked_fill_(self.unseen, 0)
        return hidden.mm(self.up)
