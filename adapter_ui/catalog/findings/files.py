"""What the list of a repository's files decides (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from adapter_ui.catalog.findings.evidence import Evidence, blocker
from adapter_ui.domain import ADAPTER_CONFIG, ADAPTER_PICKLE, ADAPTER_WEIGHTS, Finding, Level


def file_findings(evidence: Evidence) -> Iterator[Finding]:
    files = evidence.files
    folders = sorted(name.rpartition("/")[0] for name in files if name.endswith(f"/{ADAPTER_CONFIG}"))
    if ADAPTER_CONFIG not in files:
        where = f" (there are some below: {', '.join(folders[:5])})" if folders else ""
        yield blocker(
            "config_missing",
            f"There is no {ADAPTER_CONFIG} at the top of this repository{where}; only an adapter that "
            "stands there can be loaded.",
        )
    if ADAPTER_WEIGHTS in files:
        if ADAPTER_PICKLE in files:
            yield Finding(
                Level.INFO,
                "pickle_ignored",
                f"{ADAPTER_PICKLE} is a pickle and is ignored; {ADAPTER_WEIGHTS} is used.",
            )
        yield Finding(Level.GOOD, "safetensors", "The weights are in safetensors, which cannot run code.")
    elif ADAPTER_PICKLE in files:
        yield blocker(
            "pickle_only",
            f"The weights are a pickle ({ADAPTER_PICKLE}), which can run code when it is opened; ask the "
            f"author for {ADAPTER_WEIGHTS}.",
        )
    else:
        yield blocker(
            "no_weights",
            f"There is no {ADAPTER_WEIGHTS} here, so there is nothing to load; choose another adapter.",
        )
