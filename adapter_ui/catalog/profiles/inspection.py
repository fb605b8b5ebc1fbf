"""One adapter's files and its base, put together into an AdapterProfile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version

from adapter_ui.catalog.findings.evidence import BaseTensors, Evidence
from adapter_ui.catalog.findings.local_base import likely_base
from adapter_ui.catalog.findings.rules import find
from adapter_ui.catalog.memory import estimate_memory
from adapter_ui.catalog.methods.plain import is_plain_lora
from adapter_ui.catalog.profiles.card import card_base, card_license, read_card
from adapter_ui.catalog.profiles.config import AdapterConfig
from adapter_ui.catalog.profiles.profile import count_labels, list_modules, overall_rank
from adapter_ui.catalog.profiles.reading import Parts, read_parts, read_values
from adapter_ui.catalog.snippets.transformers import write_snippet
from adapter_ui.catalog.storage.files import AdapterFiles
from adapter_ui.domain import (
    ADAPTER_PICKLE,
    ADAPTER_WEIGHTS,
    AdapterProfile,
    AdapterRef,
    BaseFacts,
    is_hub_id,
)
from adapter_ui.domain.classes import task_of
from adapter_ui.domain.tensor_table import main_dtype

WEIGHTS = (ADAPTER_WEIGHTS, ADAPTER_PICKLE)


@dataclass(frozen=True)
class Bases:
    """What can be asked about base models.

    `facts` of one by its id; `tensors` are its shapes by tensor name, None where they cannot be read; `known`
    gives the ids that hold a text, of bases that were seen before. `chosen` is the base to look at, where
    that is not the adapter's own.
    """

    facts: Callable[[str], BaseFacts]
    tensors: Callable[[str], BaseTensors | None]
    known: Callable[[str], Sequence[str]]
    chosen: str = ""


def inspect_files(
    ref: AdapterRef,
    commit: str | None,
    files: AdapterFiles,
    bases: Bases,
    available_bytes: int,
    cards: AdapterFiles | None = None,
    stated_license: str | None = None,
) -> AdapterProfile:
    """Read an adapter's files and say what they are.

    The card is one of `cards`, where that is not one of `files`; `stated_license` is what the repository
    says, whatever the card does. What is wrong with the adapter becomes a finding; only a Hub that fails
    before the config is known raises.
    """
    sizes = files.list()
    parts = read_parts(files, cards or files)
    config, tensors, card = parts.config, parts.tensors or (), parts.card or b""
    evidence = gather(ref, files, parts, bases, stated_license)
    base = evidence.base
    modules = list_modules(tensors, config)
    parameters = sum(tensor.parameters for tensor in tensors) if parts.tensors else None
    label_count = count_labels(tensors)
    task_type = config.task_type if config else None
    told_task = task_of(task_type, {"auto_mapping": config.auto_mapping}) if config else None
    base_id = evidence.base_asked
    fields = config.model_dump(exclude_unset=True) if config else {}
    method = config.peft_type if config else None
    plain = is_plain_lora(method, fields)
    return AdapterProfile(
        ref=ref,
        commit=commit,
        config=fields,
        method=method,
        task_type=task_type,
        rank=overall_rank(config, modules),
        parameters=parameters,
        size_bytes=next((sizes[name] for name in WEIGHTS if name in sizes), None),
        dtype=main_dtype(tensors),
        base=base,
        modules=modules,
        files=tuple(sorted(sizes.items())),
        findings=find(evidence, version("peft")),
        memory=estimate_memory(base, parameters, plain_lora=plain, task_type=told_task) if base else {},
        available_bytes=available_bytes,
        label_count=label_count,
        snippet=write_snippet(ref, base_id, told_task, label_count=label_count) if base_id else "",
        card=read_card(card),
        license=evidence.license,
    )


def gather(
    ref: AdapterRef, files: AdapterFiles, parts: Parts, bases: Bases, stated_license: str | None
) -> Evidence:
    """Everything the findings are decided by; the base is asked for while the weights are looked at."""
    config, card = parts.config, parts.card or b""
    own, from_card = choose_base(config, card)
    base_id = bases.chosen if config and bases.chosen else own
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(read_values, files, config, parts.tensors or ())
        base = bases.facts(base_id) if base_id else None
    values, problem = looking.result()
    # A base whose facts did not come in time is not waited for a second time.
    readable = base is not None and base.available
    return Evidence(
        ref=ref,
        files=files.list(),
        config=config,
        tensors=parts.tensors,
        base=base,
        base_from_card=from_card,
        base_chosen=base_id != own,
        problems=tuple(dict.fromkeys((*parts.problems, *([problem] if problem else [])))),
        base_asked=base_id,
        base_tensors=bases.tensors(base_id) if base_id and readable else None,
        likely_base=guess_base(config, card, bases) if base_id is None else None,
        values=values,
        license=stated_license or card_license(card),
        card_read=parts.card is not None,
    )


def choose_base(config: AdapterConfig | None, card: bytes) -> tuple[str | None, bool]:
    """The base's id, and whether only the card names it. A path on the author's machine names none."""
    if config is None:
        return None, False
    named = config.base_model_name_or_path or ""
    if is_hub_id(named):
        return named, False
    from_card = card_base(card)
    return (from_card, not named) if from_card and is_hub_id(from_card) else (None, False)


def guess_base(config: AdapterConfig | None, card: bytes, bases: Bases) -> str | None:
    """What the path that the config names instead of a base probably was on the Hub."""
    named = config.base_model_name_or_path if config else None
    return likely_base(named, card_base(card), bases.known) if named else None
