"""A memory figure opened to its terms: what is counted, how it comes about, and how many bytes it is."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from adapter_ui.domain import MemoryTerm
from adapter_ui.ui import format
from adapter_ui.ui.markup import fill, join

NAMES = {
    "weights": "Base",
    "adapter": "Adapter",
    "kv_cache": "KV cache",
    "activations": "Activations",
    "optimizer": "Optimizer",
    "margin": "Margin",
}


def opened(terms: Sequence[MemoryTerm], fold: str) -> Markup:
    """The figure as a summary that opens to a table of its terms; nothing where there are none.

    The page remembers by the name `fold` that it was opened.
    """
    if not terms:
        return Markup("")
    rows = join(
        fill(
            '<tr><th scope="row">{name}</th><td>{formula}</td><td class="number">{size}</td></tr>',
            name=NAMES.get(term.name, term.name),
            formula=term.formula,
            size=format.size(term.bytes),
        )
        for term in terms
    )
    return fill(
        '<details class="terms" data-fold="{fold}"><summary title="What is counted">{total}</summary>'
        '<table><tbody>{rows}</tbody><tfoot><tr><th scope="row">Together</th><td></td>'
        '<td class="number">{total}</td></tr></tfoot></table></details>',
        fold=fold,
        total=format.size(sum(term.bytes for term in terms)),
        rows=rows,
    )
