"""The PEFT methods and tasks by name, and how each names its tensors; a table, so that peft need not be
imported.

A test compares it with the installed peft. Nothing here knows how a method works.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """How a method's tensors are recognised.

    A tensor belongs to it when a part of its name starts with one of `prefixes`. `rank` is the name part and
    the axis that hold the rank, where the tensors show it.
    """

    prefixes: tuple[str, ...]
    rank: tuple[str, int] | None = None


PROMPT_TENSORS = ("prompt_embeddings", "prefix_task_cols", "prefix_task_rows")
PROMPT = Method(PROMPT_TENSORS)

METHODS: dict[str, Method] = {
    "ADALORA": Method(("lora_",), ("lora_A", 0)),
    "ADAMSS": Method(("adamss_",)),
    "ADAPTION_PROMPT": Method(("adaption_",)),
    "BEFT": Method(("beft_",)),
    "BOFT": Method(("boft_",)),
    "C3A": Method(("c3a_",)),
    "CARTRIDGE": PROMPT,
    "CPT": PROMPT,
    "DEFT": Method(("deft_",), ("deft_R", 0)),
    "DELORA": Method(("delora_",), ("delora_A", 0)),
    "FOURIERFT": Method(("fourierft_",)),
    "FROD": Method(("frod_",)),
    "GLORA": Method(("glora_",)),
    "GRALORA": Method(("gralora_",), ("gralora_A", 2)),
    "HIRA": Method(("hira_",), ("hira_A", 0)),
    "HRA": Method(("hra_",), ("hra_u", 1)),
    "IA3": Method(("ia3_",)),
    "LILY": Method(("lily_",), ("lily_A", 0)),
    "LN_TUNING": Method(("ln_tuning_",)),
    "LOHA": Method(("hada_",), ("hada_w1_b", 0)),
    "LOKR": Method(("lokr_",), ("lokr_w2_b", 0)),
    "LORA": Method(("lora_",), ("lora_A", 0)),
    "MISS": Method(("miss_",), ("miss_block", 0)),
    "MULTITASK_PROMPT_TUNING": PROMPT,
    "OFT": Method(("oft_",)),
    "OSF": Method(("osf_",)),
    "PEANUT": Method(("peanut_",), ("peanut_A", 0)),
    "POLY": Method(("poly_",), ("poly_lora_B", 2)),
    "PREFIX_TUNING": PROMPT,
    "PROMPT_TUNING": PROMPT,
    "PSOFT": Method(("psoft_",)),
    "PVERA": Method(("pvera_",)),
    "P_TUNING": PROMPT,
    "RANDLORA": Method(("randlora_",)),
    "ROAD": Method(("road_",)),
    "SHADOW": Method(("shadow_",), ("shadow_down", 0)),
    "SHIRA": Method(("shira_",)),
    "SUPERTUNING": Method(("supertuning_",)),
    "TINYLORA": Method(("tinylora_",), ("tinylora_A", 0)),
    "TRAINABLE_TOKENS": Method(("trainable_tokens_",)),
    "UNILORA": Method(("unilora_",)),
    "VBLORA": Method(("vblora_",)),
    "VERA": Method(("vera_",)),
    "WAVEFT": Method(("waveft_",)),
    "XLORA": Method(("xlora_", "lora_")),
}

PROMPT_METHODS = frozenset(name for name, method in METHODS.items() if method is PROMPT)

REFUSED = {
    "XLORA": "it names further adapters that would be fetched and mixed while it runs",
    "BONE": "PEFT has replaced it by MISS; convert it with an older PEFT first",
}
"""Methods that this app does not load, with the reason.

BONE is no longer in PEFT, so it is in no other table.
"""

LORA_FIELDS = frozenset(
    {
        "alora_invocation_tokens",
        "alpha_pattern",
        "arrow_config",
        "auto_mapping",
        "base_model_name_or_path",
        "bias",
        "corda_config",
        "ensure_weight_tying",
        "eva_config",
        "exclude_modules",
        "fan_in_fan_out",
        "inference_mode",
        "init_lora_weights",
        "kasa_config",
        "layer_replication",
        "layers_pattern",
        "layers_to_transform",
        "loftq_config",
        "lora_alpha",
        "lora_bias",
        "lora_dropout",
        "lora_ga_config",
        "megatron_config",
        "megatron_core",
        "modules_to_save",
        "monteclora_config",
        "peft_type",
        "peft_version",
        "qalora_group_size",
        "r",
        "rank_pattern",
        "revision",
        "runtime_config",
        "target_modules",
        "target_parameters",
        "task_type",
        "trainable_token_indices",
        "use_bdlora",
        "use_dora",
        "use_qalora",
        "use_rslora",
        "velora_config",
    }
)
"""The fields of LoRA's configuration in the PEFT this app is built on; others were written by a newer one."""

PIPELINE_TAGS = {
    "CAUSAL_LM": "text-generation",
    "SEQ_CLS": "text-classification",
    "TOKEN_CLS": "token-classification",
    "QUESTION_ANS": "question-answering",
    "FEATURE_EXTRACTION": "feature-extraction",
    "SEQ_2_SEQ_LM": "text2text-generation",
}
"""PEFT's task types, and what the Hub calls the nearest of its own tasks."""
