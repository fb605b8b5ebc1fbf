"""What this app does not load, each with its reason: methods, fields, and methods on a quantised base (pure).

The pages say it before a download, and the model worker refuses it again. `models/METHODS.md` is the table of
what works, held by a test; the precisions here are those that fail in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from adapter_ui.domain.models import MemoryEstimate, Precision

REFUSED_METHODS: Mapping[str, str] = {
    "ADAMSS": "PEFT groups the base's weights with scikit-learn for it, which does not come with this app",
    "XLORA": "it names further adapters that would be fetched and mixed while it runs",
    "BONE": "PEFT has replaced it by MISS; convert it with an older PEFT first",
    "POLY": "each answer needs the number of one of its training tasks",
    "MULTITASK_PROMPT_TUNING": "each answer needs the number of one of its training tasks",
}
"""BONE is no longer in PEFT, so it is in no other table."""

REFUSED_FIELDS: Mapping[str, str] = {
    "layer_replication": "it rebuilds the base's layers",
    "kasa_config": "it rewrites the base's weights",
    "arrow_config": "it routes between further adapters",
    "shadow_model": "it names a further model",
}
HARMLESS_VALUES: Mapping[str, object] = {"shadow_model": "mirror"}
"""What a field of those may say all the same: PEFT makes a small copy of the base itself for a mirror."""

ONLY_TASK: Mapping[str, tuple[str, str]] = {
    "CPT": ("CAUSAL_LM", "its prompt is a text that the base goes on with"),
}
"""Methods that PEFT has for one task alone."""

TOKENS_FOR_TWO = {"peft_type": "PREFIX_TUNING", "task_type": "CAUSAL_LM", "num_transformer_submodules": 2}
"""Prefixes for an encoder and a decoder: PEFT makes a cache of them that a decoder by itself cannot take."""


def method_refusals(fields: Mapping[str, Any]) -> Iterator[str]:
    """Why an adapter with these fields in its config is not loaded for its method, if so, in a sentence."""
    method, task = fields.get("peft_type"), fields.get("task_type")
    if not isinstance(method, str):
        return
    if method in REFUSED_METHODS:
        yield f"{method} adapters are not loaded here: {REFUSED_METHODS[method]}; choose another one."
    if method in ONLY_TASK and task not in (None, ONLY_TASK[method][0]):
        only, reason = ONLY_TASK[method]
        yield (
            f"{method} adapters are loaded for {only} only, since {reason}; this is for {str(task)[:40]}, so "
            "ask its author for another method."
        )
    if all(fields.get(field) == value for field, value in TOKENS_FOR_TWO.items()):
        yield (
            "Its prefixes are for an encoder and a decoder (num_transformer_submodules is 2), and a base of "
            "CAUSAL_LM has a decoder only; ask its author for one trained with 1."
        )


def field_refusals(fields: Mapping[str, Any]) -> Iterator[str]:
    """Why an adapter is not loaded for what else its config asks for, a sentence each."""
    for field, reason in REFUSED_FIELDS.items():
        if fields.get(field) and fields[field] != HARMLESS_VALUES.get(field):
            yield f"Adapters with {field} are not loaded here, since {reason}; choose another one."


FOUR_BITS = tuple(precision for precision in Precision if precision.has_4_bits)
QUANTISED = tuple(precision for precision in Precision if precision.is_quantized)
IN_4_BITS = "it computes with the base's weights in their own shape, which 4-bit weights do not have"
IN_NUMBERS = "it computes with the base's weights as numbers, which quantised weights are not"
UNSUPPORTED_PRECISIONS: Mapping[str, tuple[tuple[Precision, ...], str]] = {
    **dict.fromkeys(("DEFT", "HRA", "LOHA", "LOKR", "PEANUT"), (FOUR_BITS, IN_4_BITS)),
    **dict.fromkeys(("DELORA", "FROD", "OSF", "PSOFT", "TINYLORA"), (QUANTISED, IN_NUMBERS)),
    "GLORA": (QUANTISED, "PEFT puts it on plain linear layers only"),
    "SHIRA": ((Precision.INT8,), "its changed weights and 8-bit weights do not multiply"),
    "SUPERTUNING": (QUANTISED, IN_NUMBERS),
    "UNILORA": (QUANTISED, "PEFT leaves it without any effect there"),
}


def unsupported_precision(method: str | None, precision: Precision) -> str | None:
    """One sentence for why adapters of the method cannot answer on a base in this precision, if so."""
    precisions, reason = UNSUPPORTED_PRECISIONS.get(method or "", ((), ""))
    if precision not in precisions:
        return None
    working = ", ".join(one.value for one in Precision if one not in precisions)
    return f"{method} adapters do not work on a base in {precision.value}: {reason}; choose one of {working}."


def supported(
    method: str | None, memory: Mapping[Precision, MemoryEstimate]
) -> dict[Precision, MemoryEstimate]:
    """The estimates of those precisions that adapters of the method can answer in."""
    return {one: found for one, found in memory.items() if unsupported_precision(method, one) is None}
