"""Which adapters there are: a base, a PEFT configuration, what is done to the files, what must be found.

Nothing here builds anything; `build.py` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from tests.catalog.truth import damage

LLAMA, BERT, GPT2, WIDE, SHARDED = (
    f"tiny-org/tiny-{name}" for name in ("llama", "bert", "gpt2", "wide-llama", "sharded-llama")
)
GATED_BASE, MISSING_BASE, RENAMED_BASE = "tiny-org/closed-llama", "gone-org/vanished", "tiny-org/old-llama"

ATTENTION = ["q_proj", "v_proj"]
FEED_FORWARD = ["gate_proj", "up_proj", "down_proj"]
PATTERN = r".*layers\.1\..*(q|k)_proj"


@dataclass(frozen=True)
class Variant:
    """One adapter. `base` is what its config names, `made_on` the base it is really built on.

    `codes` are the warnings and blockers it must have, `notes` are findings of less weight it must have.
    """

    name: str
    method: str
    options: dict[str, Any]
    base: str = LLAMA
    made_on: str = ""
    task: str = "CAUSAL_LM"
    dtype: str = "float32"
    trained: bool = True
    license: str = "apache-2.0"
    codes: frozenset[str] = frozenset()
    notes: frozenset[str] = frozenset()
    damage: Callable[[Path], None] | None = field(default=None)

    @property
    def id(self) -> str:
        return f"{('ada', 'grace', 'linus')[len(self.name) % 3]}/{self.name}"


def all_variants() -> list[Variant]:
    """Every variant once, by a name of its own."""
    return [*plain_loras(), *special_loras(), *other_methods(), *tasks(), *other_bases(), *awkward()]


def plain_loras() -> Iterator[Variant]:
    targets = {"attention": ATTENTION, "mlp": FEED_FORWARD, "all": "all-linear"}
    dtypes = ("float32", "bfloat16", "float16")
    for rank, (kind, modules), factor, dtype in product(
        (1, 2, 4, 8, 16, 32, 64), targets.items(), (1, 2), dtypes
    ):
        options = {"r": rank, "lora_alpha": factor * rank, "target_modules": modules}
        yield Variant(f"lora-{kind}-r{rank}-a{factor * rank}-{dtype}", "LoraConfig", options, dtype=dtype)


def special_loras() -> Iterator[Variant]:
    found, head = frozenset({"dora"}), frozenset({"modules_to_save"})
    ways: dict[str, tuple[dict[str, Any], frozenset[str]]] = {
        "rslora": ({"use_rslora": True}, frozenset()),
        "dora": ({"use_dora": True}, found),
        "bias": ({"lora_bias": True}, frozenset()),
        "gaussian": ({"init_lora_weights": "gaussian"}, frozenset()),
        "pattern": ({"target_modules": PATTERN}, frozenset()),
        "one-layer": ({"layers_to_transform": [1]}, frozenset()),
        "head": ({"modules_to_save": ["lm_head"]}, head),
        "norms": ({"modules_to_save": ["norm"]}, head),
        "path": ({"modules_to_save": ["mlp.gate_proj"]}, head),
        "ranks": ({"rank_pattern": {"layers.0.self_attn.q_proj": 3}}, frozenset()),
        "alphas": ({"alpha_pattern": {"v_proj": 5}}, frozenset()),
        "dropout": ({"lora_dropout": 0.25}, frozenset()),
        "embedding": ({"target_modules": ["embed_tokens", "q_proj"]}, frozenset()),
    }
    for (way, (options, notes)), rank in product(ways.items(), (2, 8, 12)):
        usual = {"r": rank, "lora_alpha": 16, "target_modules": ATTENTION}
        yield Variant(f"lora-{way}-r{rank}", "LoraConfig", usual | options, notes=notes)


def other_methods() -> Iterator[Variant]:
    ways: dict[str, tuple[dict[str, Any], ...]] = {
        "AdaLoraConfig": tuple({"total_step": 10, "init_r": r, "target_r": r // 2} for r in (4, 8, 12)),
        "BOFTConfig": ({"boft_block_size": 4}, {"boft_block_size": 8}),
        "C3AConfig": ({"block_size": 16}, {"block_size": 32}),
        "DeloraConfig": tuple({"r": r} for r in (2, 4, 8)),
        "FourierFTConfig": ({"n_frequency": 10}, {"n_frequency": 50}),
        "HRAConfig": tuple({"r": r} for r in (2, 4, 8)),
        "IA3Config": (
            {"target_modules": ["k_proj", "v_proj"], "feedforward_modules": []},
            {"target_modules": ["k_proj", "down_proj"], "feedforward_modules": ["down_proj"]},
        ),
        "LNTuningConfig": ({"target_modules": ["input_layernorm"]}, {"target_modules": ["norm"]}),
        "LoHaConfig": tuple({"r": r, "alpha": 2 * r} for r in (2, 4, 8)),
        "LoKrConfig": tuple({"r": r, "alpha": r} for r in (2, 4, 8)),
        "MissConfig": tuple({"r": r} for r in (2, 4, 8)),
        "OFTConfig": ({"oft_block_size": 16, "r": 0}, {"oft_block_size": 32, "r": 0}),
        "PrefixTuningConfig": tuple({"num_virtual_tokens": n} for n in (2, 4, 8)),
        "PromptTuningConfig": tuple({"num_virtual_tokens": n} for n in (2, 4, 8)),
        "PromptEncoderConfig": tuple({"num_virtual_tokens": n} for n in (2, 4)),
        "RandLoraConfig": ({"r": 4}, {"r": 8}),
        "RoadConfig": ({"group_size": 16}, {"group_size": 32}),
        "ShiraConfig": tuple({"r": r} for r in (2, 4)),
        "VeraConfig": ({"r": 4}, {"r": 16}),
    }
    for method, choices in ways.items():
        for number, options in enumerate(choices):
            prompt = "num_virtual_tokens" in options
            targets = {} if prompt else {"target_modules": ATTENTION}
            name = f"{method.removesuffix('Config').lower()}-{number}"
            yield Variant(name, method, targets | options)


def tasks() -> Iterator[Variant]:
    """Heads that PEFT saves whole by the task, over an encoder that has none of its own."""
    for task, rank, targets in product(
        ("SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS", "FEATURE_EXTRACTION"),
        (2, 4, 8, 16),
        (["query", "value"], ["query", "key", "value", "dense"]),
    ):
        options = {"r": rank, "lora_alpha": 16, "target_modules": targets}
        notes = frozenset() if task == "FEATURE_EXTRACTION" else frozenset({"modules_to_save"})
        name = f"bert-{task.lower().replace('_', '-')}-r{rank}-{len(targets)}"
        yield Variant(name, "LoraConfig", options, base=BERT, task=task, notes=notes)


def other_bases() -> Iterator[Variant]:
    for rank, targets in product((2, 4, 8), (["c_attn"], ["c_attn", "c_proj", "c_fc"])):
        options = {"r": rank, "lora_alpha": 8, "target_modules": targets, "fan_in_fan_out": True}
        yield Variant(f"gpt2-r{rank}-{len(targets)}", "LoraConfig", options, base=GPT2)
    for base, rank in product((WIDE, SHARDED), (2, 4, 8)):
        options = {"r": rank, "lora_alpha": 8, "target_modules": "all-linear"}
        yield Variant(f"{base.partition('/')[2]}-r{rank}", "LoraConfig", options, base=base)


def awkward() -> Iterator[Variant]:
    """What a Hub is full of, each in three sizes."""
    at_home = "/home/linus/models/my-finetune"
    in_cache = f"/root/hub/models--{LLAMA.replace('/', '--')}/snapshots/0123456789abcdef"
    for rank in (2, 4, 8):
        options = {"r": rank, "lora_alpha": 16, "target_modules": ATTENTION}
        cases: dict[str, dict[str, Any]] = {
            "untrained": {"trained": False, "codes": {"changes_nothing"}},
            "no-alpha": {"options": options | {"lora_alpha": 0}, "codes": {"no_effect"}},
            "strong": {"options": options | {"lora_alpha": 40 * rank}, "codes": {"large_scaling"}},
            "biased": {"options": options | {"bias": "all"}, "base": GPT2, "codes": set()},
            "pickled": {"damage": damage.pickled, "codes": {"pickle_only"}},
            "in-folders": {"damage": damage.into_folders, "codes": {"config_missing", "no_weights"}},
            "closed-base": {"base": GATED_BASE, "codes": {"base_gated"}},
            "missing-base": {"base": MISSING_BASE, "codes": {"base_unknown"}},
            "renamed-base": {"base": RENAMED_BASE, "notes": {"base_renamed"}},
            "local-base": {"base": at_home, "codes": {"base_is_local_path"}},
            "cached-base": {"base": in_cache, "codes": {"base_is_local_path"}},
            "newer": {"damage": damage.from_the_future, "codes": {"needs_newer_peft"}},
            "unknown-method": {"damage": damage.unknown_method, "codes": {"unknown_method"}},
            "not-finite": {"damage": damage.not_finite, "codes": {"non_finite"}},
            "wrong-rank": {"damage": damage.wrong_rank, "codes": {"rank_mismatch"}},
            "other-shapes": {"made_on": WIDE, "codes": {"shape_mismatch"}},
            "other-names": {"made_on": GPT2, "base": LLAMA, "codes": {"modules_unmatched"}},
            "nan": {"damage": damage.nan_weights, "codes": {"non_finite_weights"}},
            "cut": {"damage": damage.cut, "codes": {"header_unreadable"}},
            "megatron": {"damage": damage.megatron, "codes": {"megatron"}},
            "rewritten": {"damage": damage.pissa, "codes": {"rewrites_base"}},
        }
        for name, case in cases.items():
            target = ["c_attn"] if GPT2 in (case.get("base"), case.get("made_on")) else ATTENTION
            chosen = case.pop("options", options) | {"target_modules": target}
            chosen |= {"fan_in_fan_out": True} if target == ["c_attn"] else {}
            codes, notes = frozenset(case.pop("codes", ())), frozenset(case.pop("notes", ()))
            yield Variant(f"{name}-r{rank}", "LoraConfig", chosen, codes=codes, notes=notes, **case)
