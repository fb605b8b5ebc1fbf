"""The PEFT methods that a recipe can train: the fields that each has, with its own defaults, and the learning
rates that suit it. Pure facts; builds no config and checks no value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

MethodName = Literal[
    "LORA",
    "IA3",
    "ADALORA",
    "LOHA",
    "LOKR",
    "OFT",
    "VERA",
    "MISS",
    "PROMPT_TUNING",
    "PREFIX_TUNING",
    "P_TUNING",
    "LN_TUNING",
]
STARTS_FROM_THE_BASE = frozenset({"pissa", "pissa_niter_16", "olora"})
"""Starts of a LoRA that take its first product out of the base's weights."""
STARTS_THAT_READ_THE_BASE = STARTS_FROM_THE_BASE | {"mica"}
"""Starts of a LoRA from the directions of the base's weights, which have to be there unrounded."""
ALL_TASKS = frozenset({"CAUSAL_LM", "SEQ_CLS", "TOKEN_CLS", "SEQ_2_SEQ_LM", "QUESTION_ANS"})


@dataclass(frozen=True)
class Method:
    """`defaults` are the method's own fields under PEFT's names (but for `trainable_tokens`, which are named
    as the tokenizer has them), `usual_rates` the learning rates that suit
    it because of `rate_reason`. `title` is how people write it, `config_class` the name of its config in
    PEFT. `resumable` is whether PEFT's checkpoint holds all that is trained, `fits_four_bits` whether PEFT
    puts the method on a base in nf4 or fp4. `ends_with_its_run` says why a saved adapter cannot be trained
    further, "" where it can.
    """

    title: str
    config_class: str
    summary: str
    defaults: Mapping[str, Any]
    learning_rate: float
    usual_rates: tuple[float, float]
    rate_reason: str
    tasks: frozenset[str] = ALL_TASKS
    resumable: bool = True
    fits_four_bits: bool = True
    ends_with_its_run: str = ""


