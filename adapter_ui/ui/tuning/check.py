"""Step 3: what a run would do and need, before it starts."""

from __future__ import annotations

from markupsafe import Markup

from adapter_ui.domain import Level, Preflight
from adapter_ui.ui import format
from adapter_ui.ui.markup import empty, fill, join, meter, notice, stats
from adapter_ui.ui.tuning.lengths import length_plot

NOT_CHECKED = empty("Not checked yet", "Give rows and a recipe first; the check starts nothing.")


def check_report(found: Preflight, *, timing: bool = False) -> Markup:
    """The verdict first, then rows, tokens, steps, time and memory, then warnings. `timing` is whether steps
    are being measured.
    """
    verdict = notice(found.refusal, Level.BLOCKER) if found.refusal else notice("Ready to start.", Level.GOOD)
    validation = [("rows to validate", f"{found.validation_rows:,}")] if found.validation_rows else []
    figures = stats(
        [
            ("rows to learn", f"{found.rows - found.validation_rows:,}"),
            *validation,
            ("tokens", format.count(found.tokens)),
            ("longest row", f"{format.count(found.longest)} tokens"),
            ("cut rows", f"{found.cut:,}"),
            ("steps", f"{found.steps:,}"),
            ("trainable", format.parameters(found.trainable_parameters)),
            ("adapter", format.size(found.adapter_bytes)),
        ]
    )
    warnings = join(notice(text) for text in found.warnings)
    return fill(
        '<div class="preflight">{verdict}{figures}{time}{lengths}{memory}{warnings}</div>',
        verdict=verdict,
        figures=figures,
        time=time_line(found, timing),
        lengths=length_plot(found.lengths) if found.lengths else Markup(""),
        memory=memory_line(found),
        warnings=warnings,
    )


def time_line(found: Preflight, timing: bool) -> Markup:
    """About 4 min (2 steps measured: 1.2 s each)"""
    if found.seconds is not None:
        each = format.duration(found.step_seconds)
        text = f"About {format.duration(rounded(found.seconds))} ({found.timing}: {each} each)."
    else:
        text = "Measuring two steps, to tell how long it will take …" if timing else found.timing
    return fill('<p class="preflight-time">{text}</p>', text=text) if text else Markup("")


def rounded(seconds: float) -> float:
    """An estimate has no more than two figures: 250 s are about 4 min, 4,000 s are 1 h 10 min."""
    unit = 60 if seconds >= 120 else 10 if seconds >= 20 else 1
    return max(unit, round(seconds / unit) * unit)


def memory_line(found: Preflight) -> Markup:
    if found.memory is None:
        return Markup("")
    need, free = found.memory.total, found.available_bytes
    text = f"Training needs about {format.size(need)}; {format.size(free)} are free."
    return fill(
        '<div class="preflight-memory"><span>{text}</span>{bar}</div>',
        text=text,
        bar=meter(need / free if free else 1, text, "fit" if need <= free else "over"),
    )
