"""Every finding that rules make: the evidence that calls for it, and evidence that does not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from adapter_ui.catalog.findings.codes import CODES
from adapter_ui.catalog.findings.evidence import Evidence
from adapter_ui.catalog.findings.rules import find
from adapter_ui.domain import AdapterRef, Level
from tests.catalog.evidence import (
    FILES,
    LORA,
    PEFT,
    Q_PROJ,
    SOUND,
    codes,
    lora,
    of_tensors,
    tensor,
    with_base,
    with_config,
    with_tensors,
    with_values,
    without_field,
)

GOOD, INFO, WARNING, BLOCKER = Level.GOOD, Level.INFO, Level.WARNING, Level.BLOCKER
HEAD = tensor("base_model.model.score.weight", 3, 64)
LAYER = "base_model.model.model.layers.0"
GATE = tensor(f"{LAYER}.mlp.gate.weight", 8, 64)
EMBEDDINGS = "base_model.model.model.embed_tokens"
PROMPT = {"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 8}


@dataclass(frozen=True)
class Case:
    """Evidence that has a finding of this code and level, and evidence that has none of this code."""

    code: str
    level: Level
    has: Evidence
    has_not: Evidence = SOUND


NO_BASE = replace(with_config(base_model_name_or_path=None), base=None, base_asked=None)
A_PATH = replace(with_config(base_model_name_or_path="/home/me/x"), base=None, base_asked=None)
ZEROS = with_values(nonzero=False)

FILE_CASES = [
    Case("safetensors", GOOD, SOUND, replace(SOUND, files={})),
    Case("no_weights", BLOCKER, replace(SOUND, files={})),
    Case("no_weights", BLOCKER, replace(SOUND, tensors=())),
    Case("config_missing", BLOCKER, replace(SOUND, files={})),
    Case("pickle_only", BLOCKER, replace(SOUND, files={"adapter_config.json": 1, "adapter_model.bin": 1})),
    Case("pickle_ignored", INFO, replace(SOUND, files=FILES | {"adapter_model.bin": 1})),
    Case("sharded", BLOCKER, replace(SOUND, files={"adapter_model-00001-of-00002.safetensors": 1})),
]
CONFIG_CASES = [
    Case("unknown_method", BLOCKER, with_config(peft_type="QUANTUM")),
    Case("unsupported_method", BLOCKER, with_config(peft_type="BONE"), with_config(peft_type="MISS")),
    Case("unsupported_method", BLOCKER, with_config(peft_type="XLORA")),
    Case("unsupported_method", BLOCKER, with_config(peft_type="POLY")),
    Case(
        "unsupported_method",
        BLOCKER,
        with_config(peft_type="PREFIX_TUNING", task_type="CAUSAL_LM", num_transformer_submodules=2),
        with_config(peft_type="PREFIX_TUNING", task_type="CAUSAL_LM", num_transformer_submodules=1),
    ),
    Case("unsupported_field", BLOCKER, with_config(layer_replication=[[0, 2], [1, 3]])),
    Case("unsupported_field", BLOCKER, with_config(kasa_config={"beta": 1}), with_config(kasa_config=None)),
    Case("megatron", BLOCKER, with_config(megatron_config={"x": 1}), with_config(megatron_core="megatron")),
    Case("needs_newer_peft", INFO, with_config(peft_version="0.99.0"), with_config(peft_version=PEFT)),
    Case("needs_newer_peft", WARNING, with_config(peft_version="0.99.0", use_magic=True)),
    Case("needs_newer_peft", INFO, with_config(peft_version="1"), with_config(peft_version="0.3.0.dev0")),
    Case("needs_newer_peft", INFO, with_config(peft_version="1"), with_config(peft_version="UNKNOWN")),
    Case("needs_newer_peft", INFO, with_config(peft_version="1"), with_config(peft_version="0.18.dev0@3f")),
    Case("unknown_fields", WARNING, with_config(use_magic=True), with_config(use_qalora=False)),
    Case("custom_class", WARNING, with_config(auto_mapping={"parent_library": "os"})),
    Case("task_missing", INFO, with_config(task_type=None)),
    Case("unknown_task", WARNING, with_config(task_type="COOKING")),
    Case("rewrites_base", WARNING, with_config(init_lora_weights="pissa_niter_4")),
    Case("rewrites_base", WARNING, with_config(init_lora_weights="olora")),
    Case(
        "rewrites_base", WARNING, with_config(init_lora_weights="loftq"), with_config(init_lora_weights="eva")
    ),
    Case("dora", INFO, with_config(use_dora=True)),
    Case("alpha_missing", INFO, without_field("lora_alpha"), with_config(lora_alpha=8)),
    Case("no_effect", WARNING, with_config(lora_alpha=0)),
    Case("negative_scaling", WARNING, with_config(lora_alpha=-8)),
    Case("large_scaling", WARNING, with_config(lora_alpha=8192), with_config(lora_alpha=128)),
    Case("large_scaling", WARNING, with_config(lora_alpha=64, use_rslora=True)),
]
WEIGHT_CASES = [
    Case("header_sound", GOOD, SOUND, replace(SOUND, tensors=None)),
    Case("has_effect", GOOD, SOUND, ZEROS),
    Case("has_effect", GOOD, SOUND, with_config(lora_alpha=0)),
    Case("has_effect", GOOD, SOUND, replace(SOUND, values=None)),
    Case("changes_nothing", WARNING, ZEROS),
    Case("changes_nothing", WARNING, ZEROS, with_values(nonzero=False, deciding_bytes=0)),
    Case("seems_to_change_nothing", WARNING, with_values(nonzero=False, seen_bytes=100), ZEROS),
    Case("seems_to_change_nothing", WARNING, replace(ZEROS, tensors=(*LORA, HEAD)), ZEROS),
    Case("non_finite_weights", BLOCKER, with_values(not_finite="x.lora_A.weight")),
    Case("no_method_tensors", BLOCKER, with_config(peft_type="IA3")),
    Case("empty_tensors", BLOCKER, with_tensors(tensor(f"{Q_PROJ}.lora_B.weight", 0))),
    Case("rank_mismatch", BLOCKER, with_config(r=16), with_config(r=4, rank_pattern={"q_proj": 8})),
    Case("rank_mismatch", BLOCKER, with_config(r=16), with_config(r=None)),
    Case("rank_mismatch", BLOCKER, with_config(r=16), with_config(r=4, target_parameters=["experts.w"])),
    Case(
        "virtual_tokens_mismatch",
        BLOCKER,
        of_tensors(tensor("prompt_embeddings", 7, 64), **PROMPT),
        of_tensors(tensor("prompt_embeddings", 16, 64), **PROMPT),
    ),
    Case("modules_to_save", INFO, with_tensors(HEAD, modules_to_save=["score"])),
    Case(
        "modules_to_save",
        INFO,
        with_tensors(tensor("base_model.model.classifier.out_proj.weight", 3, 64), task_type="SEQ_CLS"),
    ),
    Case("modules_to_save", INFO, with_tensors(tensor(f"{Q_PROJ}.bias", 64), bias="lora_only")),
    Case("extra_whole_modules", WARNING, with_tensors(tensor(f"{EMBEDDINGS}.weight", 512, 64))),
    Case("foreign_tensors", BLOCKER, with_tensors(tensor("base_model.model.model.norm.weight", 64))),
    Case(
        "foreign_tensors",
        BLOCKER,
        with_tensors(GATE, modules_to_save=["", "mlp.up"]),
        with_tensors(GATE, modules_to_save=["mlp.gate"]),
    ),
    Case(
        "foreign_tensors",
        BLOCKER,
        with_tensors(tensor(f"{LAYER}.input_layernorm.weight", 64)),
        with_tensors(tensor(f"{LAYER}.input_layernorm.weight", 64), modules_to_save=["norm"]),
    ),
    Case("foreign_tensors", BLOCKER, with_tensors(tensor(f"{Q_PROJ}.weight", 64, 64))),
    Case("foreign_tensors", BLOCKER, with_tensors(tensor(f"{Q_PROJ}.bias", 64))),
    Case(
        "foreign_tensors",
        BLOCKER,
        with_tensors(tensor("base_model.model.model.norm.weight", 64)),
        with_tensors(tensor(f"{EMBEDDINGS}.token_adapter.trainable_tokens_delta", 2, 64)),
    ),
    Case(
        "saved_modules_missing",
        WARNING,
        with_config(modules_to_save=["lm_head"]),
        with_tensors(
            tensor("base_model.model.lm_head.weight", 512, 64), modules_to_save=["lm_head", "score"]
        ),
    ),
    Case("brings_head", GOOD, with_tensors(HEAD, task_type="SEQ_CLS")),
    Case("brings_head", GOOD, with_tensors(HEAD, task_type="SEQ_CLS"), with_config(task_type="SEQ_CLS")),
    Case(
        "head_missing",
        WARNING,
        with_config(task_type="TOKEN_CLS"),
        with_tensors(HEAD, task_type="TOKEN_CLS", modules_to_save=["score"]),
    ),
    Case(
        "head_missing",
        WARNING,
        with_config(task_type="QUESTION_ANS"),
        replace(
            with_config(task_type="QUESTION_ANS"),
            base=with_base(architectures=("BertForQuestionAnswering",)).base,
        ),
    ),
    Case(
        "head_missing",
        WARNING,
        with_config(task_type="SEQ_CLS"),
        replace(with_config(task_type="SEQ_CLS"), base=with_base(architectures=()).base),
    ),
]
BASE_CASES = [
    Case("base_missing", BLOCKER, NO_BASE),
    Case("base_missing", BLOCKER, replace(with_config(base_model_name_or_path=""), base=None)),
    Case("base_is_local_path", BLOCKER, A_PATH),
    Case("base_is_local_path", BLOCKER, replace(A_PATH, likely_base="org/base")),
    Case("base_is_local_path", WARNING, with_config(base_model_name_or_path="../x")),
    Case("base_from_card", WARNING, replace(with_config(base_model_name_or_path=None), base_from_card=True)),
    Case("base_chosen", INFO, replace(SOUND, base_chosen=True)),
    Case("base_chosen", INFO, replace(A_PATH, base=SOUND.base, base_chosen=True)),
    Case("base_is_itself", BLOCKER, replace(SOUND, ref=AdapterRef.parse("Org/base"))),
    Case(
        "base_renamed", INFO, replace(SOUND, base_asked="org/old-base"), replace(SOUND, base_asked="Org/base")
    ),
    Case("base_open", GOOD, SOUND, with_base(gated=True)),
    Case("base_gated", BLOCKER, with_base(available=False, problem_code="gated_repo", gated=True)),
    Case("base_gated", INFO, with_base(gated=True)),
    Case("base_unknown", BLOCKER, with_base(available=False, problem_code="not_found_or_private")),
    Case("base_disabled", BLOCKER, with_base(available=False, problem_code="disabled_repo")),
    Case("base_unread", WARNING, with_base(available=False, problem="No.", problem_code="hub_unreachable")),
    Case("base_is_adapter", BLOCKER, with_base(is_adapter=True)),
    Case("base_no_safetensors", BLOCKER, with_base(weights="pickle")),
    Case("base_no_safetensors", BLOCKER, with_base(weights="gguf")),
    Case("remote_code", WARNING, with_base(remote_code=True)),
    Case("base_quantized", BLOCKER, with_base(quantization="bitsandbytes 4-bit")),
    Case("memory_unknown", INFO, with_base(parameters=None), with_base(parameters=None, quantization="awq")),
    Case("memory_approximate", INFO, with_base(tied_embeddings=None)),
]
FIT_CASES = [
    Case("fits_base", GOOD, SOUND, replace(SOUND, base_tensors=None)),
    Case("modules_unmatched", WARNING, of_tensors(*lora("transformer.h.0.attn.c_attn", 8, 64, 192))),
    Case("modules_unmatched", WARNING, with_tensors(*lora("model.layers.2.self_attn.q_proj", 8, 64, 64))),
    Case("shape_mismatch", BLOCKER, of_tensors(*lora("model.layers.0.self_attn.q_proj", 8, 128, 128))),
    Case(
        "shape_mismatch",
        BLOCKER,
        of_tensors(tensor("prompt_embeddings", 8, 96), **PROMPT),
        of_tensors(tensor("prompt_embeddings", 8, 64), **PROMPT),
    ),
    Case(
        "vocabulary_mismatch",
        WARNING,
        with_tensors(tensor("base_model.model.lm_head.weight", 515, 64)),
        with_tensors(tensor("base_model.model.lm_head.weight", 512, 64)),
    ),
    Case("vocabulary_mismatch", WARNING, with_tensors(tensor(f"{EMBEDDINGS}.lora_embedding_A", 8, 515))),
    Case("vocabulary_mismatch", WARNING, with_tensors(*lora("lm_head", 8, 64, 515))),
    Case(
        "targets_without_tensors",
        WARNING,
        with_config(target_modules=["q_proj", "v_proj"]),
        with_config(target_modules=["q_proj", "query_key_value"]),
    ),
    Case(
        "tokens_beyond_vocabulary",
        WARNING,
        with_config(trainable_token_indices={"embed_tokens": [3, 512]}),
        with_config(trainable_token_indices=[3, 511]),
    ),
    Case("layers_beyond_base", WARNING, with_config(layers_to_transform=[0, 2])),
    Case(
        "layers_beyond_base", WARNING, with_config(layers_to_transform=2), with_config(layers_to_transform=1)
    ),
]
LICENSE_CASES = [
    Case("license_stated", GOOD, SOUND, replace(SOUND, license="other")),
    Case("license_missing", INFO, replace(SOUND, license=None)),
    Case(
        "license_missing", INFO, replace(SOUND, license=None), replace(SOUND, license=None, card_read=False)
    ),
    Case("license_at_odds", INFO, with_base(license="llama3.1")),
    Case(
        "license_at_odds",
        WARNING,
        with_base(license="cc-by-nc-4.0"),
        replace(with_base(license="cc-by-nc-4.0"), license="cc-by-nc-4.0"),
    ),
]
CASES = [
    *FILE_CASES, *CONFIG_CASES, *WEIGHT_CASES, *BASE_CASES, *FIT_CASES, *LICENSE_CASES
]  # fmt: skip


def test_a_sound_adapter_has_only_good_findings():
    assert codes(SOUND) == codes(SOUND, GOOD)
    assert codes(SOUND) == {
        "base_open", "fits_base", "has_effect", "header_sound", "license_stated", "safetensors"
    }  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.code)
def test_what_calls_for_a_finding_gets_it_and_nothing_else_does(case: Case):
    assert case.code in codes(case.has, case.level)
    assert case.code not in codes(case.has_not)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.code)
def test_the_table_of_codes_knows_how_much_each_matters(case: Case):
    usual = CODES[case.code].level
    assert case.level is usual or any(one.code == case.code and one.level is usual for one in CASES)


def test_blockers_stand_first_and_good_news_last():
    levels = [finding.level for finding in find(with_config(peft_type="QUANTUM", task_type=None), PEFT)]
    assert levels[0] is BLOCKER
    assert levels[-1] is GOOD
    assert levels == sorted(levels, key=list(reversed(Level)).index)


def test_every_message_is_one_sentence_with_a_bounded_length():
    wild = with_config(
        peft_type="Q\n" * 32,
        base_model_name_or_path="/x" * 2000,
        peft_version="9." * 30,
        task_type="T" * 60,
        init_lora_weights="p" * 60,
        target_modules=["m" * 5000],
        modules_to_save=["s\n" * 2000],
        **{f"field_{number}_{'x' * 400}": 1 for number in range(50)},
    )
    evidence = replace(
        wild,
        base=None,
        tensors=(tensor("n\n\t" * 2000, 2), tensor("m" * 5000, 2)),
        values=replace(SOUND.values, not_finite="v\n" * 2000),
        license="l" * 5000,
    )
    wild_names = of_tensors(*lora(f"model.layers.0.{'w' * 5000}", 8, 128, 128), peft_type="LORA")
    for finding in (
        *find(evidence, PEFT),
        *find(wild_names, PEFT),
        *(one for case in CASES for one in find(case.has, PEFT)),
    ):
        assert finding.message.endswith(".")
        assert len(finding.message) < 500
        assert "\n" not in finding.message
