"""Adapters beside each other: real ones in full, and each rule at its edges."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from adapter_ui.catalog.comparison.sharing import one_base, one_batch
from adapter_ui.catalog.comparison.side_by_side import compare_configs, compare_modules, side_by_side
from adapter_ui.catalog.comparison.together import compare_adapters
from adapter_ui.domain import (
    AdapterProfile,
    AdapterRef,
    Agreement,
    BaseFacts,
    ComparedAdapter,
    Finding,
    Level,
    ModuleInfo,
    Precision,
    SideBySide,
)
from adapter_ui.errors import HubUnreachable, InvalidInput
from tests.hub.catalogue import CLASSIFIER_ID, DORA_ID, IA3_ID, LORA_ID, WIDE_LORA_ID, add_real_repos
from tests.hub.tiny_models import LLAMA_ID

ALL, SOME, NONE = Agreement.SAME, Agreement.PARTLY, Agreement.DIFFERS
BASE = BaseFacts("acme/base")
ONE, OTHER = AdapterRef.parse("acme/one"), AdapterRef.parse("acme/other")


@pytest.fixture
def compared(server, tiny_models, catalog):
    """Compares real adapters on the loopback Hub by their names."""
    add_real_repos(server, tiny_models)
    return lambda *names: compare_adapters(catalog.inspect, names, Precision.BF16)


def figures(found: SideBySide) -> dict[str, tuple[Agreement, list[object]]]:
    return {row.name: (row.agreement, list(row.values.values())) for row in found.figures}


def test_two_real_loras_of_different_rank(compared):
    found = compared(LORA_ID, WIDE_LORA_ID)
    small, wide = found.profiles
    said = figures(found)
    assert said["base"] == (ALL, [LLAMA_ID, LLAMA_ID])
    assert said["method"] == (ALL, ["LORA", "LORA"])
    assert said["rank"] == (NONE, [4, 8])
    assert said["scaling"] == (ALL, [2.0, 2.0])
    assert said["parameters"] == (NONE, [small.parameters, wide.parameters])
    assert said["memory"] == (NONE, [one.memory[Precision.BF16].total for one in (small, wide)])
    places = {group.kind: (group.agreement, group.layers, group.count) for group in found.modules}
    only_wide = ("k_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    assert places == dict.fromkeys(("q_proj", "v_proj"), (NONE, (0, 1), 2)) | dict.fromkeys(
        only_wide, (SOME, (0, 1), 2)
    )
    for profile in (small, wide):
        counted = [group.changes[profile.ref] for group in found.modules if profile.ref in group.changes]
        assert sum(change.parameters for change in counted) == profile.parameters
        assert {change.rank for change in counted} == {profile.rank}
    assert (found.one_base.possible, found.one_batch.possible) == (True, True)


def test_a_real_dora_shares_the_base_and_not_the_batch(compared):
    found = compared(LORA_ID, DORA_ID)
    config = {row.name: row for row in found.config}
    assert config["use_dora"].agreement is NONE
    assert list(config["use_dora"].values.values()) == [False, True]
    assert config["target_modules"].agreement is ALL
    assert figures(found)["variant"] == (SOME, ["DoRA"])
    assert found.one_base.possible is True
    assert found.one_batch.possible is False
    assert f"{DORA_ID} is a DoRA" in found.one_batch.reasons[0]


def test_real_adapters_of_two_methods_share_nothing(compared):
    found = compared(LORA_ID, IA3_ID, CLASSIFIER_ID)
    assert found.one_base.possible is False
    assert any("different bases" in reason for reason in found.one_base.reasons)
    assert any("AutoModelForSequenceClassification" in reason for reason in found.one_base.reasons)
    assert found.one_batch.possible is False
    ia3 = AdapterRef.parse(IA3_ID)
    lacking = {row.name for row in found.config if ia3 not in row.values}
    assert {"r", "lora_alpha", "lora_dropout"} <= lacking


def profile(ref: AdapterRef = ONE, **fields: object) -> AdapterProfile:
    plain = AdapterProfile(
        ref,
        "c" * 40,
        {"peft_type": "LORA"},
        "LORA",
        "CAUSAL_LM",
        8,
        100,
        400,
        "float32",
        BaseFacts("acme/base"),
    )
    return replace(plain, **fields)


def pair(**fields: object) -> list[AdapterProfile]:
    """A plain LoRA, and another one with `fields`."""
    return [profile(), profile(OTHER, **fields)]


@pytest.mark.parametrize(
    ("one", "other", "agreement"),
    [
        ({"r": 8}, {"r": 16}, NONE),
        ({"r": 8}, {"r": None}, NONE),
        ({"r": 8}, {}, SOME),
        ({"r": None}, {}, SOME),
        ({"lora_alpha": 16}, {"lora_alpha": 16.0}, ALL),
        ({"lora_bias": None}, {"lora_bias": None}, ALL),
        ({"bias": 1}, {"bias": True}, NONE),
        ({"target_modules": ["q", "v"]}, {"target_modules": ["v", "q"]}, ALL),
        ({"target_modules": ["q", "v"]}, {"target_modules": ["q"]}, NONE),
        ({"layers": ["q", "v"]}, {"layers": ["v", "q"]}, NONE),
        ({"rank_pattern": {"a": 1, "b": 2}}, {"rank_pattern": {"b": 2.0, "a": 1}}, ALL),
    ],
)
def test_fields_agree_by_what_they_mean(one, other, agreement):
    method = {"peft_type": "LORA"}
    rows = compare_configs([profile(config=one | method), profile(OTHER, config=other | method)])
    (row,) = (row for row in rows if row.name != "peft_type")
    assert row.agreement is agreement
    assert (ONE in row.values, OTHER in row.values) == (row.name in one, row.name in other)


def test_differing_fields_come_first_and_an_unreadable_config_makes_none_differ():
    one, other = {"a": 1, "b": 1, "c": 1}, {"a": 1, "c": 2}
    rows = compare_configs([profile(config=one), profile(OTHER, config=other), profile(config={})])
    assert [(row.name, row.agreement) for row in rows] == [("c", NONE), ("b", SOME), ("a", ALL)]


def module(place: str, layer: int, rank: int = 8, **fields: object) -> ModuleInfo:
    name = f"model.layers.{layer}.{place}"
    return ModuleInfo(name, place.rpartition(".")[2], layer, rank, rank * 100, **fields)


def test_many_modules_read_as_a_few_lines():
    kinds = ("self_attn.q_proj", "self_attn.v_proj", *(f"mlp.experts.{at}.w1" for at in range(16)))
    every = tuple(module(kind, layer) for layer in range(32) for kind in kinds)
    first_half = tuple(one for one in every if one.kind != "q_proj" or one.layer < 16)
    groups = compare_modules([profile(modules=every), profile(OTHER, modules=first_half)])
    assert [(one.place, one.layers[0], one.layers[-1], one.count, one.agreement) for one in groups] == [
        ("model.layers.*.self_attn.q_proj", 16, 31, 16, SOME),
        ("model.layers.*.mlp.experts.*.w1", 0, 31, 512, ALL),
        ("model.layers.*.self_attn.q_proj", 0, 15, 16, ALL),
        ("model.layers.*.self_attn.v_proj", 0, 31, 32, ALL),
    ]


def test_layers_of_another_rank_stand_apart():
    flat = tuple(module("q_proj", layer) for layer in range(4))
    steep = tuple(module("q_proj", layer, rank=32 if layer == 3 else 8) for layer in range(4))
    groups = compare_modules([profile(modules=flat), profile(OTHER, modules=steep)])
    assert [(one.layers, one.agreement) for one in groups] == [((3,), NONE), ((0, 1, 2), ALL)]
    assert [change.rank for change in groups[0].changes.values()] == [8, 32]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"base": BaseFacts("acme/elsewhere")}, "different bases: acme/base and acme/elsewhere"),
        ({"task_type": "SEQ_CLS"}, "different model classes"),
        ({"config": {"bias": "all"}}, "acme/other trains biases"),
        ({"config": {"trainable_token_indices": [5]}}, "acme/other trains single tokens"),
        ({"findings": (Finding(Level.BLOCKER, "pickle", "It is a pickle."),)}, "acme/other cannot be loaded"),
    ],
)
def test_what_keeps_adapters_off_one_base(fields, reason):
    verdict = one_base(pair(**fields), [])
    assert verdict.possible is False
    assert any(reason in said for said in verdict.reasons)
    assert one_batch(pair(**fields), verdict).possible is False


def test_two_methods_in_the_layers_share_no_base():
    both = [profile(method="IA3"), profile(OTHER, method="LOHA")]
    assert one_base(both, []).reasons == (
        "PEFT puts adapters of one method into a base; these are IA3 and LOHA.",
    )


def test_heads_with_other_numbers_of_labels_share_no_base():
    two, three = profile(label_count=2), profile(OTHER, label_count=3)
    assert one_base([two, three], []).reasons == ("Their classification heads have 2 and 3 labels.",)


@pytest.mark.parametrize("fields", [{"base": None}, {"method": None}])
def test_what_is_not_known_is_neither_yes_nor_no(fields):
    verdict = one_base(pair(**fields), [])
    assert verdict.possible is None
    assert "acme/other" in verdict.reasons[0]
    assert one_batch(pair(**fields), verdict).possible is None


def test_the_base_that_a_config_names_counts_where_its_facts_are_missing():
    config = {"base_model_name_or_path": "acme/base"}
    assert one_base(pair(base=None, config=config), []).possible is True


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"config": {"use_dora": True}}, "is a DoRA"),
        ({"config": {"target_parameters": ["experts.w1"]}}, "target_parameters"),
    ],
)
def test_what_keeps_adapters_on_one_base_out_of_one_batch(fields, reason):
    verdict = one_base(pair(**fields), [])
    assert verdict.possible is True
    batch = one_batch(pair(**fields), verdict)
    assert batch.possible is False
    assert reason in batch.reasons[0]


def test_prompts_share_a_base_and_no_batch():
    both = [profile(method="PROMPT_TUNING"), profile(OTHER, method="PROMPT_TUNING")]
    verdict = one_base(both, [])
    assert (verdict.possible, one_batch(both, verdict).possible) == (True, False)


def test_a_plain_lora_shares_its_base_with_any_method():
    both = pair(method="IA3")
    verdict = one_base(both, [])
    assert (verdict.possible, one_batch(both, verdict).possible) == (True, False)
    assert "an IA3 adapter" in one_batch(both, verdict).reasons[0]


def test_one_that_fails_keeps_its_place_and_the_others(compared):
    found = compared(LORA_ID, "acme/missing", WIDE_LORA_ID)
    assert [one.error is None for one in found.adapters] == [True, False, True]
    assert "acme/missing" in found.adapters[1].error
    assert len(figures(found)["rank"][1]) == 2
    assert found.one_base.possible is None
    assert found.one_base.reasons == ("acme/missing could not be read.",)


def test_nothing_is_compared_when_all_fail():
    failed = [ComparedAdapter(ref, error="The Hub cannot be reached; try again.") for ref in (ONE, OTHER)]
    found = side_by_side(failed, Precision.BF16)
    assert (found.figures, found.config, found.modules) == ((), (), ())
    assert (found.one_base.possible, found.one_batch.possible) == (None, None)


def test_adapters_are_inspected_at_the_same_time():
    together = threading.Barrier(3, timeout=20)

    def inspect(ref: AdapterRef) -> AdapterProfile:
        together.wait()
        if ref == OTHER:
            raise HubUnreachable("The Hub cannot be reached; try again.")
        return profile(ref)

    found = compare_adapters(inspect, ["acme/one", "acme/other", "starter:third"], Precision.BF16)
    assert [str(one.ref) for one in found.adapters] == ["acme/one", "acme/other", "starter:third"]
    assert found.adapters[1].error == "The Hub cannot be reached; try again."


@pytest.mark.parametrize(
    ("adapters", "why"),
    [
        ([], "2 to 4"),
        (["acme/one"], "2 to 4"),
        ([f"acme/{number}" for number in range(5)], "2 to 4"),
        ("acme/one", "2 to 4"),
        (["acme/one", " acme/one "], "acme/one twice"),
        (["acme/one", "../etc/passwd"], "is not the name of an adapter"),
        (["acme/one", "x" * 10_000], "is not the name of an adapter"),
    ],
)
def test_wrong_names_are_sentences_that_name_the_field(adapters, why):
    with pytest.raises(InvalidInput, match=why) as caught:
        compare_adapters(profile, adapters, Precision.BF16)
    assert caught.value.field == "adapters"
    assert "adapters" in caught.value.message
    assert len(caught.value.message) < 300
