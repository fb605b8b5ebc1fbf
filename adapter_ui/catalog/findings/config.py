"""What an adapter's configuration alone decides: rules from AdapterConfig to findings (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from adapter_ui.catalog.profiles.config import AdapterConfig
from adapter_ui.catalog.profiles.methods import LORA_FIELDS, METHODS, PIPELINE_TAGS, REFUSED
from adapter_ui.domain import Finding, Level

HARMLESS_INITS = {"gaussian", "orthogonal", "eva", "loftq", "mica"}


def config_findings(config: AdapterConfig, peft_version: str) -> Iterator[Finding]:
    yield from method_findings(config, peft_version)
    yield from version_findings(config, peft_version)
    yield from task_findings(config)
    yield from effect_findings(config)


def method_findings(config: AdapterConfig, peft_version: str) -> Iterator[Finding]:
    method = config.peft_type
    if method in REFUSED:
        yield Finding(
            Level.BLOCKER, "unsupported_method", f"{method} adapters are not loaded here: {REFUSED[method]}."
        )
    elif method not in METHODS:
        yield Finding(
            Level.BLOCKER,
            "unknown_method",
            f"PEFT {peft_version} has no method “{method[:40]}”; update PEFT, or choose another adapter.",
        )
    if config.megatron_config:
        yield Finding(
            Level.BLOCKER,
            "megatron",
            "The adapter is made for Megatron, whose code this app does not import; ask the author for a "
            "plain one.",
        )


def version_findings(config: AdapterConfig, peft_version: str) -> Iterator[Finding]:
    """Whether another PEFT saved it. Only LoRA's fields are listed here, so only they are compared."""
    unknown = sorted(config.extra.keys() - LORA_FIELDS) if config.peft_type == "LORA" else []
    newer = config.peft_version is not None and version_key(config.peft_version) > version_key(peft_version)
    if config.peft_type not in METHODS or not (newer or unknown):
        return
    made_with = f"PEFT {config.peft_version[:20]}" if config.peft_version else "another PEFT"
    if unknown:
        names = ", ".join(name[:40] for name in unknown[:5])
        yield Finding(
            Level.WARNING,
            "needs_newer_peft" if newer else "unknown_fields",
            f"It was saved by {made_with} with fields that PEFT {peft_version} ignores ({names}); its effect "
            "may differ, so update PEFT if it does.",
        )
    else:
        yield Finding(
            Level.INFO,
            "needs_newer_peft",
            f"It was saved by {made_with}, newer than the {peft_version} here; update PEFT if it fails.",
        )


def version_key(text: str) -> tuple[int, ...]:
    """The numbers of a version's release part; 0.18.0.dev0 counts as 0.18.0."""
    key = []
    for part in text.split("@")[0].split(".")[:3]:
        if not (part.isascii() and part.isdigit() and len(part) < 9):
            break
        key.append(int(part))
    return tuple(key)


def task_findings(config: AdapterConfig) -> Iterator[Finding]:
    if config.auto_mapping:
        yield Finding(
            Level.WARNING,
            "custom_class",
            "The adapter asks for a class by module and name; this app never imports by a stranger's name "
            "and picks the class by the task.",
        )
    if config.task_type is None:
        yield Finding(
            Level.INFO,
            "task_missing",
            "The adapter does not say its task; the base's own head would be used.",
        )
    elif config.task_type not in PIPELINE_TAGS:
        yield Finding(
            Level.WARNING,
            "unknown_task",
            f"PEFT has no task “{config.task_type[:40]}”; the base's own head would be used.",
        )


def effect_findings(config: AdapterConfig) -> Iterator[Finding]:
    """Settings that change what the adapter does, or what it does to its base."""
    init = config.init_lora_weights
    if isinstance(init, str) and init.lower() not in HARMLESS_INITS:
        yield Finding(
            Level.WARNING,
            "rewrites_base",
            f"It was started with “{init}”, which changes the base's own weights; it is right only if its "
            "author converted it to a plain LoRA.",
        )
    if config.lora_alpha == 0:
        yield Finding(
            Level.WARNING, "no_effect", "lora_alpha is 0, so the adapter changes nothing; choose another one."
        )
    elif config.scaling is not None and abs(config.scaling) > 16:
        yield Finding(
            Level.WARNING,
            "large_scaling",
            f"Its scaling is {config.scaling:g}, unusually strong; start with a low strength.",
        )
    if config.layer_replication:
        yield Finding(
            Level.WARNING,
            "layer_replication",
            "It stacks layers of the base several times, so it needs more memory than is shown, and a base "
            "of its own.",
        )
    if config.use_dora:
        yield Finding(
            Level.INFO,
            "dora",
            "It is a DoRA, so it cannot share a batch with other adapters and runs on its own.",
        )
