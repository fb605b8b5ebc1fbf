"""What is said around the table of results: which filters are on, how far the reading is, why it is empty.

Markup only; what it offers to click is named in `data-act` and `data-value`.
"""

from __future__ import annotations

from markupsafe import Markup

from adapter_ui.ui import format
from adapter_ui.ui.browsing.filters import FOLDED, SOURCES, Filters
from adapter_ui.ui.browsing.results import Results
from adapter_ui.ui.browsing.results_table import method_name
from adapter_ui.ui.markup import empty, fill, join, notice

WAITING = empty("Searching …", "The rows appear at once, their sizes as they are read.")
NOTHING_READ = empty("Nothing fits so far", "More adapters are being read; the line above counts them.")
READ_ON = empty("Nothing fits so far", "Load more with the button below, or take a filter away.")


def filter_bar(filters: Filters) -> Markup:
    """The button that unfolds further filters, with how many of those are on, and every filter that is on."""
    folded = sum(name in FOLDED for name in filters.active)
    return fill(
        '<div class="filter-bar"><button type="button" class="fold" data-fold="more-filters" '
        'aria-expanded="false" aria-controls="more-filters">More filters{count}</button>{chips}{clear}</div>',
        count=fill(' <b class="tally">{folded}</b>', folded=folded) if folded else "",
        chips=filter_chips(filters),
        clear=action("clear", "", "Clear filters", "clear-filters") if filters.active else "",
    )


def filter_chips(filters: Filters) -> Markup:
    return join(
        fill(
            '<button type="button" class="filter-chip" data-act="clear" data-value="{name}" '
            'aria-label="Take away: {text}">{text}<span aria-hidden="true">×</span></button>',
            name=name,
            text=filter_text(name, filters),
        )
        for name in filters.active
    )


def filter_text(name: str, filters: Filters) -> str:
    """One active filter in words."""
    texts = {
        "base_model": f"on {filters.base_model}{' and its variants' if filters.variants else ''}",
        "task_type": filters.task_type,
        "method": method_name(filters.method),
        "author": f"by {filters.author}",
        "source": SOURCES.get(filters.source, filters.source),
        "license": filters.license,
        "access": f"{filters.access} only",
        "rank": f"rank {span(filters.min_rank, filters.max_rank)}",
        "size": f"size {span(with_unit(filters.min_size), with_unit(filters.max_size))}",
        "safetensors": "safetensors only",
    }
    return texts[name]


def span(least: str, most: str) -> str:
    if least and most:
        return least if least == most else f"{least} to {most}"
    return f"from {least}" if least else f"up to {most}"


def with_unit(typed: str) -> str:
    return f"{typed} MB" if typed and typed[-1].isdigit() else typed


def search_notice(text: str | None) -> Markup:
    """What is missing, with a way to ask again."""
    if not text:
        return Markup("")
    retry = action("retry", "", "Retry", "copy")
    return fill('<div class="search-notice">{notice}{retry}</div>', notice=notice(text), retry=retry)


def load_more(results: Results) -> Markup:
    """The way to the next page, once this one is read."""
    if not results.page.next or results.reading:
        return Markup("")
    return action("more", "", "Load more", "load-more")


def search_status(results: Results) -> Markup:
    """How many rows there are and what is still being read, with a button to stop that or to go on."""
    found = format.plural(len(results.shown), "adapter")
    button = ""
    if results.reading:
        text, button = reading_text(found, results), action("stop", "", "Stop", "copy")
    elif results.stopped:
        text, button = f"{found} · stopped", action("resume", "", "Go on", "copy")
    else:
        text = f"{found} · more can be loaded" if results.page.next else found
    return fill(
        '<div class="search-status" data-reading="{reading}"><span role="status">{text}</span>{button}</div>',
        reading=str(results.reading).lower(),
        text=text,
        button=button,
    )


def reading_text(found: str, results: Results) -> str:
    if len(results.shown) - len(results.earlier) < len(results.page.adapters):
        return f"{found} so far · still looking, {results.unread} being read"
    if results.unread:
        read = len(results.page.adapters) - results.unread
        return f"{found} · details of {read} of {len(results.page.adapters)} read"
    return f"{found} so far · still looking"


def nothing_shown(results: Results) -> Markup:
    """Why there is no row, and what to take away so that there may be one."""
    filters = results.search.filters
    if results.reading:
        return NOTHING_READ
    if results.page.next:
        return READ_ON
    if not filters.active:
        return empty("No adapter matches", "Use fewer words. A full name such as org/name finds one adapter.")
    return fill(
        '<div class="empty"><p class="empty-title">No adapter matches</p><p>Take a filter away{words}:</p>'
        '<div class="filter-bar">{chips}</div></div>',
        words=", or use fewer words" if filters.text.strip() else "",
        chips=filter_chips(filters),
    )


def action(name: str, value: str, label: str, kind: str) -> Markup:
    return fill(
        '<button type="button" class="{kind}" data-act="{name}" data-value="{value}">{label}</button>',
        kind=kind,
        name=name,
        value=value,
        label=label,
    )
