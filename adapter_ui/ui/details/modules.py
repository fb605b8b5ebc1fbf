"""The adapter's modules in words: one line a kind, what lies beside the layers, and what there is instead."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from markupsafe import Markup

from adapter_ui.catalog.methods.table import METHODS, PROMPT_METHODS
from adapter_ui.domain import AdapterProfile, ModuleInfo
from adapter_ui.ui import format
from adapter_ui.ui.browsing.results_table import method_name
from adapter_ui.ui.markup import empty, fill, join, table

MOST_ROWS = 200
MOST_BESIDE = 24
IN_EVERY_LAYER = ("PREFIX_TUNING", "CARTRIDGE")
"""Prompt methods whose tokens are keys and values of attention, not embeddings."""


def modules_table(profile: AdapterProfile) -> Markup:
    """Which modules the adapter changes, one line a kind; what all have in common stands above."""
    by_kind: dict[str, list[ModuleInfo]] = defaultdict(list)
    for module in profile.modules:
        by_kind[module.kind].append(module)
    common = parts_of(profile.modules)
    rows = [
        (
            fill("<code>{kind}</code>{parts}", kind=kind, parts=own_parts(modules, common)),
            layers_of(modules),
            f"{len(modules):,}",
            several({module.rank for module in modules if module.rank}),
            several({round(module.scaling, 4) for module in modules if module.scaling is not None}),
            format.parameters(sum(module.parameters for module in modules)),
        )
        for kind, modules in sorted(by_kind.items())[:MOST_ROWS]
    ]
    headers = ("Module", "Layers", "Count", "Rank", "Scaling", "Parameters")
    kinds = table(headers, rows, numbers=(2, 3, 4, 5), kind="modules-table")
    return fill("{parts}{kinds}", parts=common_parts(common), kinds=kinds)


def several(values: set[float]) -> str:
    """Two values side by side, a range when there are more."""
    texts = [f"{value:g}" for value in sorted(values)]
    return f"{texts[0]} to {texts[-1]}" if len(texts) > 2 else ", ".join(texts) or format.UNKNOWN


def common_parts(parts: set[str]) -> Markup:
    """The tensors of a module and their dtypes, where those that are not saved whole all have the same."""
    if len(parts) != 1:
        return Markup("")
    return fill('<p class="hint">Each module holds <code>{parts}</code>.</p>', parts=next(iter(parts)))


def own_parts(modules: Iterable[ModuleInfo], common: set[str]) -> Markup:
    """The tensors of this kind, where kinds differ."""
    if len(common) == 1:
        return Markup("")
    return fill("<small>{parts}</small>", parts="; ".join(sorted(parts_of(modules))[:4]))


def parts_of(modules: Iterable[ModuleInfo]) -> set[str]:
    """The method's own names of the tensors with their dtypes, once for each that occurs."""
    return {
        " · ".join(filter(None, (", ".join(module.parts[:8]), module.dtype)))
        for module in modules
        if module.parts and not module.whole
    }


def layers_of(modules: Iterable[ModuleInfo]) -> str:
    layers = sorted({module.layer for module in modules if module.layer is not None})
    if not layers:
        return format.UNKNOWN
    unbroken = len(layers) == layers[-1] - layers[0] + 1
    return f"{layers[0]} to {layers[-1]}" if unbroken and len(layers) > 1 else ", ".join(map(str, layers))


def beside_the_layers(modules: Iterable[ModuleInfo]) -> Markup:
    """Modules saved whole, and tensors that belong to no layer."""
    modules = tuple(modules)
    whole = [module for module in modules if module.whole]
    shared = [module for module in modules if module.layer is None and not module.whole]
    lists = [
        fill(
            '<div class="beside"><b>{title}</b><ul>{items}</ul>{rest}</div>',
            title=title,
            items=join(beside_item(module) for module in found[:MOST_BESIDE]),
            rest=fill("<small>and {count:,} more</small>", count=len(found) - MOST_BESIDE)
            if len(found) > MOST_BESIDE
            else "",
        )
        for title, found in (("Saved whole", whole), ("Outside the layers", shared))
        if found
    ]
    return join(lists)


def beside_item(module: ModuleInfo) -> Markup:
    facts = [
        f"rank {module.rank}" if module.rank else "",
        f"{format.parameters(module.parameters)} parameters",
        module.dtype or "",
    ]
    return fill(
        "<li><code>{name}</code> <small>{facts}</small></li>",
        name=module.name,
        facts=" · ".join(filter(None, facts)),
    )


def nothing_to_see(profile: AdapterProfile) -> Markup:
    """What the adapter holds when it changes no module, or why that is not known."""
    if profile.method in PROMPT_METHODS:
        return empty("No module is changed", prompt_sentence(profile))
    if profile.method is not None and profile.method not in METHODS:
        name = method_name(profile.method)
        return empty(
            "The method is not known here",
            f"Which tensors belong to which module is not known for {name}; its config and files are shown.",
        )
    return empty(
        "No table of tensors",
        "Modules and ranks are read from the header of a safetensors file, and none could be read here.",
    )


def prompt_sentence(profile: AdapterProfile) -> str:
    """What a prompt method holds, as far as its config and its file say."""
    tokens, width = profile.config.get("num_virtual_tokens"), profile.config.get("token_dim")
    learned = f"{tokens:,} learned tokens" if isinstance(tokens, int) else "learned tokens"
    wide = f", each {width:,} numbers wide" if isinstance(width, int) else ""
    size = f" ({format.parameters(profile.parameters)} parameters)" if profile.parameters else ""
    place = (
        "before the keys and values of every layer"
        if profile.method in IN_EVERY_LAYER
        else "before what the base reads"
    )
    name = method_name(profile.method)
    return f"{name[:1].upper()}{name[1:]} puts {learned}{wide}, {place}{size}."
