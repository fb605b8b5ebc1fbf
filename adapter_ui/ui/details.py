"""What is known of an adapter, as HTML: who it is, its size against its base, its config, modules and files.

Each function renders one part of an AdapterProfile and asks nobody for more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from markupsafe import Markup

from adapter_ui.catalog.profiles.explain import Explanation
from adapter_ui.domain import AdapterProfile, Level, LoadReport, ModuleInfo, PrecisionChoice
from adapter_ui.ui import format
from adapter_ui.ui.markup import TASK_NAMES, badge, empty, fill, findings, join, meter, notice, stats, table
from adapter_ui.ui.results_table import method_name

MOST_ROWS = 200

REASON_OF_TOTAL = "weights, adapter, a 2k-token cache and a margin are counted."
NOTHING_SELECTED = empty(
    "Select an adapter",
    "Its sizes, its findings and whether it fits this machine appear here before anything is downloaded.",
)


def heading(profile: AdapterProfile) -> Markup:
    """Name, ref, badges, findings: what decides, first."""
    owner, name = format.short_name(profile.ref.name)
    base = profile.base.id if profile.base else profile.config.get("base_model_name_or_path") or ""
    marks = [badge(method_name(profile.method), "method", profile.method)] if profile.method else []
    if profile.rank:
        marks.append(badge(f"r = {profile.rank}", "plain", "rank"))
    if profile.task_type:
        marks.append(
            badge(TASK_NAMES.get(profile.task_type, profile.task_type.lower()), "task", profile.task_type)
        )
    if profile.base and profile.base.gated:
        marks.append(badge("base gated", "warning", "The base's files need an accepted licence"))
    return fill(
        '<header class="detail-head" data-ref="{ref}"><p class="owner">{owner}</p><h2>{name}</h2>'
        '<p class="on-base">on <code>{base}</code></p><p class="badges">{marks}{copies}</p></header>'
        "{findings}",
        ref=str(profile.ref),
        copies=copy_buttons(str(profile.ref)),
        owner=owner or f"{profile.ref.source.value} adapter",
        name=name,
        base=base or "an unnamed base",
        marks=join(marks),
        findings=findings(profile.findings),
    )


def copy_buttons(ref: str) -> Markup:
    """Buttons that the page's script copies from: the ref, and an address of this page that shows it."""
    return join(
        fill(
            '<button type="button" class="copy" data-copy="{what}" data-text="{ref}">{label}</button>',
            what=what,
            ref=ref,
            label=label,
        )
        for what, label in (("ref", "Copy name"), ("link", "Copy link"))
    )


def waiting(ref: str) -> Markup:
    """The head of an adapter whose details are on their way."""
    owner, name = format.short_name(ref)
    return fill(
        '<header class="detail-head" data-ref="{ref}"><p class="owner">{owner}</p><h2>{name}</h2></header>'
        '<div class="skeleton" role="status" aria-label="Reading the adapter"><i></i><i></i><i></i></div>',
        ref=ref,
        owner=owner,
        name=name,
    )


def failed(ref: str, message: str) -> Markup:
    return fill("{head}{problem}", head=heading_only(ref), problem=notice(message))


def heading_only(ref: str) -> Markup:
    owner, name = format.short_name(ref)
    return fill(
        '<header class="detail-head" data-ref="{ref}"><p class="owner">{owner}</p><h2>{name}</h2></header>',
        ref=ref,
        owner=owner,
        name=name,
    )


def scale(profile: AdapterProfile) -> Markup:
    """The adapter's file beside its base's, drawn to one scale."""
    base = profile.base.size_bytes if profile.base else None
    if not profile.size_bytes:
        return Markup("")
    if not base:
        return stats(
            [
                ("adapter size", format.size(profile.size_bytes)),
                ("parameters", format.parameters(profile.parameters)),
            ]
        )
    ratio = profile.size_bytes / base
    rows = join(
        fill(
            '<div class="scale-row"><span>{name}</span>{bar}<span class="figure">{size}</span></div>',
            name=name,
            bar=meter(count / max(base, profile.size_bytes), f"{name} {format.size(count)}", kind),
            size=format.size(count),
        )
        for name, count, kind in (("Adapter", profile.size_bytes, "accent"), ("Base", base, "quiet"))
    )
    parameters = format.parameters(profile.base.parameters) if profile.base else format.UNKNOWN
    return fill(
        '<section class="scale" aria-label="Size beside the base">{rows}<p class="hint">'
        "The adapter is <b>{share}</b> of its base: {adapter} of {base} parameters.</p></section>",
        rows=rows,
        share=format.share(ratio),
        adapter=format.parameters(profile.parameters),
        base=parameters,
    )


