"""Inspections end to end: what is read, what it costs, and that it is the truth."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from adapter_ui.catalog.catalog import Catalog
from adapter_ui.catalog.storage.bases import fetch_adapter
from adapter_ui.domain import AdapterRef, Level, Precision
from adapter_ui.errors import GatedRepo, HubError, HubUnreachable, InvalidInput, NotFoundOrPrivate
from tests.catalog.folders import adapter_files, lora_tensors, write_adapter
from tests.conftest import finish
from tests.hub.catalogue import (
    CLASSIFIER_ID,
    DISABLED_ID,
    DORA_ID,
    GATED_ID,
    IA3_ID,
    LOCAL_BASE_ID,
    LORA_ID,
    MEMBER_TOKEN,
    MISSING_BASE_ID,
    NEWER_PEFT_ID,
    PICKLE_ID,
    PRIVATE_ID,
    SUBFOLDER_ID,
    WIDE_LORA_ID,
    add_awkward_repos,
    add_real_repos,
    add_users,
)
from tests.hub.light_adapters import light_base_files
from tests.hub.tiny_models import LABEL_COUNT, LLAMA_ID


@pytest.fixture
def full(server, tiny_models):
    add_users(server)
    add_awkward_repos(server)
    add_real_repos(server, tiny_models)
    return server


def inspect(catalog: Catalog, name: str):
    return catalog.inspect(AdapterRef.parse(name))


def codes(profile, level: Level | None = None) -> set[str]:
    return {finding.code for finding in profile.findings if level in (None, finding.level)}


@pytest.mark.parametrize(
    ("repo_id", "folder", "method", "rank"),
    [
        (LORA_ID, "lora", "LORA", 4),
        (WIDE_LORA_ID, "lora-wide", "LORA", 8),
        (DORA_ID, "dora", "LORA", 4),
        (IA3_ID, "ia3", "IA3", None),
        (CLASSIFIER_ID, "classifier", "LORA", 4),
    ],
)
def test_a_profile_is_the_truth_about_a_real_adapter(
    full, catalog, tiny_models, repo_id, folder, method, rank
):
    profile = inspect(catalog, repo_id)
    path = tiny_models / folder / "adapter_model.safetensors"
    tensors = load_file(path)
    assert profile.parameters == sum(tensor.size for tensor in tensors.values())
    assert profile.size_bytes == path.stat().st_size
    assert (profile.method, profile.rank, profile.dtype) == (method, rank, "float32")
    assert sum(module.parameters for module in profile.modules) == profile.parameters
    assert profile.config["peft_type"] == method
    assert not profile.blockers
    assert {"safetensors", "header_sound", "base_open"} <= codes(profile, Level.GOOD)


def test_modules_are_those_that_peft_changes(full, catalog, tiny_models):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(tiny_models / "llama")
    model = PeftModel.from_pretrained(base, tiny_models / "lora-wide")
    truth = {
        name.removeprefix("base_model.model.")
        for name, module in model.named_modules()
        if hasattr(module, "lora_A")
    }
    profile = inspect(catalog, WIDE_LORA_ID)
    assert {module.name for module in profile.modules} == truth
    assert {module.layer for module in profile.modules} == {0, 1}
    assert {module.rank for module in profile.modules} == {8}
    kinds = {module.kind for module in profile.modules}
    assert kinds == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def test_the_base_is_the_truth_about_a_real_base(full, catalog, tiny_models):
    from transformers import AutoModelForCausalLM

    base = inspect(catalog, LORA_ID).base
    model = AutoModelForCausalLM.from_pretrained(tiny_models / "llama")
    assert base.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert base.size_bytes == base.parameters * 4
    assert base.dtype == "float32"
    config = model.config
    assert (base.vocab_size, base.hidden_size, base.layers) == (
        config.vocab_size,
        config.hidden_size,
        config.num_hidden_layers,
    )
    assert (base.key_value_heads, base.head_size) == (config.num_key_value_heads, config.head_dim)
    assert (base.commit, base.license) == (full.repo(LLAMA_ID).sha, "apache-2.0")
    assert base.tied_embeddings is config.tie_word_embeddings


def test_an_inspection_reads_no_weights_whole(server, catalog):
    server.add_repo("tiny-org/base", light_base_files())
    server.add_repo(
        "a/large", adapter_files(tensors=lora_tensors(rank=64, layers=40, width=512), config={"r": 64})
    )
    size = server.repo("a/large").head.files["adapter_model.safetensors"].content.size
    profile = inspect(catalog, "a/large")
    assert profile.size_bytes == size > 10_000_000
    assert profile.rank == 64
    assert server.requests.bytes_served("a/large", "adapter_model.safetensors") <= 262_144
    assert all(record.range for record in server.requests.matching("/_cdn/*"))


def test_an_inspection_costs_few_requests_and_a_second_one_fewer(full, catalog):
    inspect(catalog, LORA_ID)
    # Metadata 1, three files with one hop each, the values of one matrix with a hop, the base's metadata 1,
    # its config.json with a hop, and its header in two reads with one hop each.
    assert len(full.requests) <= 16
    full.requests.clear()
    inspect(catalog, LORA_ID)
    assert [record.path for record in full.requests] == [f"/api/models/{LORA_ID}"]


def test_a_restart_remembers_what_a_commit_holds(full, catalog, settings):
    first = inspect(catalog, LORA_ID)
    full.requests.clear()
    again = Catalog(settings)
    unlike = {"available_bytes": 0, "checked": None}
    assert replace(inspect(again, LORA_ID), **unlike) == replace(first, **unlike)
    assert [record.path for record in full.requests] == [f"/api/models/{LORA_ID}"]
    again.close()


def test_a_new_commit_is_read_anew(server, catalog):
    repository = server.add_repo("a/lora", adapter_files())
    assert inspect(catalog, "a/lora").rank == 2
    old = repository.sha
    repository.commit(adapter_files({"r": 4}, lora_tensors(rank=4)))
    assert inspect(catalog, "a/lora").rank == 4
    assert inspect(catalog, f"a/lora@{old}").rank == 2
    assert inspect(catalog, f"a/lora@{old}").commit == old


@pytest.mark.parametrize(
    ("repo_id", "code"),
    [
        (PICKLE_ID, "pickle_only"),
        (MISSING_BASE_ID, "base_unknown"),
        (NEWER_PEFT_ID, "unknown_method"),
        (LOCAL_BASE_ID, "base_is_local_path"),
        (SUBFOLDER_ID, "config_missing"),
        (GATED_ID, "gated"),
    ],
)
def test_what_cannot_be_loaded_says_why(full, catalog, repo_id, code):
    profile = inspect(catalog, repo_id)
    assert code in codes(profile, Level.BLOCKER)
    assert profile.findings[0].level is Level.BLOCKER


@pytest.mark.parametrize(
    ("repo_id", "error"),
    [(PRIVATE_ID, NotFoundOrPrivate), ("no/such", NotFoundOrPrivate), (DISABLED_ID, HubError)],
)
def test_what_may_not_be_seen_is_an_error(full, catalog, repo_id, error):
    with pytest.raises(error):
        inspect(catalog, repo_id)


def test_a_gated_adapter_is_open_to_its_members(full, settings):
    member = Catalog(replace(settings, hub_token=MEMBER_TOKEN))
    profile = inspect(member, GATED_ID)
    assert not profile.blockers
    assert profile.rank == 4
    member.close()


def test_a_gated_base_blocks_an_open_adapter(server, catalog):
    server.add_repo("tiny-org/base", light_base_files(), gated="manual")
    server.add_repo("a/lora", adapter_files())
    profile = inspect(catalog, "a/lora")
    assert codes(profile, Level.BLOCKER) == {"base_gated"}
    assert profile.rank == 2


def test_the_classes_of_a_head_reach_the_snippet(full, catalog):
    profile = inspect(catalog, CLASSIFIER_ID)
    assert "AutoModelForSequenceClassification" in profile.snippet
    assert profile.label_count == LABEL_COUNT
    assert f"num_labels={LABEL_COUNT}" in profile.snippet
    assert "modules_to_save" in codes(profile, Level.INFO)


def test_a_renamed_adapter_says_its_new_name(full, catalog):
    full.rename(LORA_ID, "ada/better-name")
    profile = inspect(catalog, LORA_ID)
    assert "renamed" in codes(profile)
    assert profile.rank == 4


def test_memory_is_predicted_for_every_precision(full, catalog):
    profile = inspect(catalog, LORA_ID)
    assert profile.memory.keys() == set(Precision)
    assert profile.memory[Precision.FP32].weights == profile.base.parameters * 4
    assert profile.available_bytes > 0
    assert profile.ratio == profile.parameters / profile.base.parameters


def test_the_card_comes_without_its_front_matter(server, catalog):
    server.add_repo("a/lora", adapter_files(card="---\nlicense: mit\n---\n\n# Title\n\nText.\n"))
    assert inspect(catalog, "a/lora").card == "# Title\n\nText."


def test_an_empty_card_is_no_obstacle(server, catalog):
    server.add_repo("a/lora", adapter_files(card=""))
    assert inspect(catalog, "a/lora").card == ""


def test_an_endless_card_is_cut(server, catalog):
    server.add_repo("a/lora", adapter_files(card="# Title\n" + "x" * 1_000_000))
    assert len(inspect(catalog, "a/lora").card) <= 200_000
    assert server.requests.bytes_served("a/lora", "README.md") <= 200_000


def test_the_cards_base_takes_the_place_of_a_path(server, catalog):
    server.add_repo("tiny-org/base", light_base_files())
    path = {"base_model_name_or_path": "/home/someone/model"}
    server.add_repo("a/lora", adapter_files(path, card="---\nbase_model: tiny-org/base\n---\n"))
    profile = inspect(catalog, "a/lora")
    assert profile.base.id == "tiny-org/base"
    assert "base_is_local_path" in codes(profile, Level.WARNING)
    assert not profile.blockers


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"adapter_config.json": "{"}, "config_unreadable"),
        ({"adapter_config.json": '{"peft_type": "LORA", "lora_alpha": NaN}'}, "non_finite"),
        ({"adapter_config.json": " " * 1_000_001}, "file_too_large"),
        ({"adapter_model.safetensors": b"\x80\x04\x95" + b"\0" * 50}, "header_unreadable"),
        ({"adapter_model.safetensors": save(lora_tensors())[:-8]}, "header_unreadable"),
        ({"adapter_model.safetensors": save({})}, "no_weights"),
        ({"adapter_model.safetensors": b""}, "header_unreadable"),
        ({"adapter_config.json": b""}, "config_unreadable"),
    ],
)
def test_one_unsound_file_is_a_finding_and_the_others_are_read(server, catalog, files, code):
    server.add_repo("tiny-org/base", light_base_files())
    server.add_repo("a/lora", adapter_files(card="# Card") | files)
    profile = inspect(catalog, "a/lora")
    assert codes(profile, Level.BLOCKER) == {code}
    assert profile.card == "# Card"


def test_a_header_beyond_the_bound_is_a_warning(server, catalog):
    server.add_repo("tiny-org/base", light_base_files())
    tensors = {
        f"base_model.model.layers.{n}.{'x' * 80}.lora_A.weight": np.zeros((2, 1), np.float32)
        for n in range(2500)
    }
    server.add_repo("a/lora", adapter_files(tensors=tensors))
    profile = inspect(catalog, "a/lora")
    assert "header_too_large" in codes(profile, Level.WARNING)
    assert (profile.rank, profile.parameters) == (2, None)
    assert server.requests.bytes_served("a/lora", "adapter_model.safetensors") <= 262_144


def test_a_silent_hub_leaves_what_was_downloaded(full, catalog, settings):
    online = inspect(catalog, LORA_ID)
    finish(fetch_adapter(settings, catalog.hub, AdapterRef.parse(LORA_ID), online.commit))
    (settings.home / "cache.sqlite").unlink()
    full.stop()
    forgetful = Catalog(settings)
    copy = inspect(forgetful, LORA_ID)
    assert (copy.commit, copy.rank, copy.parameters) == (online.commit, online.rank, online.parameters)
    assert "downloaded_copy" in codes(copy, Level.INFO)
    assert datetime.fromisoformat(copy.checked).utcoffset() == timedelta(0)
    assert not copy.blockers
    with pytest.raises(HubUnreachable):
        inspect(forgetful, f"{LORA_ID}@other")
    forgetful.close()


def test_a_silent_hub_is_an_error_of_the_hub(full, catalog):
    full.stop()
    with pytest.raises(HubUnreachable):
        inspect(catalog, LORA_ID)


def test_a_hub_that_fails_in_the_middle_leaves_what_could_be_read(full, catalog):
    full.faults.inject("/_cdn/*", status=500)
    profile = inspect(catalog, LORA_ID)
    assert (profile.method, profile.rank, profile.parameters, profile.modules) == ("LORA", 4, None, ())
    (finding,) = (one for one in profile.findings if one.code == "not_all_read")
    assert finding.level is Level.WARNING
    assert "status 500" in finding.message
    full.faults.clear()
    assert inspect(catalog, LORA_ID).parameters


def test_a_hub_that_fails_before_the_config_is_known_is_an_error_of_the_hub(full, catalog):
    full.faults.inject("/*/adapter_config.json", status=500)
    with pytest.raises(HubUnreachable):
        inspect(catalog, LORA_ID)


def test_an_adapter_on_this_machine_needs_no_hub(server, catalog, settings, starter):
    server.stop()
    (starter / "base.json").write_text(
        json.dumps({"id": "tiny-org/base", "parameters": 1000, "architectures": ["X"]})
    )
    write_adapter(starter / "pirate")
    profile = inspect(catalog, "starter:pirate")
    assert (profile.rank, profile.commit) == (2, None)
    assert profile.base.parameters == 1000
    assert profile.base.architectures == ("X",)
    assert not profile.blockers
    write_adapter(settings.folder / "mine", config={"base_model_name_or_path": "other/base"})
    profile = inspect(catalog, "folder:mine")
    assert not profile.base.available
    assert "base_unread" in codes(profile, Level.WARNING)


def test_a_folder_is_only_for_what_is_on_this_machine(catalog, settings):
    folder = write_adapter(settings.folder / "mine")
    assert catalog.folder(AdapterRef.parse("folder:mine")) == folder.resolve()
    with pytest.raises(InvalidInput):
        catalog.folder(AdapterRef.parse("a/b"))


def test_gated_files_never_raise_out_of_an_inspection(full, catalog):
    try:
        inspect(catalog, GATED_ID)
    except GatedRepo:
        pytest.fail("a gated adapter must be a finding")
