"""What the table of tensors decides, beside the configuration and the base: rules to findings (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from adapter_ui.catalog.profiles.config import AdapterConfig
from adapter_ui.catalog.profiles.methods import METHODS, PROMPT_METHODS
from adapter_ui.catalog.profiles.profile import belongs_to_method, list_modules, module_name
from adapter_ui.domain import BaseFacts, Finding, Level, ModuleInfo, TensorInfo

VOCABULARY_TABLES = ("embed_tokens", "lm_head", "wte", "word_embeddings", "embed_in", "embed_out", "shared")
TASK_HEADS = {
    "SEQ_CLS": ("classifier", "score"),
    "TOKEN_CLS": ("classifier", "score"),
    "QUESTION_ANS": ("qa_outputs",),
}


def tensor_findings(
    config: AdapterConfig, tensors: tuple[TensorInfo, ...], base: BaseFacts | None
) -> Iterator[Finding]:
    if not tensors:
        yield Finding(
            Level.BLOCKER,
            "no_weights",
            "The weights file is empty, so there is nothing to load; choose another adapter.",
        )
        return
    own = tuple(tensor for tensor in tensors if belongs_to_method(tensor.name, config.peft_type))
    whole = tuple(tensor for tensor in tensors if not belongs_to_method(tensor.name, config.peft_type))
    yield Finding(
        Level.GOOD,
        "header_sound",
        f"The table of its {len(tensors)} tensors adds up to the size of the file.",
    )
    if config.peft_type in METHODS:
        yield from own_findings(config, own)
        yield from whole_findings(config, whole)
    if base is not None:
        yield from vocabulary_findings(whole, base)


def own_findings(config: AdapterConfig, own: tuple[TensorInfo, ...]) -> Iterator[Finding]:
    if not own:
        yield Finding(
            Level.BLOCKER,
            "no_method_tensors",
            f"None of its tensors belongs to {config.peft_type}, so it would change nothing; choose another "
            "adapter.",
        )
    elif config.peft_type == "LORA" and not config.target_parameters:
        yield from rank_findings(config, list_modules(own, config.peft_type))


def rank_findings(config: AdapterConfig, modules: tuple[ModuleInfo, ...]) -> Iterator[Finding]:
    """Ranks that neither `r` nor `rank_pattern` explains: PEFT would refuse the file."""
    if config.r is None:
        return
    stated = {config.r, *(value for value in (config.rank_pattern or {}).values() if type(value) is int)}
    other = sorted({module.rank for module in modules if module.rank is not None} - stated)
    if other:
        yield Finding(
            Level.BLOCKER,
            "rank_mismatch",
            f"The config says rank {config.r} but the weights have rank {', '.join(map(str, other[:5]))}; "
            "ask the author for a matching pair.",
        )


def whole_findings(config: AdapterConfig, whole: tuple[TensorInfo, ...]) -> Iterator[Finding]:
    """Whole modules in the file: declared heads are usual, embeddings are known, anything else overwrites the
    base.
    """
    rules = METHODS[config.peft_type]
    declared = declared_modules(config)
    with_biases = config.bias not in (None, False, "none")
    heads, tables, foreign = set(), set(), set()
    for tensor in whole:
        name = module_name(tensor.name, rules)
        parts = name.split(".")
        if declared & set(parts) or (with_biases and tensor.name.endswith(".bias")):
            heads.add(name)
        elif parts[-1] in VOCABULARY_TABLES or config.peft_type in PROMPT_METHODS:
            tables.add(name)
        else:
            foreign.add(name)
    if heads:
        yield Finding(Level.INFO, "modules_to_save", f"It brings whole modules with it: {listed(heads)}.")
    if tables:
        yield Finding(
            Level.WARNING,
            "extra_whole_modules",
            f"It replaces whole tables of the base ({listed(tables)}), so it needs a copy of the base for "
            "itself.",
        )
    if foreign:
        yield Finding(
            Level.BLOCKER,
            "foreign_tensors",
            f"Its file also holds weights of the base that it does not declare ({listed(foreign)}); they "
            "would overwrite the base, so it is refused.",
        )


def declared_modules(config: AdapterConfig) -> set[str]:
    """Modules that the config says are saved whole; older PEFT did not say so of a task's own head."""
    saved = config.modules_to_save or []
    return {saved} if isinstance(saved, str) else {*saved, *TASK_HEADS.get(config.task_type or "", ())}


def vocabulary_findings(whole: tuple[TensorInfo, ...], base: BaseFacts) -> Iterator[Finding]:
    sizes = {
        tensor.shape[0]
        for tensor in whole
        if len(tensor.shape) == 2 and any(part in VOCABULARY_TABLES for part in tensor.name.split("."))
    }
    if base.vocab_size and sizes and base.vocab_size not in sizes:
        yield Finding(
            Level.WARNING,
            "vocabulary_mismatch",
            f"It was trained with a vocabulary of {max(sizes):,} tokens where the base has "
            f"{base.vocab_size:,}; the base must be resized to it first.",
        )


def listed(names: set[str]) -> str:
    """A few of the names, and how many more there are."""
    shown = [name[:80] for name in sorted(names)[:3]]
    return ", ".join(shown) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
