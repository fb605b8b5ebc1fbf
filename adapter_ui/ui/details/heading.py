"""The head of the panel: who the adapter is, how much it is used, how old the facts are, and the findings."""

from __future__ import annotations

from datetime import UTC, datetime

from markupsafe import Markup

from adapter_ui.domain import AdapterProfile, Source
from adapter_ui.ui import format
from adapter_ui.ui.browsing.results_table import SOURCE_NAMES, method_name
from adapter_ui.ui.details.findings import grouped_findings
from adapter_ui.ui.details.links import adapter_page, base_link, outside
from adapter_ui.ui.markup import TASK_NAMES, badge, empty, fill, join, notice

FRESH_SECONDS = 60
NOTHING_SELECTED = empty(
    "Select an adapter",
    "Its sizes, its findings and whether it fits this machine appear here before anything is downloaded.",
)


def heading(profile: AdapterProfile, endpoint: str) -> Markup:
    """Name, badges and use, then how old the facts are, then what decides: the findings."""
    base = profile.base.id if profile.base else profile.config.get("base_model_name_or_path")
    return fill(
        '<header class="detail-head" data-ref="{ref}">{title}<p class="on-base">on {base}</p>'
        '<p class="badges">{badges}</p><p class="usage">{usage}</p><p class="head-actions">{actions}</p>'
        "</header>"
        "{age}{findings}",
        ref=str(profile.ref),
        title=title(str(profile.ref)),
        base=base_link(endpoint, base) if isinstance(base, str) and base else "an unnamed base",
        badges=badges(profile),
        usage=usage(profile),
        actions=actions(profile, endpoint),
        age=age_line(profile),
        findings=grouped_findings(profile.findings),
    )


def title(ref: str) -> Markup:
    """Owner and name apart, then revision and folder; where there is no owner, the place it comes from.

    `ref` is as it was asked for, so it may be none at all.
    """
    place, colon, rest = ref.partition(":")
    if colon and "/" not in place:
        owner, short, marks = SOURCE_NAMES.get(place, place), rest, ""
    else:
        name, at, revision = place.partition("@")
        owner, short = format.short_name(name)
        marks = f"{at}{revision}{colon}{rest}"
    return fill(
        '<p class="owner">{owner}</p><h2>{short}{marks}</h2>',
        owner=owner or "on the Hub",
        short=short,
        marks=fill(' <span class="revision">{marks}</span>', marks=marks) if marks else "",
    )


def badges(profile: AdapterProfile) -> Markup:
    """Method, rank, task, license and what else decides how it is loaded."""
    marks = []
    if profile.method:
        marks.append(badge(method_name(profile.method), "method", f"PEFT method {profile.method}"))
    for field, name in (("use_dora", "DoRA"), ("use_rslora", "rsLoRA")):
        if profile.config.get(field) is True:
            marks.append(badge(name, "method", f"{field} is on"))
    if profile.rank:
        marks.append(badge(f"r = {profile.rank}", "plain", "rank"))
    if profile.task_type:
        marks.append(
            badge(TASK_NAMES.get(profile.task_type, profile.task_type.lower()), "task", profile.task_type)
        )
    if profile.license:
        marks.append(badge(profile.license, "plain", "license"))
    if profile.ref.source is not Source.HUB:
        marks.append(badge(profile.ref.source.value, "local", "on this machine"))
    if profile.base and profile.base.gated:
        marks.append(badge("base gated", "warning", "The base's files need an accepted license"))
    return join(marks)


def usage(profile: AdapterProfile) -> Markup:
    """How much it is liked and used, where the Hub says so."""
    parts = []
    if profile.likes is not None:
        parts.append(figure(format.count(profile.likes), "like" if profile.likes == 1 else "likes"))
    if profile.downloads is not None:
        parts.append(figure(format.count(profile.downloads), "downloads a month"))
    if profile.updated:
        parts.append(fill("updated {day}", day=format.day(profile.updated)))
    return Markup(' <span class="between">·</span> ').join(parts)


def figure(number: str, noun: str) -> Markup:
    return fill("<b>{number}</b> {noun}", number=number, noun=noun)


def actions(profile: AdapterProfile, endpoint: str) -> Markup:
    """Copying, comparing, and the adapter's own page; the page's script acts on the buttons."""
    ref, page = str(profile.ref), adapter_page(endpoint, profile)
    copies = (("ref", "Copy name"), ("link", "Copy link"))
    buttons = [
        fill(
            '<button type="button" class="copy" data-copy="{what}" data-text="{ref}">{label}</button>',
            what=what,
            ref=ref,
            label=label,
        )
        for what, label in copies
    ]
    compare = fill(
        '<button type="button" class="copy" data-action="side-by-side" data-text="{ref}">Compare</button>',
        ref=ref,
    )
    link = [outside(page, "Open on the Hub ↗")] if page else []
    return join([*buttons, compare, *link])


def age_line(profile: AdapterProfile, now: datetime | None = None) -> Markup:
    """Nothing while the facts are fresh. Why older ones are shown is a finding of its own."""
    checked = format.read_timestamp(profile.checked)
    if checked is None or ((now or datetime.now(UTC)) - checked).total_seconds() < FRESH_SECONDS:
        return Markup("")
    return fill(
        '<p class="as-of" role="status">As of {ago}.</p>',
        ago=format.ago(profile.checked, now),
    )


def waiting(ref: str) -> Markup:
    """The head of an adapter whose details are on their way."""
    return fill(
        '<header class="detail-head" data-ref="{ref}">{title}</header>'
        '<div class="skeleton" role="status" aria-label="Reading the adapter"><i></i><i></i><i></i></div>',
        ref=ref,
        title=title(ref),
    )


def failed(ref: str, message: str) -> Markup:
    """What is known of an adapter that could not be inspected: its name, and why."""
    return fill(
        '<header class="detail-head" data-ref="{ref}">{title}</header>{problem}',
        ref=ref,
        title=title(ref),
        problem=notice(message),
    )
