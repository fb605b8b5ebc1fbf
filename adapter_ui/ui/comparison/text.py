"""A comparison in words: names of figures, values as text, layers as ranges, and all of it as Markdown.

Knows no HTML and no Gradio.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from adapter_ui.domain import AdapterRef, ComparedRow, ModuleChange, ModuleGroup, SideBySide
from adapter_ui.ui import format
from adapter_ui.ui.browsing.results_table import method_name

LONGEST_VALUE = 300
MOST_RANGES = 6
NOT_SET = "not set"
MARKDOWN = re.compile(r"([\\`*_\[\]<>|~!#&])")
FIGURES: dict[str, tuple[str, Callable[[Any], str]]] = {
    "base": ("Base model", str),
    "method": ("Method", method_name),
    "variant": ("Variant", str),
    "task_type": ("Task", str),
    "rank": ("Rank", str),
    "scaling": ("Scaling", lambda value: f"{value:.4g}"),
    "parameters": ("Parameters", format.parameters),
    "size_bytes": ("Size", format.size),
    "ratio": ("Share of the base", format.share),
    "dtype": ("Dtype", str),
    "base_parameters": ("Base parameters", format.parameters),
    "base_size_bytes": ("Base size", format.size),
    "memory": ("Memory", format.size),
    "license": ("License", str),
    "base_license": ("Base license", str),
    "downloads": ("Downloads", format.count),
    "likes": ("Likes", format.count),
    "updated": ("Updated", format.day),
}
"""How each figure of a SideBySide is called, and how its value reads."""


def figure_name(row: ComparedRow, precision: str) -> str:
    name = FIGURES[row.name][0]
    return f"{name} in {precision}" if row.name == "memory" else name


def figure_text(row: ComparedRow, ref: AdapterRef) -> str:
    return cut(FIGURES[row.name][1](row.values[ref])) if ref in row.values else format.UNKNOWN


def config_text(value: Any) -> str:
    """A value of a config as JSON has it, but lists and texts without their marks."""
    if isinstance(value, str):
        return cut(value)
    if isinstance(value, list) and value and not any(isinstance(item, list | dict) for item in value):
        return cut(", ".join(str(item) for item in value))
    return cut(json.dumps(value, ensure_ascii=False))


def cut(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 2]} …"


def module_name(group: ModuleGroup) -> str:
    """ "q_proj, layers 0 to 31", or "lm_head"."""
    kind = cut(group.kind)
    return f"{kind}, {layers_text(group.layers)}" if group.layers else kind


def layers_text(layers: Sequence[int]) -> str:
    """Ascending numbers of layers as ranges: "layers 0 to 3, 8"; nothing where there are none."""
    if not layers:
        return ""
    ranges: list[list[int]] = []
    for layer in layers:
        if ranges and layer == ranges[-1][1] + 1:
            ranges[-1][1] = layer
        else:
            ranges.append([layer, layer])
    shown = [str(first) if first == last else f"{first} to {last}" for first, last in ranges[:MOST_RANGES]]
    more = len(ranges) - MOST_RANGES
    rest = f" and {format.plural(more, 'more range')}" if more > 0 else ""
    return f"{'layer' if len(layers) == 1 else 'layers'} {', '.join(shown)}{rest}"


def change_text(change: ModuleChange, group: ModuleGroup) -> str:
    """What one adapter does there: "r 8, × 2", or that the module is saved whole."""
    said = ["saved whole"] if change.whole else []
    if change.rank is not None:
        said.append(f"r {change.rank}")
    if len({one.scaling for one in group.changes.values()}) > 1 and change.scaling is not None:
        said.append(f"× {change.scaling:.4g}")
    return ", ".join(said) or "changed"


def as_markdown(found: SideBySide, most_rows: int) -> str:
    """The comparison as one Markdown table, at most `most_rows` rows a part.

    A stranger's text stays text: what Markdown or HTML would read as a mark is escaped.
    """
    refs = [one.ref for one in found.adapters]
    lines = [["", *map(str, refs)], ["---"] * (len(refs) + 1)]
    lines += [
        [figure_name(row, found.precision.value), *(figure_text(row, ref) for ref in refs)]
        for row in found.figures
    ]
    lines += [
        [cut(row.name), *(config_text(row.values[ref]) if ref in row.values else NOT_SET for ref in refs)]
        for row in found.config[:most_rows]
    ]
    lines += [
        [
            module_name(group),
            *(
                change_text(group.changes[ref], group) if ref in group.changes else format.UNKNOWN
                for ref in refs
            ),
        ]
        for group in found.modules[:most_rows]
    ]
    return "\n".join(markdown_line(line) for line in lines)


def markdown_line(cells: Iterable[str]) -> str:
    escaped = (MARKDOWN.sub(r"\\\1", " ".join(cell.split())) for cell in cells)
    return f"| {' | '.join(escaped)} |"
