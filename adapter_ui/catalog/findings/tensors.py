"""What the table of tensors decides, beside the configuration and the base: rules to findings (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from adapter_ui.catalog.findings.evidence import blocker, good, info, listed, warning
from adapter_ui.catalog.methods.table import METHODS, PROMPT_METHODS
from adapter_ui.catalog.profiles.config import AdapterConfig
from adapter_ui.catalog.profiles.profile import belongs_to_method, list_modules, module_name
from adapter_ui.domain import BaseFacts, Finding, ModuleInfo, TensorInfo
from adapter_ui.domain.heads import SAVED_BY_PEFT

VOCABULARY_TABLES = ("embed_tokens", "lm_head", "wte", "word_embeddings", "embed_in", "embed_out", "shared")
# The axis of a LoRA's tensor that is as long as the vocabulary, where it sits on such a table.
VOCABULARY_AXES = {"lora_embedding_A": 1, "lora_B": 0}


def tensor_findings(
    config: AdapterConfig, tensors: tuple[TensorInfo, ...], base: BaseFacts | None
) -> Iterator[Finding]:
    if not tensors:
        yield blocker(
            "no_weights", "The weights file is empty, so there is nothing to load; choose another adapter."
        )
        return
    own = tuple(tensor for tensor in tensors if belongs_to_method(tensor.name, config.peft_type))
    whole = tuple(tensor for tensor in tensors if not belongs_to_method(tensor.name, config.peft_type))
    yield good("header_sound", f"The table of its {len(tensors)} tensors adds up to the size of the file.")
    if config.peft_type in METHODS:
        yield from own_findings(config, own)
        yield from whole_findings(config, whole)
    if base is not None:
        yield from vocabulary_findings(tensors, base)


def own_findings(config: AdapterConfig, own: tuple[TensorInfo, ...]) -> Iterator[Finding]:
    if not own:
        yield blocker(
            "no_method_tensors",
            f"None of its tensors belongs to {config.peft_type}, so it would change nothing; choose another "
            "adapter.",
        )
    elif empty := {tensor.name for tensor in own if not tensor.parameters}:
        yield blocker(
            "empty_tensors",
            f"{len(empty)} of its tensors are empty ({listed(empty)}), as a training over several devices "
            "leaves them that does not gather its weights; ask the author to save it again.",
        )
    elif config.peft_type == "LORA" and not config.target_parameters:
        yield from rank_findings(config, list_modules(own, config))


def rank_findings(config: AdapterConfig, modules: tuple[ModuleInfo, ...]) -> Iterator[Finding]:
    """Ranks that neither `r` nor `rank_pattern` explains: PEFT would refuse the file."""
    if config.r is None:
        return
    stated = {config.r, *(value for value in (config.rank_pattern or {}).values() if type(value) is int)}
    other = sorted({module.rank for module in modules if module.rank is not None} - stated)
    if other:
        yield blocker(
            "rank_mismatch",
            f"The config says rank {config.r} but the weights have rank {', '.join(map(str, other[:5]))}; "
            "ask the author for a matching pair.",
        )


def whole_findings(config: AdapterConfig, whole: tuple[TensorInfo, ...]) -> Iterator[Finding]:
    """Whole modules in the file: declared heads are usual, embeddings are known, anything else overwrites the
    base.
    """
    rules = METHODS[config.peft_type]
    declared = tuple(filter(None, declared_modules(config)))
    with_biases = config.bias not in (None, False, "none")
    heads, tables, foreign = set(), set(), set()
    for tensor in whole:
        name = module_name(tensor.name, rules)
        parts = name.split(".")
        if is_declared(name, declared) or (with_biases and tensor.name.endswith(".bias")):
            heads.add(name)
        elif parts[-1] in VOCABULARY_TABLES or config.peft_type in PROMPT_METHODS:
            tables.add(name)
        else:
            foreign.add(name)
    if heads:
        yield info("modules_to_save", f"It brings whole modules with it: {listed(heads)}.")
    if tables:
        yield warning(
            "extra_whole_modules",
            f"It replaces whole tables of the base ({listed(tables)}), so it needs a copy of the base for "
            "itself.",
        )
    if foreign:
        yield blocker(
            "foreign_tensors",
            f"Its file also holds weights of the base that it does not declare ({listed(foreign)}); they "
            "would overwrite the base, so it is refused.",
        )


def declared_modules(config: AdapterConfig) -> set[str]:
    """Modules that the config says are saved whole; older PEFT did not say so of a task's own head."""
    saved = config.modules_to_save or []
    return {saved} if isinstance(saved, str) else {*saved, *SAVED_BY_PEFT.get(config.task_type or "", ())}


def is_declared(name: str, declared: tuple[str, ...]) -> bool:
    """Whether a module or one around it is declared; like PEFT, by the end of its path: “norm” means each
    “input_layernorm” too, and “mlp.gate” each gate of an mlp.
    """
    words = name.split(".")
    return any(".".join(words[:end]).endswith(declared) for end in range(1, len(words) + 1))


def vocabulary_findings(tensors: tuple[TensorInfo, ...], base: BaseFacts) -> Iterator[Finding]:
    """Tables of tokens, whole or changed, that are longer or shorter than the base's."""
    sizes = {size for tensor in tensors if (size := vocabulary_of(tensor)) is not None}
    if base.vocab_size and sizes and base.vocab_size not in sizes:
        yield warning(
            "vocabulary_mismatch",
            f"It was trained with a vocabulary of {max(sizes):,} tokens where the base has "
            f"{base.vocab_size:,}; the base must be resized to it first.",
        )


def vocabulary_of(tensor: TensorInfo) -> int | None:
    """The number of tokens that a tensor on a table of tokens speaks of."""
    parts = tensor.name.split(".")
    if len(tensor.shape) != 2 or not any(part in VOCABULARY_TABLES for part in parts):
        return None
    part = next((part for part in parts if part.startswith("lora_")), None)
    if part is None:
        return None if "trainable_tokens" in tensor.name else tensor.shape[0]
    if part == "lora_B" and "lm_head" not in parts and "embed_out" not in parts:
        return None
    return tensor.shape[VOCABULARY_AXES[part]] if part in VOCABULARY_AXES else None
