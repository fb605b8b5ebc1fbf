"""The precisions as a radio group: what each needs against what a load finds on this machine."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from adapter_ui.catalog.memory_terms import explain_memory
from adapter_ui.domain import AdapterProfile, Fit, MemoryEstimate, Precision, PrecisionChoice
from adapter_ui.domain.loadable import unsupported_precision
from adapter_ui.ui import format
from adapter_ui.ui.details.terms import opened
from adapter_ui.ui.markup import fill, join, meter


def precision_choices(
    profile: AdapterProfile, choices: Iterable[PrecisionChoice], chosen: str, fit: Fit | None
) -> Markup:
    """One line a precision: its predicted memory, opened to its terms, against what a load finds."""
    return fill(
        '<div class="precisions" role="radiogroup" aria-label="Precision">{rows}</div>'
        '<p class="hint">{hint}</p>',
        rows=join(precision_row(profile, fit, choice, chosen) for choice in choices),
        hint=hint(fit),
    )


def hint(fit: Fit | None) -> str:
    """How to read the lines, or why they are empty."""
    if fit is None:
        return "What it needs cannot be predicted: the size of its base is not known."
    if not fit.room:
        return "How much memory this machine has free is not known."
    room = format.size(room_of(fit))
    return f"The mark stands at the {room} that a load finds here. Open a figure to see what is counted."


def room_of(fit: Fit) -> int:
    """Where models go, once others are unloaded; RAM beside a GPU, which not every precision can use, is
    left out.
    """
    return min(fit.room.values(), default=0)


def precision_row(profile: AdapterProfile, fit: Fit | None, choice: PrecisionChoice, chosen: str) -> Markup:
    refusal = unsupported_precision(profile.method, choice.precision)
    estimate = fit.loading.get(choice.precision) if fit else None
    loads = fit.loads_here(choice.precision) if fit else None
    fits = loads is not False and not refusal
    verdict = "not supported" if refusal else verdict_of(fit, choice.precision) if fit else ""
    room = room_of(fit) if fit else 0
    full = max([room or 1, *(one.total for one in fit.loading.values())]) if fit else 1
    return fill(
        '<div class="precision-line {state}"><label class="precision" title="{label}"><input type="radio" '
        'name="precision" value="{value}"{checked}><span class="precision-name">{value}</span>'
        '<span class="precision-bar">{bar}{free}</span><span></span>'
        '<span class="verdict">{verdict}</span></label>{figure}</div>',
        state="" if fits else "unfit",
        label=refusal or choice.label,
        value=choice.precision.value,
        checked=Markup(" checked") if choice.precision.value == chosen else "",
        bar=memory_bar(estimate, full, verdict, fits),
        free=free_mark(room, full) if estimate else "",
        verdict=verdict,
        figure=opened(explain_memory(profile, fit, choice.precision), choice.precision.value) if fit else "",
    )


def verdict_of(fit: Fit, precision: Precision) -> str:
    if precision in fit.in_memory:
        return "in memory"
    return {None: "", True: "fits", False: "too big"}[fit.loads_here(precision)]


def memory_bar(estimate: MemoryEstimate | None, full: int, verdict: str, fits: bool) -> Markup:
    if estimate is None:
        return Markup('<span class="meter"></span>')
    label = f"{format.size(estimate.total)} {verdict}"
    return meter(estimate.total / full, label, "fit" if fits else "over")


def free_mark(room: int, full: int) -> Markup:
    """A thin mark where the memory ends that a load finds."""
    if not room:
        return Markup("")
    return fill('<i class="free" style="left:{percent:.2f}%"></i>', percent=100 * room / full)


def reason(choices: Iterable[PrecisionChoice], chosen: str) -> Markup:
    """Why one would take the chosen precision."""
    found = next((choice for choice in choices if choice.precision.value == chosen), None)
    if found is None:
        return Markup("")
    default = "This machine's default: " if found.default else ""
    return fill(
        '<p class="hint">{default}{label}, {reason}.</p>',
        default=default,
        label=found.label,
        reason=found.reason.rstrip("."),
    )


def not_loadable(message: str) -> Markup:
    """Why Load and Try it are off."""
    return fill('<p class="hint">Cannot be loaded: {message}</p>', message=message)
