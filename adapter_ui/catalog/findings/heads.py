"""Heads and other whole modules: whether a task's head comes with the adapter, or with its base (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from adapter_ui.catalog.findings.evidence import good, listed, warning
from adapter_ui.catalog.profiles.config import AdapterConfig
from adapter_ui.domain import BaseFacts, Finding, TensorInfo
from adapter_ui.domain.heads import class_count, heads_of

ARCHITECTURES = {
    "SEQ_CLS": "ForSequenceClassification",
    "TOKEN_CLS": "ForTokenClassification",
    "QUESTION_ANS": "ForQuestionAnswering",
}
MOST_NAMES = 50
TASKS_IN_WORDS = {
    "SEQ_CLS": "classification",
    "TOKEN_CLS": "token classification",
    "QUESTION_ANS": "question answering",
}


def head_findings(
    config: AdapterConfig, tensors: Sequence[TensorInfo], base: BaseFacts | None
) -> Iterator[Finding]:
    task = TASKS_IN_WORDS.get(config.task_type or "")
    if task is not None and config.task_type is not None:
        yield from task_head_findings(config.task_type, task, saved_names(config), tensors, base)
    missing = {name for name in saved_names(config) if not holds(tensors, (name,))}
    # PEFT lists all names that a head may have, of which a model has one.
    if missing and task is None and missing == saved_names(config):
        yield warning(
            "saved_modules_missing",
            f"The config says that it brings {listed(missing)}, but the weights file lacks that; the base's "
            "own would be used, so ask the author for a whole file.",
        )


def task_head_findings(
    task_type: str, task: str, saved: set[str], tensors: Sequence[TensorInfo], base: BaseFacts | None
) -> Iterator[Finding]:
    if holds(tensors, heads_of(task_type)):
        labels = class_count({one.name: one.shape for one in tensors}) if task_type != "QUESTION_ANS" else 0
        counted = f", with {labels} labels" if labels else ""
        yield good("brings_head", f"It brings its own head for {task}{counted}.")
    elif base is not None and lacks_head(base, task_type) and not holds(tensors, tuple(saved)):
        yield warning(
            "head_missing",
            f"It is for {task}, but neither it nor its base {base.id} has a head for that; its answers would "
            "be chance, so ask the author for the head.",
        )


def lacks_head(base: BaseFacts, task_type: str) -> bool:
    """Whether the base is known to be saved without a head for the task."""
    head = ARCHITECTURES[task_type]
    return bool(base.architectures) and not any(name.endswith(head) for name in base.architectures)


def saved_names(config: AdapterConfig) -> set[str]:
    """Modules that the config itself says are saved whole."""
    saved = config.modules_to_save or []
    return {saved} if isinstance(saved, str) else set(saved[:MOST_NAMES])


def holds(tensors: Sequence[TensorInfo], names: Sequence[str]) -> bool:
    """Whether one of the modules, by a name or the end of one, has a tensor here."""
    return any(f".{name}." in f".{tensor.name}." for tensor in tensors for name in names)
