"""What is known of the base decides: whether it is named, can be had, and can be loaded (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from adapter_ui.catalog.findings.evidence import Evidence, blocker, good, info, warning
from adapter_ui.catalog.memory import is_exact
from adapter_ui.catalog.profiles.config import AdapterConfig
from adapter_ui.domain import BaseFacts, Finding, Source, is_hub_id


def base_findings(evidence: Evidence, config: AdapterConfig) -> Iterator[Finding]:
    yield from name_findings(evidence, config.base_model_name_or_path or "")
    base = evidence.base
    if base is None:
        return
    yield from base_state_findings(base)
    yield from base_weights_findings(base)
    yield from base_memory_findings(base)


def name_findings(evidence: Evidence, named: str) -> Iterator[Finding]:
    """Whether the adapter says which base it needs, by a name that others have too."""
    base, ref = evidence.base, evidence.ref
    if base is not None and evidence.base_chosen:
        yield info(
            "base_chosen",
            f"This is read beside {base.id}, which was chosen in place of "
            f"{f'{named[:80]}, the base that it names' if named else 'a base, as it names none'}.",
        )
    elif named and not is_hub_id(named):
        yield local_path(named, base, evidence.likely_base)
    elif base is None:
        yield blocker(
            "base_missing",
            "The adapter does not say which base model it needs; name the base when you load it.",
        )
    elif evidence.base_from_card:
        yield warning(
            "base_from_card", f"Only the card names the base model, {base.id}; that one would be used."
        )
    if base is None:
        return
    asked = evidence.base_asked or base.id
    if base.id.lower() != asked.lower():
        yield info(
            "base_renamed",
            f"The base model {asked} is now called {base.id}; the old name still leads there, the new one is "
            "sure to.",
        )
    if ref.source is Source.HUB and not ref.folder and base.id.lower() == ref.name.lower():
        yield blocker(
            "base_is_itself",
            "The adapter names itself as its base model; name another base when you load it.",
        )


def local_path(named: str, base: BaseFacts | None, likely: str | None) -> Finding:
    given = f"The base model is given as a path on its author's machine (“{named[:80]}”)"
    if base is not None:
        return warning("base_is_local_path", f"{given}; the card's base {base.id} would be used.")
    if likely is not None:
        return blocker(
            "base_is_local_path", f"{given}; it is probably {likely}, so name that base when you load it."
        )
    return blocker("base_is_local_path", f"{given}; name the base when you load it.")


def base_state_findings(base: BaseFacts) -> Iterator[Finding]:
    """Whether the base can be had at all."""
    if base.problem_code == "gated_repo":
        yield blocker(
            "base_gated",
            f"The base model {base.id} is gated; accept its terms on its page on the Hub, then use a token "
            "of that account.",
        )
    elif base.problem_code == "not_found_or_private":
        yield blocker(
            "base_unknown",
            f"The base model {base.id} is not on the Hub, or is private; check its name, or use a token that "
            "may see it.",
        )
    elif base.problem_code == "disabled_repo":
        yield blocker(
            "base_disabled",
            f"The Hub has disabled access to the base model {base.id}; name another copy of it when you "
            "load.",
        )
    elif not base.available:
        yield warning(
            "base_unread",
            base.problem or f"Nothing could be read of the base model {base.id}; try again.",
        )
    elif base.gated:
        yield info("base_gated", f"The base model {base.id} is gated, and this token may read it.")
    else:
        yield good("base_open", f"The base model {base.id} can be had without asking.")


def base_weights_findings(base: BaseFacts) -> Iterator[Finding]:
    """Whether the base's files can be loaded by this app."""
    if base.is_adapter:
        yield blocker(
            "base_is_adapter",
            f"The base {base.id} is itself an adapter; load the base that it names, or ask the author for a "
            "merged one.",
        )
    elif base.weights in ("pickle", "gguf"):
        yield blocker(
            "base_no_safetensors",
            f"The base model {base.id} has no safetensors weights ({base.weights} only); name another copy "
            "of it when you load.",
        )
    if base.remote_code:
        yield warning(
            "remote_code",
            f"The base model {base.id} brings code of its own, which this app never runs; it loads only "
            "where transformers knows its type.",
        )
    if base.quantization:
        yield blocker(
            "base_quantized",
            f"The base model {base.id} is already quantized ({base.quantization}); name its unquantized "
            "original when you load, which this app loads in 8 or 4 bits too.",
        )


def base_memory_findings(base: BaseFacts) -> Iterator[Finding]:
    """How far the predicted memory can be trusted."""
    if base.available and not base.parameters and not base.quantization:
        yield info(
            "memory_unknown",
            f"The base model {base.id} does not state its size, so memory is known only at load.",
        )
    elif base.parameters and not is_exact(base):
        yield info(
            "memory_approximate",
            f"The shape of the base model {base.id} is not fully stated, so memory is approximate.",
        )
