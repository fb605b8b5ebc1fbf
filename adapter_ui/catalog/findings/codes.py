"""Every code that a finding may have, what it says, and how much it usually matters.

Codes are stable: scripts may rely on them. The level of a finding can differ where more is known of the case.
"""

from __future__ import annotations

from typing import NamedTuple

from adapter_ui.domain import Level


class Code(NamedTuple):
    level: Level
    meaning: str


GOOD, INFO, WARNING, BLOCKER = Level.GOOD, Level.INFO, Level.WARNING, Level.BLOCKER

CODES: dict[str, Code] = {
    # The files.
    "safetensors": Code(GOOD, "the weights are in a format that cannot run code"),
    "header_sound": Code(GOOD, "the table of tensors adds up to the size of the file"),
    "pickle_ignored": Code(INFO, "a pickle lies beside the safetensors file and is not used"),
    "pickle_only": Code(BLOCKER, "the weights are only there as a pickle, which can run code"),
    "sharded": Code(BLOCKER, "the weights are split into several files, which PEFT does not read"),
    "no_weights": Code(BLOCKER, "there are no weights, or none in the file"),
    "config_missing": Code(BLOCKER, "there is no adapter_config.json where one should be"),
    "config_unreadable": Code(BLOCKER, "the config is no sound JSON object, or a field cannot be used"),
    "non_finite": Code(BLOCKER, "the config holds a NaN or an infinity"),
    "file_too_large": Code(BLOCKER, "a file that should be small is not"),
    "file_unreadable": Code(BLOCKER, "this machine does not give a file of the folder"),
    "file_missing": Code(BLOCKER, "a file that is listed is not there, or private"),
    "header_unreadable": Code(BLOCKER, "the weights file is damaged, or no safetensors file"),
    "header_too_large": Code(WARNING, "the table of tensors is longer than an inspection reads"),
    "not_all_read": Code(WARNING, "the Hub failed before all files were read"),
    "gated": Code(BLOCKER, "the adapter's files are gated for this token"),
    "renamed": Code(INFO, "the adapter's repository has a new name"),
    "downloaded_copy": Code(INFO, "the Hub is silent, and this is the copy on this machine"),
    "known_earlier": Code(INFO, "the Hub is silent, and this is what was known before"),
    # The config.
    "unknown_method": Code(BLOCKER, "the installed PEFT has no such method"),
    "unsupported_method": Code(BLOCKER, "this app does not load the method"),
    "unsupported_field": Code(BLOCKER, "this app does not load adapters with that field"),
    "megatron": Code(BLOCKER, "the adapter is made for Megatron"),
    "needs_newer_peft": Code(WARNING, "a newer PEFT saved it, perhaps with fields that are ignored here"),
    "unknown_fields": Code(WARNING, "the config has fields that the installed PEFT ignores"),
    "custom_class": Code(WARNING, "the config asks for a class by name, which is never imported"),
    "task_missing": Code(INFO, "the config names no task"),
    "unknown_task": Code(WARNING, "the config names a task that PEFT does not have"),
    "rewrites_base": Code(WARNING, "it was started in a way that changes the base's own weights"),
    "dora": Code(INFO, "it is a DoRA, which runs on its own"),
    "alpha_missing": Code(INFO, "the config does not say lora_alpha"),
    "no_effect": Code(WARNING, "its scaling is 0, so it changes nothing"),
    "negative_scaling": Code(WARNING, "its scaling is negative"),
    "large_scaling": Code(WARNING, "its scaling is unusually large"),
    # The weights.
    "has_effect": Code(GOOD, "the weights that decide are not all zero"),
    "changes_nothing": Code(WARNING, "the weights that decide are all zero, so it answers as the base does"),
    "seems_to_change_nothing": Code(WARNING, "what was read of the weights that decide is all zero"),
    "non_finite_weights": Code(BLOCKER, "the weights hold a NaN or an infinity"),
    "no_method_tensors": Code(BLOCKER, "no tensor belongs to the method that the config names"),
    "empty_tensors": Code(BLOCKER, "tensors have no numbers, since a sharded training did not gather them"),
    "rank_mismatch": Code(BLOCKER, "the weights have a rank that the config does not name"),
    "virtual_tokens_mismatch": Code(BLOCKER, "the weights have another number of virtual tokens"),
    "modules_to_save": Code(INFO, "it brings whole modules that its config declares"),
    "extra_whole_modules": Code(WARNING, "it replaces whole tables of the base"),
    "foreign_tensors": Code(BLOCKER, "the file holds weights of the base that the config does not declare"),
    "saved_modules_missing": Code(WARNING, "the modules that the config says it brings are not in the file"),
    "targets_without_tensors": Code(WARNING, "the file lacks modules that the config targets"),
    "brings_head": Code(GOOD, "it brings the head that its task needs"),
    "head_missing": Code(WARNING, "neither it nor its base has the head that its task needs"),
    # The base.
    "base_missing": Code(BLOCKER, "nothing says which base it needs"),
    "base_chosen": Code(INFO, "another base than its own was chosen for it"),
    "base_from_card": Code(WARNING, "only the card names the base"),
    "base_is_local_path": Code(BLOCKER, "the base is given as a path on its author's machine"),
    "base_is_itself": Code(BLOCKER, "it names itself as its base"),
    "base_renamed": Code(INFO, "the base's repository has a new name"),
    "base_open": Code(GOOD, "the base can be had without asking"),
    "base_gated": Code(BLOCKER, "the base is gated"),
    "base_unknown": Code(BLOCKER, "the base is not on the Hub, or is private"),
    "base_disabled": Code(BLOCKER, "the Hub has disabled access to the base"),
    "base_unread": Code(WARNING, "nothing could be read of the base now"),
    "base_is_adapter": Code(BLOCKER, "the base is itself an adapter"),
    "base_no_safetensors": Code(BLOCKER, "the base has no safetensors weights"),
    "base_quantized": Code(BLOCKER, "the base is already quantised"),
    "remote_code": Code(WARNING, "the base brings code of its own, which is never run"),
    "memory_unknown": Code(INFO, "the base does not state its size"),
    "memory_approximate": Code(INFO, "the base's shape is not fully stated"),
    # Both together.
    "fits_base": Code(GOOD, "all modules that it changes are in the base, in the same shapes"),
    "modules_unmatched": Code(WARNING, "modules that it changes have no namesake in the base"),
    "shape_mismatch": Code(BLOCKER, "its shapes are those of another base"),
    "vocabulary_mismatch": Code(WARNING, "it was trained with another number of tokens"),
    "tokens_beyond_vocabulary": Code(WARNING, "the config names tokens that the base does not have"),
    "layers_beyond_base": Code(WARNING, "the config names layers that the base does not have"),
    # Licenses.
    "license_stated": Code(GOOD, "its license is stated, and not at odds with its base's"),
    "license_missing": Code(INFO, "its card states no license"),
    "license_at_odds": Code(INFO, "its license allows more than its base's may"),
}
