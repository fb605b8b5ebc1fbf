"""What the licenses of adapter and base decide, by their names on the Hub (pure). No legal advice."""

from __future__ import annotations

from collections.abc import Iterator

from adapter_ui.catalog.findings.evidence import Evidence, good, info, warning
from adapter_ui.domain import Finding, Source

PERMISSIVE = frozenset(
    {"apache-2.0", "mit", "bsd", "bsd-2-clause", "bsd-3-clause", "bsl-1.0", "cc-by-2.0", "cc-by-3.0",
     "cc-by-4.0", "cc0-1.0", "isc", "unlicense", "wtfpl", "zlib", "0bsd", "mit-0", "afl-3.0", "artistic-2.0",
     "ecl-2.0", "ms-pl", "ncsa", "odc-by", "pddl", "postgresql"}
)  # fmt: skip
NON_COMMERCIAL = ("cc-by-nc", "fair-noncommercial", "apple-amlr", "h-research", "intel-research")
OWN_TERMS = (
    "llama", "gemma", "openrail", "creativeml-openrail", "bigscience-", "bigcode-", "deepfloyd", "apple-ascl",
    "open-mdw", "grok2", "other",
)  # fmt: skip
UNCLEAR = ("other", "unknown")


def license_findings(evidence: Evidence) -> Iterator[Finding]:
    stated, base = evidence.license, evidence.base
    if stated is None:
        if evidence.card_read and evidence.ref.source is Source.HUB:
            yield info(
                "license_missing",
                "Its card states no license, so nothing is allowed for certain; ask the author before you "
                "share it.",
            )
        return
    at_odds = odds(stated, base.license) if base is not None and base.license else None
    if base is None or at_odds is None:
        if stated not in UNCLEAR:
            yield good("license_stated", f"Its license is stated: {stated[:64]}.")
        return
    both = f"The adapter is under {stated[:64]}, but its base {base.id} under {(base.license or '')[:64]}"
    if at_odds == "non-commercial":
        yield warning(
            "license_at_odds",
            f"{both}, which allows no commercial use of the two together; check both before you use them.",
        )
    else:
        yield info(
            "license_at_odds",
            f"{both}, whose terms may hold for the two together; check both before you share them.",
        )


def odds(adapter: str, base: str) -> str | None:
    """Why a base's license may ask for more than the adapter's says; None where nothing hints at that."""
    if adapter.lower() not in PERMISSIVE:
        return None
    if base.lower().startswith(NON_COMMERCIAL):
        return "non-commercial"
    return "own terms" if base.lower().startswith(OWN_TERMS) else None
