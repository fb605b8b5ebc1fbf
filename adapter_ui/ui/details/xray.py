"""The X-ray: every module that the adapter changes, layer by layer, as a heatmap that is a table.

One table for each stack of layers (an encoder and a decoder are two). A row is a module's place in its layer,
a column a layer; the colour says rank or parameters, and the cell's text says it to a screen reader.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from adapter_ui.domain import AdapterProfile, ModuleInfo
from adapter_ui.ui import format
from adapter_ui.ui.details.modules import beside_the_layers, modules_table, nothing_to_see
from adapter_ui.ui.markup import fill, join

MOST_LAYERS = 200
MOST_PLACES = 48
MOST_STACKS = 12
DENSE = 48
FAINTEST = 0.28


@dataclass
class Stack:
    """The modules of one stack of layers by their place and layer; `name` is the path before the layers."""

    name: str
    places: dict[str, dict[int, list[ModuleInfo]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )

    def layers(self, at_least: int = 0) -> list[int]:
        """Every layer up to the last one, also those left alone; only the touched ones when too many."""
        touched = sorted({layer for modules in self.places.values() for layer in modules})
        count = max(touched[-1] + 1, at_least)
        return list(range(count)) if count <= MOST_LAYERS else touched[:MOST_LAYERS]


@dataclass(frozen=True)
class Shade:
    """Where a figure lies between the least and the most one of all modules, on a logarithmic scale."""

    least: int
    most: int

    @classmethod
    def of(cls, figures: Iterable[int | None]) -> Shade:
        known = [figure for figure in figures if figure]
        return cls(min(known, default=1), max(known, default=1))

    def __call__(self, figure: int | None) -> float:
        if not figure:
            return FAINTEST
        if self.least == self.most:
            return 1.0
        position = math.log(figure / self.least) / math.log(self.most / self.least)
        return FAINTEST + (1 - FAINTEST) * min(1.0, max(0.0, position))


def xray(profile: AdapterProfile) -> Markup:
    """The heatmap, what lies beside the layers, and a line for each kind of module."""
    if not profile.modules:
        return nothing_to_see(profile)
    stacks = stacks_of(profile.modules)
    layers = profile.base.layers or 0 if profile.base and len(stacks) == 1 else 0
    cells = [cell for stack in stacks for place in stack.places.values() for cell in place.values()]
    ranks = Shade.of(rank_of(cell) for cell in cells)
    sizes = Shade.of(size_of(cell) for cell in cells)
    shown = [
        heatmap(stack, layers if layers <= MOST_LAYERS else 0, ranks, sizes) for stack in stacks[:MOST_STACKS]
    ]
    tables = join([*shown, further(len(stacks) - len(shown), " stacks of layers")])
    ranked = any(rank_of(cell) for cell in cells)
    return fill(
        '<section class="xray {by}" aria-label="X-ray">{head}{tables}{beside}{table}</section>',
        by="" if ranked else "by-parameters",
        head=legend(ranked, ranks, sizes) if stacks else "",
        tables=tables,
        beside=beside_the_layers(profile.modules),
        table=modules_table(profile),
    )


def stacks_of(modules: Iterable[ModuleInfo]) -> list[Stack]:
    stacks: dict[str, Stack] = {}
    for module in modules:
        if module.layer is None or module.whole:
            continue
        name, place = place_of(module)
        stacks.setdefault(name, Stack(name)).places[place][module.layer].append(module)
    return list(stacks.values())


def place_of(module: ModuleInfo) -> tuple[str, str]:
    """The path before the layer's number, and the path after it with other numbers left open."""
    parts = module.name.split(".")
    number = str(module.layer)
    if number not in parts or parts[-1] == number:
        return "", module.kind
    at = parts.index(number)
    place = ["*" if part.isdecimal() else part for part in parts[at + 1 :]]
    return ".".join(parts[:at]), ".".join(place)


