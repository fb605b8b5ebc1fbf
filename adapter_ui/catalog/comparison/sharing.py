"""Whether adapters can share one base in memory, and one batch (pure).

A plain LoRA is added row by row beside the base, so it shares both with everything on that base. Any other
adapter is put into the base's layers by PEFT, which takes adapters of one method only, and of a few methods
one alone, and answers for a whole batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from adapter_ui.catalog.methods.fields import default_fields
from adapter_ui.catalog.methods.plain import LORA, WRITES_ROWS, is_plain_lora
from adapter_ui.domain import MODEL_CLASS_OF_TASK, AdapterProfile, AdapterRef, Verdict
from adapter_ui.domain.own_copy import ONE_PROJECTION, changes_base, parameters_changed, trains_tokens
from adapter_ui.domain.plain_lora import beyond_plain_lora


def one_base(profiles: Sequence[AdapterProfile], failed: Sequence[AdapterRef]) -> Verdict:
    """Whether one copy of the base in memory can serve all of them; `failed` could not be inspected."""
    obstacles = [*differences(profiles), *own_copies(profiles)]
    if obstacles:
        return Verdict(False, tuple(obstacles))
    unknown = [f"{ref} could not be read." for ref in failed]
    unknown += [f"The base of {one.ref} is not known." for one in profiles if base_of(one) is None]
    unknown += [f"The method of {one.ref} is not known." for one in profiles if one.method is None]
    if unknown:
        return Verdict(None, tuple(unknown))
    methods = listed({one.method for one in profiles if one.method})
    return Verdict(True, (f"All of them sit on {base_of(profiles[0])}, as {methods}.",))


def one_batch(profiles: Sequence[AdapterProfile], base: Verdict) -> Verdict:
    """Whether one forward pass can answer with all of them, given whether they can share a base."""
    if base.possible is False:
        return Verdict(False, ("They cannot share one base in memory.",))
    obstacles = [
        f"{one.ref} is {in_words(one)}, which is part of the base's layers while it answers: it takes turns."
        for one in profiles
        if one.method and not is_row_by_row(one)
    ]
    if obstacles:
        return Verdict(False, tuple(obstacles))
    if base.possible is None:
        return Verdict(None, base.reasons)
    return Verdict(True, ("Their products are added row by row beside the base.",))


def is_row_by_row(profile: AdapterProfile) -> bool:
    """Whether the adapter is a plain LoRA on a base that writes text, as far as its config tells."""
    return is_plain_lora(profile.method, profile.config) and profile.task_type in WRITES_ROWS


def in_words(profile: AdapterProfile) -> str:
    """What kind of adapter keeps it out of a batch: the method, or what a LoRA has beyond a product."""
    if profile.method != LORA:
        return f"{'an' if profile.method[0] in 'AEIO' else 'a'} {profile.method} adapter"
    if profile.config.get("use_dora"):
        return "a DoRA"
    beyond = beyond_plain_lora(profile.config, default_fields(LORA))
    return f"a LoRA with {', '.join(beyond)}" if beyond else f"a LoRA for {profile.task_type}"


def differences(profiles: Sequence[AdapterProfile]) -> list[str]:
    """What keeps adapters apart that are different in it."""
    bases = {base for one in profiles if (base := base_of(one))}
    in_layers = [one for one in profiles if one.method and not is_row_by_row(one)]
    methods = {one.method for one in in_layers}
    projected = [one for one in in_layers if one.method in ONE_PROJECTION]
    parameters = {parameters_changed(one.config) or "none" for one in in_layers}
    classes = {MODEL_CLASS_OF_TASK[one.task_type] for one in profiles if one.task_type in MODEL_CLASS_OF_TASK}
    labels = {str(one.label_count) for one in profiles if one.label_count}
    apart = []
    if len(bases) > 1:
        apart.append(f"They sit on different bases: {listed(bases)}.")
    if len(methods) > 1:
        apart.append(f"PEFT puts adapters of one method into a base; these are {listed(methods)}.")
    if len(projected) > 1:
        apart.append(
            f"PEFT gives every {projected[0].method} on a base the same projection, not each its own."
        )
    if len(parameters) > 1:
        apart.append(f"They change different single parameters: {listed(parameters)}.")
    if len(classes) > 1:
        apart.append(f"Their tasks need different model classes: {listed(classes)}.")
    if len(labels) > 1:
        apart.append(f"Their classification heads have {listed(labels)} labels.")
    return apart


def own_copies(profiles: Sequence[AdapterProfile]) -> list[str]:
    """Adapters that need a base of their own, or that cannot be loaded at all."""
    reasons = []
    for one in profiles:
        if changes_base(one.config):
            reasons.append(f"{one.ref} trains biases, which are written into the base itself.")
        if trains_tokens(one.config):
            reasons.append(f"{one.ref} trains single tokens, beside which PEFT attaches no other adapter.")
        if one.blockers:
            reasons.append(f"{one.ref} cannot be loaded as it is; its findings say why.")
    return reasons


def base_of(profile: AdapterProfile) -> str | None:
    return profile.base.id if profile.base else profile.config.get("base_model_name_or_path") or None


def listed(names: Iterable[str]) -> str:
    """Names in one order, as a sentence has them: "IA3 and LORA"."""
    *first, last = sorted(names)
    return f"{', '.join(first)} and {last}" if first else last
