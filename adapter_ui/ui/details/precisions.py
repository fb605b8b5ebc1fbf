"""The precisions as a radio group: what each needs against what is free on this machine."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from adapter_ui.catalog.memory_terms import explain_memory
from adapter_ui.domain import AdapterProfile, Fit, MemoryEstimate, PrecisionChoice
from adapter_ui.domain.loadable import unsupported_precision
from adapter_ui.ui import format
from adapter_ui.ui.details.terms import opened
from adapter_ui.ui.markup import fill, join, meter


def precision_choices(
    profile: AdapterProfile, choices: Iterable[PrecisionChoice], chosen: str, fit: Fit | None
) -> Markup:
    """One line a precision: its predicted memory, opened to its terms, against what is free."""
    return fill(
        '<div class="precisions" role="radiogroup" aria-label="Precision">{rows}</div>'
        '<p class="hint">{hint}</p>',
        rows=join(precision_row(profile, fit, choice, chosen) for choice in choices),
        hint=hint(profile, fit),
    )


def hint(profile: AdapterProfile, fit: Fit | None) -> str:
    """How to read the lines, or why they are empty."""
    if fit is None:
        return "What it needs cannot be predicted: the size of its base is not known."
    if profile.available_bytes is None:
        return "How much memory this machine has free is not known."
    free = format.size(profile.available_bytes)
    return f"The mark stands at the {free} that are free here. Open a figure to see what is counted."


def precision_row(profile: AdapterProfile, fit: Fit | None, choice: PrecisionChoice, chosen: str) -> Markup:
    refusal = unsupported_precision(profile.method, choice.precision)
    estimate = fit.loading.get(choice.precision) if fit else None
    available = profile.available_bytes
    fits = estimate is None or available is None or estimate.total <= available
    verdict = "" if estimate is None or available is None else "fits" if fits else "too big"
    if refusal:
        verdict = "not supported"
    full = max([available or 1, *(one.total for one in fit.loading.values())]) if fit else 1
    return fill(
        '<div class="precision-line {state}"><label class="precision" title="{label}"><input type="radio" '
        'name="precision" value="{value}"{checked}><span class="precision-name">{value}</span>'
        '<span class="precision-bar">{bar}{free}</span><span></span>'
        '<span class="verdict">{verdict}</span></label>{figure}</div>',
        state="" if fits and not refusal else "unfit",
        label=refusal or choice.label,
        value=choice.precision.value,
        checked=Markup(" checked") if choice.precision.value == chosen else "",
        bar=memory_bar(estimate, full, verdict, fits),
        free=free_mark(available, full) if estimate else "",
        verdict=verdict,
        figure=opened(explain_memory(profile, fit, choice.precision), choice.precision.value) if fit else "",
    )


def memory_bar(estimate: MemoryEstimate | None, full: int, verdict: str, fits: bool) -> Markup:
    if estimate is None:
        return Markup('<span class="meter"></span>')
    label = f"{format.size(estimate.total)} {verdict}"
    return meter(estimate.total / full, label, "fit" if fits else "over")


def free_mark(available: int | None, full: int) -> Markup:
    """A thin mark where this machine's free memory ends."""
    if not available:
        return Markup("")
    return fill('<i class="free" style="left:{percent:.2f}%"></i>', percent=100 * available / full)


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