def heatmap(stack: Stack, layers_of_base: int, ranks: Shade, sizes: Shade) -> Markup:
    layers, places = stack.layers(layers_of_base), list(stack.places.items())[:MOST_PLACES]
    labels = short_labels(place for place, _ in places)
    rows = join(
        fill(
            '<tr><th scope="row" title="{place}">{label}</th>{cells}</tr>',
            place=place,
            label=labels[place],
            cells=join(cell(modules.get(layer, ()), labels[place], layer, ranks, sizes) for layer in layers),
        )
        for place, modules in places
    )
    return fill(
        '<div class="heatmap-scroll" tabindex="0"><table class="heatmap {dense}"><caption>{name}</caption>'
        '<thead><tr><th scope="col">layer</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>{rest}',
        dense="dense" if len(layers) > DENSE else "",
        name=stack.name or "layers",
        head=join(column(layer, at, layers) for at, layer in enumerate(layers)),
        rows=rows,
        rest=further(len(stack.places) - len(places)),
    )


def further(count: int, of_what: str = "") -> Markup:
    """What is not drawn; the table below has all kinds."""
    if not count:
        return Markup("")
    return fill('<p class="hint">And {count:,} more{what} in the table below.</p>', count=count, what=of_what)


def column(layer: int, at: int, layers: Sequence[int]) -> Markup:
    """A layer's number; only some are drawn, so that they do not run into each other."""
    step = next((step for most, step in ((8, 1), (16, 2), (DENSE, 5)) if len(layers) <= most), 10)
    mark = Markup(' class="drawn"') if at % step == 0 else ""
    return fill('<th scope="col"{mark}><span>{layer}</span></th>', mark=mark, layer=layer)


def rank_of(modules: Sequence[ModuleInfo]) -> int:
    """The largest rank of a cell's modules; 0 where they have none."""
    return max((module.rank or 0 for module in modules), default=0)


def size_of(modules: Sequence[ModuleInfo]) -> int:
    """The parameters of a cell's modules together."""
    return sum(module.parameters for module in modules)


def cell(modules: Sequence[ModuleInfo], label: str, layer: int, ranks: Shade, sizes: Shade) -> Markup:
    if not modules:
        return Markup("<td></td>")
    rank, parameters = rank_of(modules), size_of(modules)
    ranked = f"rank {rank}, " if rank else ""
    several = f"{len(modules)} modules, " if len(modules) > 1 else ""
    return fill(
        '<td style="--r:{by_rank:.0f}%;--p:{by_size:.0f}%" title="{label}, layer {layer}: '
        '{several}{ranked}{size}">'
        "{text}</td>",
        by_rank=100 * ranks(rank),
        by_size=100 * sizes(parameters),
        label=label,
        layer=layer,
        several=several,
        ranked=ranked,
        size=f"{format.parameters(parameters)} parameters",
        text=rank or format.parameters(parameters),
    )


def short_labels(places: Iterable[str]) -> dict[str, str]:
    """The last part of each place where it tells them apart, else as much of the path as it takes."""
    places = list(places)
    labels = {}
    for place in places:
        parts = place.split(".")
        labels[place] = next(
            (
                short
                for short in (".".join(parts[-count:]) for count in range(1, len(parts) + 1))
                if sum(other == short or other.endswith(f".{short}") for other in places) == 1
            ),
            place,
        )
    return labels


def legend(ranked: bool, ranks: Shade, sizes: Shade) -> Markup:
    """What the colours say, and a choice of what they say where modules have ranks."""
    choice = (
        '<fieldset class="segments"><legend>Colour by</legend><label><input type="radio" name="xray-by" '
        'value="rank" '
        'checked>rank</label><label><input type="radio" name="xray-by" value="parameters">parameters</label>'
        "</fieldset>"
    )
    return fill(
        '<div class="xray-head">{choice}<p class="legend"><i class="empty-cell"></i>left alone '
        "{by_rank}{by_size}</p></div>",
        choice=Markup(choice) if ranked else "",
        by_rank=scale_of("legend-rank", str(ranks.least), str(ranks.most)) if ranked else "",
        by_size=scale_of("legend-parameters", format.parameters(sizes.least), format.parameters(sizes.most)),
    )


def scale_of(kind: str, least: str, most: str) -> Markup:
    ends = (
        Markup('<i style="--shade:100%"></i>')
        if least == most
        else Markup('<i style="--shade:28%"></i><i style="--shade:64%"></i><i style="--shade:100%"></i>')
    )
    unit = "rank" if kind == "legend-rank" else "parameters"
    words = least if least == most else f"{least} to {most}"
    return fill(
        '<span class="{kind}">{ends}{unit} {words}</span>', kind=kind, ends=ends, unit=unit, words=words
    )
