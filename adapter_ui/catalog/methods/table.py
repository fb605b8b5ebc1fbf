"""The PEFT methods by name, and how each names its tensors; a table, so that peft need not be imported.

Read from each tuner's layer and held against the installed peft by tests that build, save and zero a real
adapter of every method. Nothing here knows how a method computes.
"""

from __future__ import annotations

from dataclasses import dataclass

from adapter_ui.catalog.methods.ranks import Extent, half, side_of_pairs


@dataclass(frozen=True)
class Method:
    """How a method's tensors are recognised, and what they tell.

    A tensor belongs to it when a part of its name starts with one of `prefixes`; the part and what follows
    it is its name within the module, as “lora_B.weight”. `rank` is where shapes show the width that the
    change of a module goes through: the first extent that a module has. It is empty where there is no such
    width (vectors, rotations by blocks, spectra). `r_is_rank` says whether the config's `r` is that width,
    for where no tensor shows it.

    While every tensor of `zero_parts` is all zero, the method changes nothing. Empty where no zeros prove
    that (IA3 starts from ones, a prompt always acts).
    """

    prefixes: tuple[str, ...]
    rank: tuple[Extent, ...] = ()
    zero_parts: tuple[str, ...] = ()
    r_is_rank: bool = True


PROMPT_TENSORS = ("prompt_embeddings", "prefix_task_cols", "prefix_task_rows")
PROMPT = Method(PROMPT_TENSORS)
GLORA_FACTORS = (
    *(f"glora_{matrix}.{factor}" for matrix in "ABC" for factor in ("Xd", "X")),
    "glora_D.X",
    "glora_E.X",
)

METHODS: dict[str, Method] = {
    "ADALORA": Method(("lora_",), (Extent("lora_A", 0),), ("lora_E",), r_is_rank=False),
    "ADAMSS": Method(("adamss_",), (Extent("adamss_A", 1),), ("adamss_B",)),
    "ADAPTION_PROMPT": Method(("adaption_",), zero_parts=("adaption_gate",)),
    "BEFT": Method(("beft_",), zero_parts=("beft_bias",)),
    "BOFT": Method(("boft_",)),
    "C3A": Method(("c3a_",), zero_parts=("c3a_kernel",)),
    "CARTRIDGE": PROMPT,
    "CPT": PROMPT,
    "DEFT": Method(("deft_",), (Extent("deft_P", 1),)),
    "DELORA": Method(("delora_",), (Extent("delora_A", 0),), ("delora_B",)),
    "FOURIERFT": Method(("fourierft_",), zero_parts=("fourierft_spectrum",)),
    "FROD": Method(("frod_",)),
    "GLORA": Method(("glora_",), (Extent("glora_A.Xu", 0), Extent("glora_B.Xu", 0)), GLORA_FACTORS),
    "GRALORA": Method(("gralora_",), (Extent("gralora_A", 2),), ("gralora_B", "gralora_B_general")),
    "HIRA": Method(
        ("hira_",), (Extent("hira_A", 0), Extent("hira_embedding_A", 0)), ("hira_B", "hira_embedding_A")
    ),
    "HRA": Method(("hra_",), (Extent("hra_u", 1),)),
    "IA3": Method(("ia3_",)),
    "LILY": Method(("lily_",), (Extent("lily_A", 0),), ("lily_B",)),
    "LN_TUNING": Method(("ln_tuning_",)),
    "LOHA": Method(("hada_",), (Extent("hada_w1_b", 0),), ("hada_w2_b",)),
    # A Kronecker factor that is kept whole has no rank, however large `r` is.
    "LOKR": Method(
        ("lokr_",),
        (Extent("lokr_w2_b", 0), Extent("lokr_w1_b", 0)),
        ("lokr_w1", "lokr_w1_a"),
        r_is_rank=False,
    ),
    "LORA": Method(
        ("lora_",), (Extent("lora_A", 0), Extent("lora_embedding_A", 0)), ("lora_B", "lora_embedding_A")
    ),
    "MISS": Method(("miss_",), (Extent("miss_block", -2),), ("miss_block",)),
    "MULTITASK_PROMPT_TUNING": PROMPT,
    # Its `r` is a number of blocks that rotate, not a width that the change goes through.
    "OFT": Method(("oft_",), zero_parts=("oft_R", "oft_embedding_R"), r_is_rank=False),
    "OSF": Method(("osf_",), (Extent("osf_svd_params.S_low", 0),)),
    "PEANUT": Method(("peanut_",), (Extent("peanut_A", 0),), ("peanut_B",)),
    "POLY": Method(("poly_",), (Extent("poly_lora_B", 2),), ("poly_lora_B",)),
    "PREFIX_TUNING": PROMPT,
    "PROMPT_TUNING": PROMPT,
    "PSOFT": Method(
        ("psoft_",),
        (
            Extent("psoft_R.vector_a", 0),
            Extent("psoft_R.vector_b", 0),
            Extent("psoft_R.weight", 0, axes=2),
            Extent("psoft_R.weight", 0, axes=1, rank_of=side_of_pairs),
        ),
    ),
    "PVERA": Method(("pvera_",), (Extent("pvera_lambda_d", 0, rank_of=half),), ("pvera_lambda_b",)),
    "P_TUNING": PROMPT,
    "RANDLORA": Method(("randlora_",), (Extent("randlora_lambda", 0),), ("randlora_lambda",)),
    "ROAD": Method(("road_",)),
    "SHADOW": Method(("shadow_",), (Extent("shadow_down", 0),), ("shadow_up",)),
    # Its `r` sets how many single weights change: r(in + out) of them.
    "SHIRA": Method(("shira_",), zero_parts=("shira_weight",), r_is_rank=False),
    "SUPERTUNING": Method(
        ("supertuning_",),
        (Extent("supertuning_lora_A", 0),),
        ("supertuning_values", "supertuning_lora_B"),
    ),
    "TINYLORA": Method(("tinylora_",), (Extent("tinylora_A", 0),), ("tinylora_v",)),
    "TRAINABLE_TOKENS": Method(("trainable_tokens_",)),
    "UNILORA": Method(("unilora_",), (Extent("unilora_indices_A", 0),), ("unilora_theta_d",)),
    "VBLORA": Method(
        ("vblora_",),
        (Extent("vblora_logits_A", 0), Extent("vblora_logits_A_topk_indices", 0)),
        ("vblora_vector_bank",),
    ),
    "VERA": Method(("vera_",), (Extent("vera_lambda_d", 0),), ("vera_lambda_b",)),
    "WAVEFT": Method(("waveft_",), zero_parts=("waveft_spectrum",)),
    "XLORA": Method(("internal_xlora_classifier",)),
}

UNKNOWN_METHOD = Method(())
PROMPT_METHODS = frozenset(name for name, method in METHODS.items() if method is PROMPT)

PIPELINE_TAGS = {
    "CAUSAL_LM": "text-generation",
    "SEQ_CLS": "text-classification",
    "TOKEN_CLS": "token-classification",
    "QUESTION_ANS": "question-answering",
    "FEATURE_EXTRACTION": "feature-extraction",
    "SEQ_2_SEQ_LM": "text2text-generation",
}
"""PEFT's task types, and what the Hub calls the nearest of its own tasks."""
