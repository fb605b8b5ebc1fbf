"""Each finding from the evidence that calls for it, and none without."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from adapter_ui.catalog.findings.evidence import Evidence
from adapter_ui.catalog.findings.rules import find
from adapter_ui.catalog.profiles.config import AdapterConfig
from adapter_ui.domain import AdapterRef, BaseFacts, Level, TensorInfo

PEFT = "0.21.2"
FILES = {"adapter_config.json": 100, "adapter_model.safetensors": 1000}
BASE = BaseFacts(
    "org/base",
    parameters=10**6,
    vocab_size=512,
    hidden_size=64,
    layers=2,
    key_value_heads=2,
    head_size=16,
    tied_embeddings=True,
    weights="safetensors",
)
Q_PROJ = "base_model.model.model.layers.0.self_attn.q_proj"


def tensor(name: str, *shape: int) -> TensorInfo:
    return TensorInfo(name, "F32", shape, 0, 0)


LORA = (tensor(f"{Q_PROJ}.lora_A.weight", 8, 64), tensor(f"{Q_PROJ}.lora_B.weight", 64, 8))
SOUND = Evidence(
    AdapterRef.parse("a/lora"),
    FILES,
    AdapterConfig(
        peft_type="LORA", r=8, lora_alpha=16, task_type="CAUSAL_LM", base_model_name_or_path="org/base"
    ),
    LORA,
    BASE,
)


def codes(evidence: Evidence, *levels: Level) -> set[str]:
    return {finding.code for finding in find(evidence, PEFT) if not levels or finding.level in levels}


def with_config(**changes: Any) -> Evidence:
    return replace(SOUND, config=AdapterConfig(**(SOUND.config.model_dump(exclude_unset=True) | changes)))


def with_tensors(*more: TensorInfo, **changes: Any) -> Evidence:
    return replace(with_config(**changes), tensors=(*LORA, *more))


def with_base(**changes: Any) -> Evidence:
    return replace(SOUND, base=replace(BASE, **changes))


def test_a_sound_adapter_has_only_good_findings():
    assert codes(SOUND) == codes(SOUND, Level.GOOD) == {"safetensors", "base_open", "header_sound"}


@pytest.mark.parametrize(
    ("evidence", "level", "code"),
    [
        (replace(SOUND, files={}), Level.BLOCKER, "no_weights"),
        (replace(SOUND, files={}), Level.BLOCKER, "config_missing"),
        (
            replace(SOUND, files={"adapter_config.json": 1, "adapter_model.bin": 1}),
            Level.BLOCKER,
            "pickle_only",
        ),
        (replace(SOUND, files=FILES | {"adapter_model.bin": 1}), Level.INFO, "pickle_ignored"),
        (replace(SOUND, tensors=()), Level.BLOCKER, "no_weights"),
        (with_config(peft_type="QUANTUM"), Level.BLOCKER, "unknown_method"),
        (with_config(peft_type="BONE"), Level.BLOCKER, "unsupported_method"),
        (with_config(peft_type="XLORA"), Level.BLOCKER, "unsupported_method"),
        (with_config(megatron_config={"x": 1}), Level.BLOCKER, "megatron"),
        (with_config(peft_version="0.99.0"), Level.INFO, "needs_newer_peft"),
        (with_config(peft_version="0.99.0", use_magic=True), Level.WARNING, "needs_newer_peft"),
        (with_config(use_magic=True), Level.WARNING, "unknown_fields"),
        (with_config(auto_mapping={"parent_library": "os"}), Level.WARNING, "custom_class"),
        (with_config(task_type=None), Level.INFO, "task_missing"),
        (with_config(task_type="COOKING"), Level.WARNING, "unknown_task"),
        (with_config(init_lora_weights="pissa_niter_4"), Level.WARNING, "rewrites_base"),
        (with_config(init_lora_weights="olora"), Level.WARNING, "rewrites_base"),
        (with_config(lora_alpha=0), Level.WARNING, "no_effect"),
        (with_config(lora_alpha=8192.0), Level.WARNING, "large_scaling"),
        (with_config(layer_replication=[[0, 2], [1, 3]]), Level.WARNING, "layer_replication"),
        (with_config(use_dora=True), Level.INFO, "dora"),
        (with_config(r=16), Level.BLOCKER, "rank_mismatch"),
        (with_config(peft_type="IA3"), Level.BLOCKER, "no_method_tensors"),
        (replace(with_config(base_model_name_or_path=None), base=None), Level.BLOCKER, "base_missing"),
        (replace(with_config(base_model_name_or_path=""), base=None), Level.BLOCKER, "base_missing"),
        (
            replace(with_config(base_model_name_or_path="/home/me/x"), base=None),
            Level.BLOCKER,
            "base_is_local_path",
        ),
        (with_config(base_model_name_or_path="../x"), Level.WARNING, "base_is_local_path"),
        (
            replace(with_config(base_model_name_or_path=None), base_from_card=True),
            Level.WARNING,
            "base_from_card",
        ),
        (replace(SOUND, ref=AdapterRef.parse("Org/base")), Level.BLOCKER, "base_is_itself"),
        (with_base(available=False, problem_code="gated_repo", gated=True), Level.BLOCKER, "base_gated"),
        (with_base(gated=True), Level.INFO, "base_gated"),
        (with_base(available=False, problem_code="not_found_or_private"), Level.BLOCKER, "base_unknown"),
        (
            with_base(available=False, problem="No.", problem_code="hub_unreachable"),
            Level.WARNING,
            "base_unread",
        ),
        (with_base(is_adapter=True), Level.BLOCKER, "base_is_adapter"),
        (with_base(weights="pickle"), Level.BLOCKER, "base_no_safetensors"),
        (with_base(weights="gguf"), Level.BLOCKER, "base_no_safetensors"),
        (with_base(remote_code=True), Level.WARNING, "remote_code"),
        (with_base(quantization="bitsandbytes 4-bit"), Level.WARNING, "base_quantized"),
        (with_base(parameters=None), Level.INFO, "memory_unknown"),
        (with_base(tied_embeddings=None), Level.INFO, "memory_approximate"),
        (
            with_tensors(tensor("base_model.model.score.weight", 3, 64), modules_to_save=["score"]),
            Level.INFO,
            "modules_to_save",
        ),
        (
            with_tensors(tensor("base_model.model.classifier.out_proj.weight", 3, 64), task_type="SEQ_CLS"),
            Level.INFO,
            "modules_to_save",
        ),
        (with_tensors(tensor(f"{Q_PROJ}.bias", 64), bias="lora_only"), Level.INFO, "modules_to_save"),
        (
            with_tensors(tensor("base_model.model.model.embed_tokens.weight", 512, 64)),
            Level.WARNING,
            "extra_whole_modules",
        ),
        (
            with_tensors(tensor("base_model.model.lm_head.weight", 515, 64)),
            Level.WARNING,
            "vocabulary_mismatch",
        ),
        (with_tensors(tensor("base_model.model.model.norm.weight", 64)), Level.BLOCKER, "foreign_tensors"),
        (with_tensors(tensor(f"{Q_PROJ}.weight", 64, 64)), Level.BLOCKER, "foreign_tensors"),
        (with_tensors(tensor(f"{Q_PROJ}.bias", 64)), Level.BLOCKER, "foreign_tensors"),
    ],
)
def test_what_calls_for_a_finding_gets_it(evidence, level, code):
    assert code in codes(evidence, level)
    assert code not in codes(SOUND)


@pytest.mark.parametrize(
    ("evidence", "code"),
    [
        (with_config(r=4, rank_pattern={"q_proj": 8}), "rank_mismatch"),
        (with_config(r=None), "rank_mismatch"),
        (with_config(r=4, target_parameters=["experts.w"]), "rank_mismatch"),
        (with_config(peft_version="0.21.2"), "needs_newer_peft"),
        (with_config(peft_version="0.3.0.dev0"), "needs_newer_peft"),
        (with_config(peft_version="UNKNOWN"), "needs_newer_peft"),
        (with_config(peft_version="0.18.2.dev0@3f1c0ffee"), "needs_newer_peft"),
        (with_config(init_lora_weights="gaussian"), "rewrites_base"),
        (with_config(use_magic=True, peft_type="IA3"), "unknown_fields"),
        (with_config(megatron_core="megatron.core"), "megatron"),
        (with_tensors(tensor("base_model.model.lm_head.weight", 512, 64)), "vocabulary_mismatch"),
        (
            with_tensors(
                tensor("base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta", 2, 64)
            ),
            "foreign_tensors",
        ),
    ],
)
def test_what_is_in_order_gets_none(evidence, code):
    assert code not in codes(evidence)


def test_blockers_stand_first_and_good_news_last():
    levels = [finding.level for finding in find(with_config(peft_type="QUANTUM", task_type=None), PEFT)]
    assert levels[0] is Level.BLOCKER
    assert levels[-1] is Level.GOOD
    assert levels == sorted(levels, key=list(reversed(Level)).index)


def test_every_message_is_one_sentence_with_a_bounded_length():
    wild = with_config(
        peft_type="Q\n" * 32,
        base_model_name_or_path="/x" * 2000,
        peft_version="9." * 30,
        task_type="T" * 60,
        init_lora_weights="p" * 60,
        **{f"field_{number}_{'x' * 400}": 1 for number in range(50)},
    )
    evidence = replace(wild, base=None, tensors=(tensor("n\n\t" * 2000, 2), tensor("m" * 5000, 2)))
    for finding in find(evidence, PEFT):
        assert finding.message.endswith(".")
        assert len(finding.message) < 500
        assert "\n" not in finding.message
