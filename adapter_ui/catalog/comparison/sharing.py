"""Whether adapters can share one base in memory, and one batch (pure).

What PEFT 0.21 allows. `PeftModel.add_adapter` takes adapters of one method only. `forward(adapter_names=…)`
answers each row of a batch with its own adapter for a few methods; most others ignore the argument and answer
all rows with the active adapter, so what is not in MIXED_BATCHES must never be asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from adapter_ui.domain import MODEL_CLASS_OF_TASK, AdapterProfile, AdapterRef, Verdict

MIXED_BATCHES = frozenset({"LORA", "GLORA", "ROAD"})
NO_BIAS = ("none", None, False)


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
    return Verdict(True, (f"All of them are {profiles[0].method} adapters on {base_of(profiles[0])}.",))


def one_batch(profiles: Sequence[AdapterProfile], base: Verdict) -> Verdict:
    """Whether one forward pass can answer with all of them, given whether they can share a base."""
    if base.possible is False:
        return Verdict(False, ("They cannot share one base in memory.",))
    obstacles = []
    unmixed = {one.method for one in profiles if one.method and one.method not in MIXED_BATCHES}
    if unmixed:
        obstacles.append(f"PEFT answers one adapter after the other with {listed(unmixed)}.")
    obstacles += [
        f"{one.ref} is a DoRA, which PEFT does not mix." for one in profiles if one.config.get("use_dora")
    ]
    obstacles += [
        f"{one.ref} changes single parameters (target_parameters), which PEFT does not mix."
        for one in profiles
        if one.config.get("target_parameters")
    ]
    if obstacles:
        return Verdict(False, tuple(obstacles))
    if base.possible is None:
        return Verdict(None, base.reasons)
    return Verdict(True, (f"PEFT mixes {profiles[0].method} adapters in one batch.",))


def differences(profiles: Sequence[AdapterProfile]) -> list[str]:
    """What keeps adapters apart that are different in it."""
    bases = {base for one in profiles if (base := base_of(one))}
    methods = {one.method for one in profiles if one.method}
    classes = {MODEL_CLASS_OF_TASK[one.task_type] for one in profiles if one.task_type in MODEL_CLASS_OF_TASK}
    labels = {str(one.label_count) for one in profiles if one.label_count}
    apart = []
    if len(bases) > 1:
        apart.append(f"They sit on different bases: {listed(bases)}.")
    if len(methods) > 1:
        apart.append(f"PEFT puts adapters of one method on a base; these are {listed(methods)}.")
    if len(classes) > 1:
        apart.append(f"Their tasks need different model classes: {listed(classes)}.")
    if len(labels) > 1:
        apart.append(f"Their classification heads have {listed(labels)} labels.")
    return apart


def own_copies(profiles: Sequence[AdapterProfile]) -> list[str]:
    """Adapters that need a base of their own, or that cannot be loaded at all."""
    reasons = []
    for one in profiles:
        if one.config.get("bias") not in NO_BIAS:
            reasons.append(f"{one.ref} trains biases, which are written into the base itself.")
        if one.config.get("trainable_token_indices"):
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
