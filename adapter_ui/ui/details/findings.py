"""The findings of an adapter: what speaks against it open, what speaks for it folded into one line."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from adapter_ui.domain import Finding, Level
from adapter_ui.ui import format
from adapter_ui.ui.markup import fill, icon, join

OPEN = (Level.BLOCKER, Level.WARNING, Level.INFO)


def grouped_findings(findings: Iterable[Finding]) -> Markup:
    """Blockers, warnings and notes in this order, each with its code; then the good news."""
    findings = tuple(findings)
    rows = [row(one) for level in OPEN for one in findings if one.level is level]
    listed = fill('<ul class="findings">{rows}</ul>', rows=join(rows)) if rows else Markup("")
    return fill(
        "{listed}{good}", listed=listed, good=good_news([one for one in findings if one.level is Level.GOOD])
    )


def row(finding: Finding) -> Markup:
    return fill(
        '<li class="finding finding-{level}">{icon}<span>{text} <code class="finding-code">{code}</code>'
        "</span></li>",
        level=finding.level.value,
        icon=icon(finding.level),
        text=finding.message,
        code=finding.code,
    )


def good_news(findings: list[Finding]) -> Markup:
    """One line that can be opened; nothing when nothing good was found."""
    if not findings:
        return Markup("")
    return fill(
        '<details class="good-news"><summary>{icon}{count} passed</summary><ul class="findings">{rows}</ul>'
        "</details>",
        icon=icon(Level.GOOD),
        count=format.plural(len(findings), "check"),
        rows=join(row(one) for one in findings),
    )
