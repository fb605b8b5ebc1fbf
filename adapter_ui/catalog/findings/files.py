"""What the list of a repository's files decides (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from adapter_ui.catalog.findings.evidence import Evidence, blocker, good, info
from adapter_ui.catalog.hub.repository import adapter_folders
from adapter_ui.catalog.profiles.layout import Layout, weights_layout
from adapter_ui.domain import ADAPTER_CONFIG, ADAPTER_PICKLE, ADAPTER_WEIGHTS, Finding, Source


def file_findings(evidence: Evidence) -> Iterator[Finding]:
    files = evidence.files
    if ADAPTER_CONFIG not in files:
        yield blocker("config_missing", where_it_is(evidence))
    yield from weights_findings(files)


def weights_findings(files: Mapping[str, int | None]) -> Iterator[Finding]:
    """Whether there are weights, in a form that can be loaded."""
    weights = weights_layout(files)
    if weights.layout is Layout.SAFETENSORS:
        if ADAPTER_PICKLE in files:
            yield info(
                "pickle_ignored", f"{ADAPTER_PICKLE} is a pickle and is ignored; {ADAPTER_WEIGHTS} is used."
            )
        yield good("safetensors", "The weights are in safetensors, which cannot run code.")
    elif weights.layout is Layout.SHARDED:
        yield blocker(
            "sharded",
            f"The weights are split into {weights.shards or 'several'} files, which PEFT does not read; ask "
            f"the author for one {ADAPTER_WEIGHTS}.",
        )
    elif weights.layout is Layout.PICKLE:
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


def where_it_is(evidence: Evidence) -> str:
    """That there is no adapter at the top, and how to name those in folders below, if there are any."""
    place = "folder" if evidence.ref.folder else "repository"
    missing = f"There is no {ADAPTER_CONFIG} at the top of this {place}"
    folders = [join(evidence.ref.folder, folder) for folder in adapter_folders(evidence.files)]
    if evidence.ref.source is not Source.HUB or "/" not in evidence.ref.name or not folders:
        return f"{missing}; only an adapter that stands there can be loaded."
    names = ", ".join(str(replace(evidence.ref, folder=folder)) for folder in folders[:5])
    return f"{missing}, but there are adapters below; name one as {names}."


def join(folder: str | None, name: str) -> str:
    return f"{folder}/{name}" if folder else name
