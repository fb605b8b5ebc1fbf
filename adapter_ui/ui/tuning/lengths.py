"""How long the rows are, in tokens, as bars with the limit marked (SVG in the page's own colours)."""

from __future__ import annotations

from markupsafe import Markup

from adapter_ui.domain import LengthHistogram
from adapter_ui.ui import format
from adapter_ui.ui.markup import fill, join

WIDTH, HEIGHT = 640, 150
LEFT, RIGHT, TOP, BOTTOM = 4, 4, 20, 22
GAP = 2
MOST_MARKS = 6


def length_plot(found: LengthHistogram) -> Markup:
    """One bar a range of lengths; the dashed line is where rows are cut."""
    rows = sum(found.counts)
    label = f"Lengths of {format.plural(rows, 'row')} in tokens, the longest {found.longest:,}"
    return fill(
        '<figure class="lengths"><figcaption class="hint">{caption}</figcaption>'
        '<svg class="plot" viewBox="0 0 {width} {height}" role="img" aria-label="{label}">'
        "{bars}{marks}{limit}</svg></figure>",
        caption=f"{label}; {limit_words(found)}.",
        label=label,
        width=WIDTH,
        height=HEIGHT,
        bars=join(bar(found, at) for at in range(len(found.counts))),
        marks=marks(found),
        limit=limit_line(found),
    )


def limit_words(found: LengthHistogram) -> str:
    if found.longest <= found.limit:
        return f"all fit into the limit of {found.limit:,}"
    return f"rows are cut at {found.limit:,}"


def across(found: LengthHistogram, tokens: int) -> float:
    """Where a count of tokens stands on the horizontal axis."""
    return round(LEFT + (WIDTH - LEFT - RIGHT) * tokens / (found.width * len(found.counts)), 1)


def bar(found: LengthHistogram, at: int) -> Markup:
    rows, low, high = found.counts[at], at * found.width + 1, (at + 1) * found.width
    left, right = across(found, low - 1), across(found, high)
    # a single long row must not vanish beside thousands of short ones
    height = max((HEIGHT - TOP - BOTTOM) * rows / max(found.counts), 2) if rows else 0
    upper = f"{found.longest:,}" if at == len(found.counts) - 1 and found.longest > high else f"{high:,}"
    span = f"{low:,} to {upper} tokens" if high > low else f"{format.plural(low, 'token')}"
    return fill(
        '<rect class="length-bar{kind}" x="{x}" y="{y}" width="{width}" height="{height}"><title>{text}'
        "</title></rect>",
        kind=" length-over" if low > found.limit else "",
        x=left + GAP / 2,
        y=round(HEIGHT - BOTTOM - height, 1),
        width=round(right - left - GAP, 1),
        height=round(height, 1),
        text=f"{span}: {format.plural(rows, 'row')}",
    )


def marks(found: LengthHistogram) -> Markup:
    """A few counts of tokens below the bars, and at their end a + where longer rows stand in the last."""
    count = len(found.counts)
    stride = -(-count // MOST_MARKS)
    ends = [*range(0, count, stride)]
    if count - ends[-1] < 0.75 * stride and len(ends) > 1:
        ends.pop()
    more = "+" if found.longest > count * found.width else ""
    return join(
        fill(
            '<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>',
            x=across(found, at * found.width),
            y=HEIGHT - 6,
            anchor="start" if at == 0 else "end" if at == count else "middle",
            text=f"{at * found.width:,}{more if at == count else ''}",
        )
        for at in (*ends, count)
    )


def limit_line(found: LengthHistogram) -> Markup:
    if found.limit >= found.width * len(found.counts):
        return Markup("")
    x = across(found, found.limit)
    near_end = x > WIDTH * 0.8
    return fill(
        '<line class="length-limit" x1="{x}" x2="{x}" y1="4" y2="{y}"/>'
        '<text x="{text_x}" y="13" text-anchor="{anchor}">limit {limit}</text>',
        x=x,
        y=HEIGHT - BOTTOM,
        text_x=x - 5 if near_end else x + 5,
        anchor="end" if near_end else "start",
        limit=f"{found.limit:,}",
    )