METHODS: Mapping[str, Method] = {
    "LORA": Method(
        title="LoRA",
        config_class="LoraConfig",
        summary="Low-rank updates beside the linear modules: the first choice.",
        defaults={
            "r": 8,
            "lora_alpha": 16.0,
            "lora_dropout": 0.0,
            "bias": "none",
            "target_modules": [],
            "use_rslora": False,
            "use_dora": False,
            "init_lora_weights": True,
            "trainable_tokens": [],
        },
        learning_rate=2e-4,
        usual_rates=(1e-4, 5e-4),
        rate_reason="its two matrices multiply each other's steps",
    ),
    "IA3": Method(
        title="IA3",
        config_class="IA3Config",
        summary="One learned factor for each output of a few modules: the smallest adapters.",
        defaults={"target_modules": [], "feedforward_modules": []},
        learning_rate=3e-3,
        usual_rates=(1e-3, 1e-2),
        rate_reason="its few factors start at 1 and have to move far",
    ),
    "ADALORA": Method(
        title="AdaLoRA",
        config_class="AdaLoraConfig",
        summary="A LoRA that moves rank to the modules which need it while it trains.",
        defaults={
            "init_r": 12,
            "target_r": 8,
            "lora_alpha": 16.0,
            "lora_dropout": 0.0,
            "orth_reg_weight": 0.5,
            "target_modules": [],
        },
        learning_rate=1e-3,
        usual_rates=(2e-4, 5e-3),
        rate_reason="its scale is divided among three factors, one of which starts at zero",
        resumable=False,
        ends_with_its_run="the rank that it may move is spent when its training ends",
    ),
    "LOHA": Method(
        title="LoHa",
        config_class="LoHaConfig",
        summary="Two low-rank updates multiplied entry by entry: a higher rank for the same size.",
        defaults={"r": 8, "alpha": 8, "rank_dropout": 0.0, "module_dropout": 0.0, "target_modules": []},
        learning_rate=1e-3,
        usual_rates=(2e-4, 3e-3),
        rate_reason="a product of four small matrices starts slowly",
        fits_four_bits=False,
    ),
    "LOKR": Method(
        title="LoKr",
        config_class="LoKrConfig",
        summary="A Kronecker product of small matrices: small files, updates of high rank.",
        defaults={
            "r": 8,
            "alpha": 8,
            "rank_dropout": 0.0,
            "module_dropout": 0.0,
            "decompose_both": False,
            "decompose_factor": -1,
            "target_modules": [],
        },
        learning_rate=1e-3,
        usual_rates=(2e-4, 3e-3),
        rate_reason="few values are shared by the whole matrix",
        fits_four_bits=False,
    ),
    "OFT": Method(
        title="OFT",
        config_class="OFTConfig",
        summary="Rotates the inputs of the modules and keeps their lengths.",
        defaults={"oft_block_size": 32, "module_dropout": 0.0, "target_modules": []},
        learning_rate=1e-3,
        usual_rates=(2e-4, 4e-3),
        rate_reason="a rotation moves a weight less than an added update does",
    ),
    "VERA": Method(
        title="VeRA",
        config_class="VeraConfig",
        summary="Fixed random matrices shared by all layers; only two short vectors are learned in each.",
        defaults={"r": 256, "vera_dropout": 0.0, "d_initial": 0.1, "target_modules": []},
        learning_rate=4e-3,
        usual_rates=(1e-3, 2e-2),
        rate_reason="it learns only vectors, which want about ten times a LoRA's",
    ),
    "MISS": Method(
        title="MiSS",
        config_class="MissConfig",
        summary="One small matrix, repeated over the module's inputs: fast and frugal.",
        defaults={"r": 64, "miss_dropout": 0.0, "target_modules": []},
        learning_rate=2e-4,
        usual_rates=(5e-5, 1e-3),
        rate_reason="every learned value acts on many inputs at once",
    ),
    "PROMPT_TUNING": Method(
        title="Prompt tuning",
        config_class="PromptTuningConfig",
        summary="Learned tokens in front of the text; the base's weights are not touched.",
        defaults={"num_virtual_tokens": 20},
        learning_rate=3e-2,
        usual_rates=(3e-3, 3e-1),
        rate_reason="only the virtual tokens learn, through the whole frozen base",
        tasks=frozenset({"CAUSAL_LM", "SEQ_CLS"}),
    ),
    "PREFIX_TUNING": Method(
        title="Prefix tuning",
        config_class="PrefixTuningConfig",
        summary="Learned keys and values in front of the text, in every layer.",
        defaults={"num_virtual_tokens": 20},
        learning_rate=1e-2,
        usual_rates=(1e-3, 1e-1),
        rate_reason="only the virtual tokens learn, through attention alone",
        tasks=frozenset({"CAUSAL_LM"}),
    ),
    "P_TUNING": Method(
        title="P-tuning",
        config_class="PromptEncoderConfig",
        summary="Learned tokens in front of the text, made by a small network while training.",
        defaults={
            "num_virtual_tokens": 20,
            "encoder_reparameterization_type": "MLP",
            "encoder_hidden_size": 128,
        },
        learning_rate=1e-3,
        usual_rates=(3e-4, 1e-2),
        rate_reason="a network makes the virtual tokens, and networks want smaller steps",
        tasks=frozenset({"CAUSAL_LM", "SEQ_CLS"}),
        resumable=False,
        ends_with_its_run="the network that makes its virtual tokens is not saved with it",
    ),
    "LN_TUNING": Method(
        title="LayerNorm tuning",
        config_class="LNTuningConfig",
        summary="Trains the base's own normalisation layers and nothing else.",
        defaults={"target_modules": []},
        learning_rate=1e-3,
        usual_rates=(2e-4, 1e-2),
        rate_reason="the norms' few weights have to move far",
    ),
}

OWN_FIELDS = frozenset(name for method in METHODS.values() for name in method.defaults)
"""Every field that belongs to some methods only."""


def strange_fields(method: str) -> frozenset[str]:
    """The fields that belong to other methods."""
    return OWN_FIELDS - METHODS[method].defaults.keys()


def methods_with(name: str) -> tuple[str, ...]:
    """The methods that have the field."""
    return tuple(method for method, facts in METHODS.items() if name in facts.defaults)
