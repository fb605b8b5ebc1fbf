"""What an adapter's configuration alone decides: rules from AdapterConfig to findings (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from adapter_ui.catalog.findings.evidence import blocker, info, warning
from adapter_ui.catalog.methods.fields import default_fields, unknown_fields
from adapter_ui.catalog.methods.table import METHODS, PIPELINE_TAGS
from adapter_ui.catalog.profiles.config import AdapterConfig
from adapter_ui.domain import Finding
from adapter_ui.domain.classes import class_of
from adapter_ui.domain.loadable import REFUSED_METHODS, field_refusals, method_refusals

# The others change the base's own weights before training starts (PEFT's `tuners/lora/layer.py`): pissa,
# corda, olora, loftq and lora_ga.
HARMLESS_INITS = {"gaussian", "orthogonal", "eva", "mica"}
LARGE_SCALING = 16


def config_findings(config: AdapterConfig, peft_version: str) -> Iterator[Finding]:
    yield from method_findings(config, peft_version)
    yield from version_findings(config, peft_version)
    yield from task_findings(config)
    yield from init_findings(config)
    yield from strength_findings(config)


def method_findings(config: AdapterConfig, peft_version: str) -> Iterator[Finding]:
    method = config.peft_type
    values = config.model_dump(exclude_unset=True)
    for refusal in method_refusals(values):
        yield blocker("unsupported_method", refusal)
    for refusal in field_refusals(values):
        yield blocker("unsupported_field", refusal)
    if method not in {*METHODS, *REFUSED_METHODS}:
        yield blocker(
            "unknown_method",
            f"PEFT {peft_version} has no method “{method[:40]}”; update PEFT, or choose another adapter.",
        )
    if config.megatron_config:
        yield blocker(
            "megatron",
            "The adapter is made for Megatron, whose code this app does not import; ask the author for a "
            "plain one.",
        )
    if config.use_dora:
        yield info(
            "dora", "It is a DoRA, so it cannot share a batch with other adapters and runs on its own."
        )


def version_findings(config: AdapterConfig, peft_version: str) -> Iterator[Finding]:
    """Whether another PEFT saved it: a later one, or one whose method has other fields."""
    unknown = unknown_fields(config.peft_type, config.extra.keys())
    newer = config.peft_version is not None and version_key(config.peft_version) > version_key(peft_version)
    if config.peft_type not in METHODS or not (newer or unknown):
        return
    made_with = f"PEFT {config.peft_version[:20]}" if config.peft_version else "another PEFT"
    if unknown:
        names = ", ".join(name[:40] for name in unknown[:5])
        yield warning(
            "needs_newer_peft" if newer else "unknown_fields",
            f"It was saved by {made_with} with fields that PEFT {peft_version} ignores ({names}); its effect "
            "may differ, so update PEFT if it does.",
        )
    else:
        yield info(
            "needs_newer_peft",
            f"It was saved by {made_with}, newer than the {peft_version} here; update PEFT if it fails.",
        )


NAMED_CLASS = "The adapter asks for a class by module and name; this app never imports by a stranger's name."


def version_key(text: str) -> tuple[int, ...]:
    """The numbers of a version's release part; 0.18.0.dev0 counts as 0.18.0."""
    key = []
    for part in text.split("@")[0].split(".")[:3]:
        if not (part.isascii() and part.isdigit() and len(part) < 9):
            break
        key.append(int(part))
    return tuple(key)


def task_findings(config: AdapterConfig) -> Iterator[Finding]:
    own_class = class_of({"auto_mapping": config.auto_mapping})
    if config.auto_mapping:
        yield warning("custom_class", f"{NAMED_CLASS} {class_taken(config.task_type, own_class)}")
    if config.task_type is None and own_class:
        yield info("task_missing", f"The adapter does not say its task; the name of {own_class} tells it.")
    elif config.task_type is None:
        yield info("task_missing", "The adapter does not say its task; the base's own head would be used.")
    elif config.task_type not in PIPELINE_TAGS:
        yield warning(
            "unknown_task",
            f"PEFT has no task “{config.task_type[:40]}”; the base's own head would be used.",
        )


def class_taken(task_type: str | None, own_class: str) -> str:
    """By what the class is chosen, where the config names one."""
    if task_type:
        return "The class of its task is used."
    if own_class:
        return f"{own_class} is one of transformers, and the class of the task in its name is used."
    return "Its task is not known from that name; choose a model class yourself, or the base's own is used."


def init_findings(config: AdapterConfig) -> Iterator[Finding]:
    init = config.init_lora_weights
    if isinstance(init, str) and init.lower() not in HARMLESS_INITS:
        yield warning(
            "rewrites_base",
            f"It was started with “{init}”, which changes the base's own weights; it is right only if its "
            "author converted it to a plain LoRA.",
        )


def strength_findings(config: AdapterConfig) -> Iterator[Finding]:
    """What a LoRA's change is multiplied by, where that is at odds with a usual adapter."""
    if config.peft_type != "LORA":
        return
    scaling = config.scaling
    if "lora_alpha" not in config.model_fields_set:
        yield info(
            "alpha_missing",
            f"The config does not say lora_alpha, so PEFT takes its default of "
            f"{default_fields('LORA')['lora_alpha']}; compare the answers with the author's.",
        )
    if config.lora_alpha == 0:
        yield warning("no_effect", "lora_alpha is 0, so the adapter changes nothing; choose another one.")
    elif scaling is not None and scaling < 0:
        yield warning(
            "negative_scaling",
            f"Its scaling is {scaling:g}, so it takes away what it was trained to add; use it only if its "
            "author says so.",
        )
    elif scaling is not None and scaling > LARGE_SCALING:
        yield warning(
            "large_scaling",
            f"Its scaling is {scaling:g}, unusually strong; start with a low strength.",
        )