def precision_choices(profile: AdapterProfile, choices: Iterable[PrecisionChoice], chosen: str) -> Markup:
    """One line a precision, as a radio group: its predicted memory against what is free."""
    choices = tuple(choices)
    available = profile.available_bytes
    full = max((estimate.total for estimate in profile.memory.values()), default=1)
    rows = join(precision_row(profile, choice, chosen, full) for choice in choices)
    free = (
        f"{format.size(available)} free on this machine; {REASON_OF_TOTAL}" if available is not None else ""
    )
    return fill(
        '<div class="precisions" role="radiogroup" aria-label="Precision">{rows}</div>'
        '<p class="hint">{free}</p>',
        rows=rows,
        free=free,
    )


def precision_row(profile: AdapterProfile, choice: PrecisionChoice, chosen: str, full: int) -> Markup:
    estimate = profile.memory.get(choice.precision)
    available = profile.available_bytes
    fits = estimate is None or available is None or estimate.total <= available
    verdict = "" if estimate is None or available is None else "fits" if fits else "too big"
    bar = (
        meter(estimate.total / full, f"{format.size(estimate.total)} {verdict}", "fit" if fits else "over")
        if estimate
        else Markup('<span class="meter"></span>')
    )
    free = (
        Markup(f'<i class="free" style="left:{100 * available / full:.2f}%"></i>')
        if available and available < full
        else ""
    )
    return fill(
        '<label class="precision {state}" title="{label}"><input type="radio" name="precision" '
        'value="{value}"{checked}>'
        '<span class="precision-name">{value}</span><span class="precision-bar">{bar}{free}</span>'
        '<span class="figure">{size}</span><span class="verdict">{verdict}</span></label>',
        state="" if fits else "unfit",
        label=choice.label,
        value=choice.precision.value,
        checked=Markup(" checked") if choice.precision.value == chosen else "",
        bar=bar,
        free=free,
        size=format.size(estimate.total if estimate else None),
        verdict=verdict,
    )


def load_report(report: LoadReport) -> Markup:
    """Predicted beside measured, and how much of the file was applied."""
    whole = report.keys_applied == report.keys_in_file
    head = notice(
        f"Loaded on {report.device} in {format.duration(report.seconds)}, {report.precision.value}, "
        f"{report.model_class}.",
        Level.GOOD if whole else Level.WARNING,
    )
    figures = stats(
        [
            ("predicted", format.size(report.predicted_bytes)),
            ("measured", format.size(report.measured_bytes)),
            ("tensors applied", f"{report.keys_applied:,} of {report.keys_in_file:,}"),
        ]
    )
    notes = join(fill("<li>{note}</li>", note=note) for note in report.notices)
    return fill('{head}{figures}<ul class="notes">{notes}</ul>', head=head, figures=figures, notes=notes)


def config_table(rows: Iterable[Explanation]) -> Markup:
    """Every field of the config that is set, with what it means and what this value does."""
    lines = [
        (
            fill("<code>{field}</code>", field=row.field),
            row.value,
            fill("{meaning}<small>{effect}</small>", meaning=row.meaning, effect=row.effect),
        )
        for row in rows
    ]
    if not lines:
        return empty("No config", "This adapter's config could not be read.")
    return table(("Field", "Value", "What it means"), lines[:MOST_ROWS], kind="config-table")


def modules_table(profile: AdapterProfile) -> Markup:
    """Which modules the adapter changes, one line a kind."""
    if not profile.modules:
        return empty("No modules", "The tensors of this adapter name no modules of the base.")
    by_kind: dict[str, list[ModuleInfo]] = defaultdict(list)
    for module in profile.modules:
        by_kind[module.kind].append(module)
    rows = [
        (
            fill("<code>{kind}</code>", kind=kind),
            layers_of(modules),
            f"{len(modules):,}",
            ", ".join(map(str, sorted({module.rank for module in modules if module.rank}))) or format.UNKNOWN,
            format.parameters(sum(module.parameters for module in modules)),
        )
        for kind, modules in sorted(by_kind.items())
    ]
    return table(("Module", "Layers", "Count", "Rank", "Parameters"), rows[:MOST_ROWS], numbers=(2, 3, 4))


def layers_of(modules: Iterable[ModuleInfo]) -> str:
    layers = sorted({module.layer for module in modules if module.layer is not None})
    if not layers:
        return format.UNKNOWN
    unbroken = len(layers) == layers[-1] - layers[0] + 1
    return f"{layers[0]} to {layers[-1]}" if unbroken and len(layers) > 1 else ", ".join(map(str, layers))


def files_table(profile: AdapterProfile) -> Markup:
    rows = [(fill("<code>{name}</code>", name=name), format.size(size)) for name, size in profile.files]
    commit = (
        fill('<p class="hint">Commit <code>{commit}</code></p>', commit=profile.commit[:12])
        if profile.commit
        else ""
    )
    return fill(
        "{files}{commit}", files=table(("File", "Size"), rows[:MOST_ROWS], numbers=(1,)), commit=commit
    )


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
