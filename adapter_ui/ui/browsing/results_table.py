"""The table of search results as HTML: rows at once, details as they come. Knows not where they come from."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from adapter_ui.domain import AdapterSummary, Source
from adapter_ui.ui import format
from adapter_ui.ui.markup import TASK_NAMES, badge, fill, join

HEADERS = (
    ("adapter", "Adapter", ""),
    ("base", "Base model", ""),
    ("method", "Method", ""),
    ("rank number", "Rank", "rank"),
    ("size number", "Size", "size"),
    ("base-size number", "Base size", ""),
    ("downloads number", "Downloads", "downloads"),
    ("likes number", "Likes", "likes"),
    ("updated number", "Updated", "updated"),
)
"""The columns' classes and names, and the sort that a click on the header asks for."""
METHOD_NAMES = {
    "LORA": "LoRA",
    "IA3": "IA³",
    "LOHA": "LoHa",
    "LOKR": "LoKr",
    "ADALORA": "AdaLoRA",
    "DORA": "DoRA",
    "VERA": "VeRA",
    "OFT": "OFT",
    "BOFT": "BOFT",
    "HRA": "HRA",
    "C3A": "C³A",
    "CPT": "CPT",
    "OSF": "OSF",
    "MISS": "MiSS",
    "ROAD": "RoAd",
    "SHIRA": "SHiRA",
    "DELORA": "DeLoRA",
    "FOURIERFT": "FourierFT",
    "GRALORA": "GraLoRA",
    "RANDLORA": "RandLoRA",
    "VBLORA": "VB-LoRA",
    "XLORA": "X-LoRA",
    "LN_TUNING": "LN tuning",
    "P_TUNING": "P-tuning",
}
SOURCE_NAMES = {
    Source.STARTER: "starter set",
    Source.RUN: "your run",
    Source.MIX: "your mix",
    Source.FOLDER: "local folder",
}
PENDING = Markup('<span class="awaited" aria-label="loading"></span>')


def results_table(rows: Sequence[AdapterSummary], sort: str = "", *, reading: bool = False) -> Markup:
    """All rows, in the order of `sort`. While `reading`, what is unknown of an incomplete row is shown as on
    its way.
    """
    largest = max((row.size_bytes or 0 for row in rows), default=0)
    return fill(
        '<table class="results" role="grid" aria-label="Adapters"><thead><tr>{head}</tr></thead><tbody>'
        "{body}</tbody></table>",
        head=join(header(*column, sort) for column in HEADERS),
        body=join(result_row(row, reading and not row.complete, largest) for row in rows),
    )


def header(kind: str, name: str, sort: str, sorted_by: str) -> Markup:
    if not sort:
        return fill('<th scope="col" class="{kind}">{name}</th>', kind=kind, name=name)
    return fill(
        '<th scope="col" class="{kind}" aria-sort="{order}"><button type="button" class="sort" '
        'data-act="sort" data-value="{sort}" title="{title}">{name}</button></th>',
        kind=kind,
        order="descending" if sort == sorted_by else "none",
        sort=sort,
        title="Back to trending" if sort == sorted_by else f"Sort by {name.lower()}",
        name=name,
    )


def result_row(row: AdapterSummary, awaited: bool, largest: int) -> Markup:
    def known(value: object, text: str) -> object:
        return PENDING if value is None and awaited else text

    return fill(
        '<tr data-ref="{ref}" tabindex="-1" aria-selected="false">'
        '<td class="adapter">{name}</td><td class="base">{base}</td><td class="method">{method}</td>'
        '<td class="rank number">{rank}</td><td class="size number">{size}</td><td class="base-size '
        'number">{base_size}</td>'
        '<td class="downloads number">{downloads}</td><td class="likes number">{likes}</td>'
        '<td class="updated number">{updated}</td></tr>',
        ref=str(row.ref),
        name=name_cell(row),
        base=two_lines(*reversed(format.short_name(row.base_model)))
        if row.base_model
        else known(None, format.UNKNOWN),
        method=known(row.method, method_name(row.method)),
        rank=known(row.rank, str(row.rank) if row.rank else format.UNKNOWN),
        size=size_cell(row, largest) if row.size_bytes else known(None, format.UNKNOWN),
        base_size=known(row.base_size_bytes, format.size(row.base_size_bytes)),
        downloads=format.count(row.downloads),
        likes=format.count(row.likes),
        updated=format.day(row.updated),
    )


def name_cell(row: AdapterSummary) -> Markup:
    """The name in front, for owners repeat and names tell rows apart; the owner and badges under it."""
    owner, name = format.short_name(row.ref.name)
    below = [owner or SOURCE_NAMES.get(row.ref.source, "")]
    marks = [badge("gated", "warning", "Its files need an accepted licence")] if row.gated else []
    if row.task_type and row.task_type != "CAUSAL_LM":
        marks.append(badge(TASK_NAMES.get(row.task_type, row.task_type.lower()), "task", row.task_type))
    if row.ref.source is not Source.HUB:
        marks.append(badge(row.ref.source.value, "local"))
    return fill(
        '<span class="name" title="{ref}">{name}</span><span class="below"><span class="owner">'
        "{below}</span>{marks}</span>",
        ref=str(row.ref),
        name=row.title or name,
        below=" · ".join(filter(None, below)),
        marks=join(marks),
    )


def two_lines(first: str, second: str) -> Markup:
    return fill(
        '<span class="name" title="{whole}">{first}</span><span class="below">{second}</span>',
        whole=f"{second}/{first}" if second else first,
        first=first,
        second=second,
    )


def size_cell(row: AdapterSummary, largest: int) -> Markup:
    """The size with a bar against the largest on screen, and its share of the base under it."""
    size = row.size_bytes or 0
    share = format.share(size / row.base_size_bytes) if row.base_size_bytes else ""
    return fill(
        '<span class="size-bar" style="width:{percent:.1f}%"></span><span class="name">{size}</span><span '
        'class="below">{share}</span>',
        percent=100 * size / largest if largest else 0,
        size=format.size(size),
        share=share,
    )


def method_name(method: str | None) -> str:
    """A method as its paper writes it where that is short; PEFT's own value elsewhere."""
    if method is None:
        return format.UNKNOWN
    return METHOD_NAMES.get(method, method.replace("_", " ").lower())
