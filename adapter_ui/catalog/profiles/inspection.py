"""One adapter's files, read with care and turned into an AdapterProfile.

At most 256 KiB of the weights are read.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from typing import TypeVar

from adapter_ui.catalog.findings.evidence import Evidence
from adapter_ui.catalog.findings.rules import find
from adapter_ui.catalog.memory import estimate_memory
from adapter_ui.catalog.profiles.card import CARD_BYTES, CARD_NAME, card_base, read_card
from adapter_ui.catalog.profiles.config import CONFIG_BYTES, AdapterConfig, parse_config
from adapter_ui.catalog.profiles.profile import count_labels, list_modules, overall_rank
from adapter_ui.catalog.profiles.snippet import write_snippet
from adapter_ui.catalog.profiles.tensors import HeaderTooLarge, main_dtype, read_tensors
from adapter_ui.catalog.storage.files import AdapterFiles
from adapter_ui.domain import (
    ADAPTER_CONFIG,
    ADAPTER_PICKLE,
    ADAPTER_WEIGHTS,
    AdapterProfile,
    AdapterRef,
    BaseFacts,
    Finding,
    Level,
    TensorInfo,
    is_hub_id,
)
from adapter_ui.errors import BadAdapter, GatedRepo, NotFoundOrPrivate

WEIGHTS = (ADAPTER_WEIGHTS, ADAPTER_PICKLE)

GATED = "Its files are gated; accept the terms on its page on the Hub, then use a token of that account."

Read = TypeVar("Read")
BaseFactsOf = Callable[[str], BaseFacts]


@dataclass(frozen=True)
class Parts:
    """What could be read of an adapter, and the findings for what could not."""

    config: AdapterConfig | None
    tensors: tuple[TensorInfo, ...] | None
    card: bytes
    problems: tuple[Finding, ...]


def inspect_files(
    ref: AdapterRef, commit: str | None, files: AdapterFiles, facts_of: BaseFactsOf, available_bytes: int
) -> AdapterProfile:
    """Read an adapter's files and say what they are. `facts_of` gives the facts of a base by its id.

    What is wrong with the adapter becomes a finding; only a Hub that fails meanwhile raises.
    """
    sizes = files.list()
    parts = read_parts(files)
    config, tensors = parts.config, parts.tensors or ()
    base_id, from_card = choose_base(config, parts.card)
    base = facts_of(base_id) if base_id else None
    evidence = Evidence(ref, sizes, config, parts.tensors, base, from_card, parts.problems)
    modules = list_modules(tensors, config.peft_type if config else None)
    parameters = sum(tensor.parameters for tensor in tensors) if parts.tensors else None
    label_count = count_labels(tensors)
    task_type = config.task_type if config else None
    return AdapterProfile(
        ref=ref,
        commit=commit,
        config=config.model_dump(exclude_unset=True) if config else {},
        method=config.peft_type if config else None,
        task_type=task_type,
        rank=overall_rank(config, modules),
        parameters=parameters,
        size_bytes=next((sizes[name] for name in WEIGHTS if name in sizes), None),
        dtype=main_dtype(tensors),
        base=base,
        modules=modules,
        files=tuple(sorted(sizes.items())),
        findings=find(evidence, version("peft")),
        memory=estimate_memory(base, parameters) if base else {},
        available_bytes=available_bytes,
        label_count=label_count,
        snippet=write_snippet(ref, base_id, task_type, label_count=label_count) if base_id else "",
        card=read_card(parts.card),
    )


def read_parts(files: AdapterFiles) -> Parts:
    """Config, header and card, read at once: each is a round trip of its own to the Hub."""
    with ThreadPoolExecutor(3) as pool:
        reading_config = pool.submit(attempt, read_config, files)
        reading_tensors = pool.submit(attempt, read_header, files)
        reading_card = pool.submit(attempt, read_card_bytes, files)
    config, config_problem = reading_config.result()
    tensors, header_problem = reading_tensors.result()
    card, card_problem = reading_card.result()
    problems = [one for one in (config_problem, header_problem, card_problem) if one is not None]
    return Parts(config, tensors, card or b"", tuple(dict.fromkeys(problems)))


def attempt(read: Callable[[AdapterFiles], Read], files: AdapterFiles) -> tuple[Read | None, Finding | None]:
    """What a file holds, or the finding for why it is of no use. Raises HubError when the Hub fails."""
    try:
        return read(files), None
    except GatedRepo:
        return None, Finding(Level.BLOCKER, "gated", GATED)
    except NotFoundOrPrivate as error:
        return None, Finding(Level.BLOCKER, "file_missing", error.message)
    except HeaderTooLarge as error:
        return None, Finding(Level.WARNING, error.code, error.message)
    except BadAdapter as error:
        return None, Finding(Level.BLOCKER, error.code, error.message)


def read_config(files: AdapterFiles) -> AdapterConfig | None:
    return parse_config(files.read(ADAPTER_CONFIG, CONFIG_BYTES)) if ADAPTER_CONFIG in files.list() else None


def read_header(files: AdapterFiles) -> tuple[TensorInfo, ...] | None:
    sizes = files.list()
    if ADAPTER_WEIGHTS not in sizes:
        return None
    return read_tensors(
        lambda start, end: files.read_range(ADAPTER_WEIGHTS, start, end), sizes[ADAPTER_WEIGHTS]
    )


def read_card_bytes(files: AdapterFiles) -> bytes:
    return files.read_range(CARD_NAME, 0, CARD_BYTES) if CARD_NAME in files.list() else b""


def choose_base(config: AdapterConfig | None, card: bytes) -> tuple[str | None, bool]:
    """The base's id, and whether only the card names it. A path on the author's machine names none."""
    if config is None:
        return None, False
    named = config.base_model_name_or_path or ""
    if is_hub_id(named):
        return named, False
    from_card = card_base(card)
    return (from_card, not named) if from_card and is_hub_id(from_card) else (None, False)
