"""Whether LoRAs can be mixed into one, told from their configs before any weights are downloaded (pure).

What their tensors alone tell is refused where they are read.
"""

from __future__ import annotations

from collections.abc import Sequence

from adapter_ui.catalog.comparison.sharing import base_of, listed
from adapter_ui.domain import AdapterProfile
from adapter_ui.domain.own_copy import changes_base
from adapter_ui.errors import UnsupportedAdapter

MORE_THAN_FACTORS = {
    "use_dora": "is a DoRA",
    "use_qalora": "is a QALoRA",
    "use_bdlora": "is a BD-LoRA",
    "alora_invocation_tokens": "is an aLoRA, which answers only after its own tokens",
    "velora_config": "is a VeLoRA",
    "monteclora_config": "is a MonteCLoRA",
    "lora_bias": "trains biases of its own",
    "modules_to_save": "brings whole modules along (modules_to_save)",
    "trainable_token_indices": "trains single tokens",
    "target_parameters": "changes single parameters (target_parameters)",
}


def base_of_mix(profiles: Sequence[AdapterProfile]) -> str:
    """The one base that all adapters sit on. Raises UnsupportedAdapter with what forbids a mix of them."""
    for profile in profiles:
        refuse_what_is_more(profile)
    bases = {base_of(one) for one in profiles}
    if None in bases:
        unknown = next(one.ref for one in profiles if base_of(one) is None)
        raise UnsupportedAdapter(f"{unknown} does not name its base; only adapters of one base can be mixed.")
    if len(bases) > 1:
        raise UnsupportedAdapter(
            f"The adapters sit on different bases, {listed(bases)}; choose adapters of one base."
        )
    tasks = {one.task_type for one in profiles if one.task_type}
    if len(tasks) > 1:
        raise UnsupportedAdapter(
            f"The adapters are for different tasks, {listed(tasks)}; choose adapters of one task."
        )
    return bases.pop()


def refuse_what_is_more(profile: AdapterProfile) -> None:
    """Raise UnsupportedAdapter for an adapter that is not just factors on its base."""
    if profile.method not in (None, "LORA"):
        raise UnsupportedAdapter(f"{profile.ref} is {profile.method}, and only LoRAs can be mixed.")
    blocker = next((one for one in profile.blockers if not one.is_about_base), None)
    if blocker:
        raise UnsupportedAdapter(f"{profile.ref} cannot be mixed: {blocker.message}")
    if changes_base(profile.config):
        raise UnsupportedAdapter(f"{profile.ref} trains biases, which cannot be mixed; choose another one.")
    for field, what in MORE_THAN_FACTORS.items():
        if profile.config.get(field):
            raise UnsupportedAdapter(f"{profile.ref} {what}, which cannot be mixed; choose another one.")
