"""The loss of a run as an SVG line plot.

Drawn here, because its colours are the page's own variables: it follows light and dark at once, needs no
library in the browser and does not flicker when it grows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup

from adapter_ui.ui.markup import fill, join

WIDTH, HEIGHT = 940, 260
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 12, 26
SMOOTHING = 0.8
MOST_POINTS = 400
Points = Sequence[tuple[float, float]]


def loss_plot(history: Iterable[Mapping[str, float]], total_steps: int | None) -> Markup:
    """Training loss a step, its running mean, and the validation loss where there is one."""
    rows = list(history)
    training, validation = series(rows, "loss"), series(rows, "eval_loss")
    values = [value for _, value in (*training, *validation)]
    if not values:
        return Markup('<div class="plot plot-empty">The loss appears here with the first step.</div>')
    last = max(
        total_steps or 0, training[-1][0] if training else 0, validation[-1][0] if validation else 0, 1
    )
    low, high = nice_range(min(values), max(values))
    place = placer(last, low, high)
    return fill(
        '<figure class="loss"><svg class="plot" viewBox="0 0 {width} {height}" role="img" '
        'aria-label="{label}">{grid}{raw}{mean}{dots}</svg>'
        '<figcaption class="hint plot-key">{keys}</figcaption></figure>',
        width=WIDTH,
        height=HEIGHT,
        label=", ".join(
            f"{name} loss, now {points[-1][1]:.3f}"
            for name, points in (("training", training), ("validation", validation))
            if points
        ),
        grid=grid(low, high, last, place),
        raw=line(thin(training), place, "plot-raw"),
        mean=line(thin(smoothed(training)), place, "plot-mean"),
        dots=join(dot(point, place) for point in thin(validation)),
        keys=join(
            fill('<span><i class="{kind}"></i>{text}</span>', kind=kind, text=text)
            for kind, text, points in (
                ("key-mean", "training loss, its running mean", training),
                ("key-dot", "validation loss", validation),
            )
            if points
        ),
    )


def series(rows: Sequence[Mapping[str, float]], name: str) -> list[tuple[float, float]]:
    """(step, value) of each row that has a finite value."""
    return [(row["step"], row[name]) for row in rows if name in row and math.isfinite(row[name])]


def smoothed(points: Points) -> list[tuple[float, float]]:
    """The running mean, corrected for its start, so that it begins on the line."""
    mean, result = 0.0, []
    for at, (step, value) in enumerate(points, start=1):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * value
        result.append((step, mean / (1 - SMOOTHING**at)))
    return result


def thin(points: Points) -> Points:
    stride = math.ceil(len(points) / MOST_POINTS)
    return [*points[:-1:stride], points[-1]] if stride > 1 else points


def nice_range(low: float, high: float) -> tuple[float, float]:
    """Bounds that fall on round numbers and leave room for a flat line."""
    step = nice_step(max(high - low, abs(high) * 0.05, 1e-6) / 4)
    return math.floor(low / step) * step, math.ceil(high / step + 1e-9) * step


def nice_step(rough: float) -> float:
    power = 10 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)


def placer(last: float, low: float, high: float):
    def place(step: float, value: float) -> tuple[float, float]:
        across = LEFT + (WIDTH - LEFT - RIGHT) * step / last
        down = TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)
        return round(across, 1), round(down, 1)

    return place


def grid(low: float, high: float, last: float, place) -> Markup:
    step = nice_step((high - low) / 4)
    marks = [low + at * step for at in range(round((high - low) / step) + 1)]
    rules = join(
        fill(
            '<line class="plot-rule" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/><text x="{text}" '
            'y="{down}" text-anchor="end">{value}</text>',
            left=LEFT,
            right=WIDTH - RIGHT,
            y=place(0, mark)[1],
            down=place(0, mark)[1] + 4,
            text=LEFT - 8,
            value=f"{mark:.4g}",
        )
        for mark in marks
    )
    steps = join(
        fill(
            '<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>',
            x=place(at, low)[0],
            y=HEIGHT - 6,
            anchor=anchor,
            text=text,
        )
        for at, anchor, text in (
            (0, "start", "0"),
            (last / 2, "middle", f"{last / 2:g}"),
            (last, "end", f"step {last:g}"),
        )
    )
    return rules + steps


def line(points: Points, place, kind: str) -> Markup:
    path = " ".join(f"{x},{y}" for x, y in (place(*point) for point in points))
    return fill('<polyline class="{kind}" points="{path}"/>', kind=kind, path=path)


def dot(point: tuple[float, float], place) -> Markup:
    x, y = place(*point)
    title = f"validation at step {point[0]:g}: {point[1]:.4g}"
    return fill(
        '<circle class="plot-dot" cx="{x}" cy="{y}" r="4"><title>{title}</title></circle>',
        x=x,
        y=y,
        title=title,
    )
