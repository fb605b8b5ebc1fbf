"""Facts of bases: from metadata, from folders, from what is packaged, and when nobody answers."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import pytest

from adapter_ui.catalog.bases import kept, reader
from adapter_ui.catalog.bases.architecture import architecture
from adapter_ui.catalog.bases.facts import facts_from_metadata, local_base_facts
from adapter_ui.catalog.bases.weights import Stored, facts_with_tensors
from adapter_ui.catalog.catalog import Catalog
from adapter_ui.catalog.storage.bases import fetch_base
from adapter_ui.domain import BaseFacts
from adapter_ui.errors import BaseUnavailable
from tests.conftest import finish
from tests.hub.light_adapters import light_base_files
from tests.hub.tiny_models import LLAMA_ID

INFO = {"id": "org/base", "sha": "c0ffee"}


def test_a_local_folder_says_what_the_hub_says(server, catalog, tiny_models):
    server.add_repo(LLAMA_ID, tiny_models / "llama")
    remote = catalog.base_facts(LLAMA_ID)
    local = local_base_facts(tiny_models / "llama", LLAMA_ID)
    # A header takes a little room beside the tensors, and a folder has no commit and no licence.
    size = (tiny_models / "llama" / "model.safetensors").stat().st_size
    assert local.size_bytes == size
    assert (
        replace(local, size_bytes=remote.size_bytes, commit=remote.commit, license=remote.license) == remote
    )


@pytest.mark.parametrize("damage", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff" * 100, b"[]"])
def test_an_unsound_folder_is_refused(tiny_models, tmp_path, damage, content):
    folder = shutil.copytree(tiny_models / "llama", tmp_path / "llama")
    (folder / damage).unlink()
    if content is not None:
        (folder / damage).write_bytes(content)
    with pytest.raises(BaseUnavailable):
        local_base_facts(folder, "org/base")


@pytest.mark.parametrize(
    ("config", "shape"),
    [
        ({"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}, (64, 2, 4, 16)),
        (
            {
                "hidden_size": 64,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "num_key_value_heads": 1,
                "head_dim": 32,
            },
            (64, 2, 1, 32),
        ),
        ({"n_embd": 768, "n_layer": 12, "n_head": 12}, (768, 12, 12, 64)),
        ({"d_model": 512, "num_layers": 6, "num_heads": 8, "d_kv": 64}, (512, 6, 8, 64)),
        (
            {"text_config": {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 2}},
            (64, 3, 2, 32),
        ),
        ({}, (None, None, None, None)),
        (
            {
                "hidden_size": "64",
                "num_hidden_layers": -1,
                "num_attention_heads": 2.5,
                "num_key_value_heads": True,
            },
            (None,) * 4,
        ),
        ({"hidden_size": 2**60, "num_hidden_layers": 10**30}, (None,) * 4),
    ],
)
def test_the_shape_by_every_familys_names(config, shape):
    facts = BaseFacts("a/b", **architecture(config))
    assert (facts.hidden_size, facts.layers, facts.key_value_heads, facts.head_size) == shape


@pytest.mark.parametrize(
    ("section", "name"),
    [
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes 4-bit"),
        ({"load_in_8bit": True}, "bitsandbytes 8-bit"),
        ({"quant_method": "gptq"}, "gptq"),
        ({}, "unknown"),
        (None, None),
        ("x", None),
    ],
)
def test_a_quantized_base_is_told(section, name):
    assert architecture({"quantization_config": section})["quantization"] == name


def test_code_in_the_repository_is_told():
    assert architecture({"auto_map": {"AutoModel": "modeling.X"}})["remote_code"]
    assert not architecture({})["remote_code"]


def test_sizes_come_from_the_count_of_parameters_by_dtype():
    counted = {"parameters": {"BF16": 1000, "F32": 10, "F8_E4M3": 100}, "total": 5}
    facts = facts_from_metadata(INFO | {"safetensors": counted}, None)
    assert (facts.parameters, facts.size_bytes, facts.dtype) == (1110, 2140, "bfloat16")


@pytest.mark.parametrize(
    ("section", "by_dtype", "parameters"),
    [
        ({"load_in_4bit": True}, {"BF16": 1000, "U8": 4000}, None),
        ({"quant_method": "gptq"}, {"F16": 1000, "I32": 500}, None),
        ({"quant_method": "compressed-tensors"}, {"BF16": 1000, "I64": 500}, None),
        # one number for each weight, beside a word for each module
        ({"load_in_8bit": True}, {"F16": 1000, "I8": 4000, "U8": 3}, 5003),
        ({"quant_method": "fp8"}, {"BF16": 1000, "F8_E4M3": 4000}, 5000),
        (None, {"BF16": 1000, "U8": 4000}, 5000),
    ],
)
def test_packed_numbers_are_no_count_of_parameters(section, by_dtype, parameters):
    config = {"quantization_config": section, "vocab_size": 9}
    facts = facts_from_metadata(INFO | {"safetensors": {"parameters": by_dtype}}, config)
    assert facts.parameters == parameters
    assert facts.size_bytes
    tensors = {f"model.{dtype}.weight": Stored(dtype, (count, 1)) for dtype, count in by_dtype.items()}
    exact = facts_with_tensors(facts, tensors)
    assert (exact.parameters, exact.size_bytes) == (parameters, facts.size_bytes)
    assert (exact.linear_parameters is None) == (parameters is None)


def test_without_a_count_the_files_are_summed_and_the_parameters_stay_unknown():
    files = [
        ("model-1.safetensors", 600),
        ("model-2.safetensors", 400),
        ("pytorch_model.bin", 5),
        ("config.json", 1),
    ]
    facts = facts_from_metadata(
        INFO | {"siblings": [{"rfilename": name, "size": size} for name, size in files]}, None
    )
    assert (facts.parameters, facts.size_bytes, facts.weights) == (None, 1000, "safetensors")
    pickled = [{"rfilename": "pytorch_model.bin", "size": 7}]
    facts = facts_from_metadata(INFO | {"siblings": pickled}, None)
    assert (facts.size_bytes, facts.weights) == (7, "pickle")


@pytest.mark.parametrize(
    "info",
    [
        {"safetensors": []},
        {"safetensors": {"parameters": {"F32": -1, "BF16": "9", "X": True}}},
        {"safetensors": {"parameters": {"MYSTERY": 10}}},
        {"siblings": [7, {"rfilename": 5}, {"rfilename": "model.safetensors", "size": "big"}]},
        {"siblings": "x", "cardData": [], "sha": 7, "gated": None},
        {"cardData": {"license": ["mit", "other"]}},
    ],
)
def test_metadata_of_the_wrong_kind_is_unknown(info):
    facts = facts_from_metadata({"id": "org/base"} | info, None)
    assert facts.size_bytes is None
    assert facts.license is None


def test_a_base_that_is_an_adapter_is_told():
    assert facts_from_metadata(INFO | {"siblings": [{"rfilename": "adapter_config.json"}]}, None).is_adapter


def test_several_threads_ask_once(server, catalog):
    server.add_repo("tiny-org/base", light_base_files())
    server.faults.latency = 0.05
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(catalog.base_facts, ["tiny-org/base"] * 16))) == 1
    assert server.requests.count("/api/models/*") == 1


def test_a_failure_is_forgotten_soon(server, catalog, monkeypatch):
    monkeypatch.setattr(reader, "FAILURE_SECONDS", 0)
    assert catalog.base_facts("tiny-org/base").problem_code == "not_found_or_private"
    server.add_repo("tiny-org/base", light_base_files())
    assert catalog.base_facts("tiny-org/base").available


def test_a_failure_is_not_asked_for_again_at_once(server, catalog):
    assert not catalog.base_facts("no/such").available
    assert not catalog.base_facts("no/such").available
    assert len(server.requests) == 1


@pytest.mark.parametrize("config", [b"{", b"\xff", b" " * 2_000_001])
def test_an_unreadable_config_makes_the_base_unavailable(server, catalog, config):
    server.add_repo("tiny-org/base", light_base_files() | {"config.json": config})
    facts = catalog.base_facts("tiny-org/base")
    assert (facts.available, facts.problem_code) == (False, "base_unavailable")
    assert facts.parameters == 512 * 64


def test_packaged_facts_stand_in_for_the_embedded_base_only(server, catalog, starter):
    known = BaseFacts("tiny-org/base", parameters=5, architectures=("X",), tied_embeddings=True)
    (starter / "base.json").write_text(json.dumps(asdict(known) | {"added_later": 1}))
    assert catalog.base_facts("tiny-org/base") == known
    assert not catalog.base_facts("tiny-org/other").available


@pytest.mark.parametrize("packaged", [True, False])
def test_a_folder_takes_its_licence_from_what_the_hub_or_this_app_says(
    server, catalog, starter, settings, hub, tiny_models, monkeypatch, packaged
):
    monkeypatch.setattr(kept, "FRESH_SECONDS", 0)
    card = {"README.md": b"---\nlicense: apache-2.0\n---\n"}
    server.add_repo(LLAMA_ID, {path.name: path for path in (tiny_models / "llama").iterdir()} | card)
    finish(fetch_base(settings, hub, LLAMA_ID))
    if packaged:
        (starter / "base.json").write_text(json.dumps({"id": LLAMA_ID, "license": "apache-2.0"}))
    else:
        assert catalog.base_facts(LLAMA_ID).license == "apache-2.0"
    alone = Catalog(replace(settings, hub_endpoint="http://127.0.0.1:9"))
    facts = alone.base_facts(LLAMA_ID)
    alone.close()
    assert (facts.license, facts.layers) == ("apache-2.0", 2)


def test_the_hubs_facts_win_over_packaged_ones(server, catalog, starter):
    server.add_repo("tiny-org/base", light_base_files())
    (starter / "base.json").write_text(json.dumps({"id": "tiny-org/base", "parameters": 5}))
    assert catalog.base_facts("tiny-org/base").parameters == 512 * 64
