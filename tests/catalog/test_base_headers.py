"""The headers of bases on the Hub: what is read of them, what they settle, and files that are not sound."""

from __future__ import annotations

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save

from adapter_ui.catalog.bases import headers
from adapter_ui.catalog.bases.reader import BaseReader
from adapter_ui.catalog.catalog import Catalog
from adapter_ui.catalog.hub.client import Hub
from adapter_ui.catalog.storage.cache import Cache

BASE_ID = "tiny-org/base"
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "vocab_size": 32,
}
TENSORS = {
    "model.embed_tokens.weight": np.zeros((32, 8), np.float16),
    "model.layers.0.self_attn.q_proj.weight": np.zeros((8, 8), np.float16),
    "model.layers.0.mlp.down_proj.weight": np.zeros((8, 16), np.float16),
    "model.norm.weight": np.zeros(8, np.float16),
    "lm_head.weight": np.zeros((32, 8), np.float16),
}
SHAPES = {name: tensor.shape for name, tensor in TENSORS.items()}
INDEX = headers.INDEX


@pytest.fixture
def reader(settings) -> BaseReader:
    return BaseReader(settings, Hub(settings), Cache(settings.home / "cache.sqlite"))


def base_files(tensors=TENSORS, shards: int = 1, **config) -> dict[str, bytes | str]:
    files: dict[str, bytes | str] = {"config.json": json.dumps(CONFIG | config)}
    if shards == 1:
        return files | {"model.safetensors": save(tensors)}
    names = sorted(tensors)
    parts = {f"model-{part}.safetensors": names[part::shards] for part in range(shards)}
    files |= {file: save({name: tensors[name] for name in part}) for file, part in parts.items()}
    weight_map = {name: file for file, part in parts.items() for name in part}
    return files | {INDEX: json.dumps({"metadata": {}, "weight_map": weight_map})}


def header_bytes(data: bytes) -> int:
    return 8 + struct.unpack("<Q", data[:8])[0]


@pytest.mark.parametrize("shards", [1, 3])
def test_only_headers_are_read_and_only_once(server, reader, settings, shards):
    files = base_files(shards=shards)
    server.add_repo(BASE_ID, files)
    assert reader.tensors(BASE_ID) == SHAPES
    weights = [name for name in files if name.endswith(".safetensors")]
    assert len(weights) == shards
    for name in weights:
        assert server.requests.bytes_served(BASE_ID, name) == header_bytes(files[name])
    server.requests.clear()
    assert reader.tensors(BASE_ID) == SHAPES
    again = BaseReader(settings, Hub(settings), Cache(settings.home / "cache.sqlite"))
    assert again.tensors(BASE_ID) == SHAPES
    assert len(server.requests) == 0


def test_a_list_row_reads_no_header(server, reader):
    server.add_repo(BASE_ID, base_files())
    facts = reader.facts(BASE_ID)
    assert facts.linear_parameters is None
    assert server.requests.bytes_served(BASE_ID, "model.safetensors") == 0
    assert server.requests.count("/api/*", bucket="api") == 1


@pytest.mark.parametrize("shards", [1, 2])
def test_exact_facts_tell_what_bitsandbytes_quantises(server, reader, shards):
    server.add_repo(BASE_ID, base_files(shards=shards))
    facts = reader.exact_facts(BASE_ID)
    assert (facts.linear_parameters, facts.linear_rows) == (8 * 8 + 8 * 16, 16)
    assert facts.parameters == sum(tensor.size for tensor in TENSORS.values())
    assert facts.size_bytes == 2 * facts.parameters
    assert (facts.dtype, facts.tied_embeddings, facts.output_parameters) == ("float16", False, 32 * 8)


def test_an_output_layer_that_copies_the_embeddings_is_no_second_one(server, reader):
    server.add_repo(BASE_ID, base_files(tie_word_embeddings=True))
    server.add_repo("tiny-org/other", base_files({name: TENSORS[name] for name in list(TENSORS)[:-1]}))
    stored, left_out = reader.exact_facts(BASE_ID), reader.exact_facts("tiny-org/other")
    assert stored.tied_embeddings is left_out.tied_embeddings is True
    assert stored.parameters == left_out.parameters
    assert stored.output_parameters == left_out.output_parameters == 0


def test_a_base_without_safetensors_has_no_tensors(server, reader):
    server.add_repo(BASE_ID, {"config.json": json.dumps(CONFIG), "pytorch_model.bin": b"x" * 100})
    assert reader.tensors(BASE_ID) is None
    assert reader.exact_facts(BASE_ID) == reader.facts(BASE_ID)
    assert reader.tensors("no/such") is None


UNSOUND = {
    "no header": base_files() | {"model.safetensors": b"PK"},
    "a header beyond the file": base_files() | {"model.safetensors": b"\xff" * 100},
    "no JSON": base_files() | {"model.safetensors": struct.pack("<Q", 4) + b"\xff\xff\xff\xff"},
    "data cut": base_files() | {"model.safetensors": save(TENSORS)[:-8]},
    "an index of no JSON": base_files(shards=2) | {INDEX: b"{"},
    "an index without a map": base_files(shards=2) | {INDEX: json.dumps({"metadata": {}})},
    "an empty index": base_files(shards=2) | {INDEX: json.dumps({"weight_map": {}})},
    "a shard elsewhere": base_files(shards=2)
    | {INDEX: json.dumps({"weight_map": {"a": "../x.safetensors"}})},
    "a shard that is not there": base_files(shards=2)
    | {INDEX: json.dumps({"weight_map": {"a": "model-9.safetensors"}})},
    "a shard that is a number": base_files(shards=2) | {INDEX: json.dumps({"weight_map": {"a": 1}})},
}


@pytest.mark.parametrize("files", UNSOUND.values(), ids=UNSOUND)
def test_an_unsound_header_leaves_the_metadata(server, reader, files):
    server.add_repo(BASE_ID, files)
    assert reader.tensors(BASE_ID) is None
    assert reader.exact_facts(BASE_ID) == reader.facts(BASE_ID)
    assert reader.facts(BASE_ID).hidden_size == 8


@pytest.mark.parametrize(
    ("bound", "value"),
    [("MOST_READ", 2), ("HEADER_BYTES", 50), ("ALL_HEADERS_BYTES", 300), ("INDEX_BYTES", 50)],
)
def test_what_is_read_is_bounded(server, reader, monkeypatch, bound, value):
    monkeypatch.setattr(headers, bound, value)
    files = base_files(shards=3)
    server.add_repo(BASE_ID, files)
    assert reader.tensors(BASE_ID) is None
    read = sum(server.requests.bytes_served(BASE_ID, name) for name in files if name.endswith(".safetensors"))
    assert read <= 3 * 8


def test_a_hub_that_fails_meanwhile_costs_one_try_and_the_metadata_stay(server, reader):
    server.add_repo(BASE_ID, base_files())
    reader.facts(BASE_ID)
    server.faults.inject("*/model.safetensors", status=404)
    assert reader.tensors(BASE_ID) is None
    server.requests.clear()
    assert reader.exact_facts(BASE_ID) == reader.facts(BASE_ID)
    assert len(server.requests) == 0


def test_a_second_process_asks_nothing_for_a_day(server, settings, catalog):
    server.add_repo(BASE_ID, base_files())
    first = catalog.base_facts(BASE_ID)
    server.requests.clear()
    again = Catalog(settings)
    assert again.base_facts(BASE_ID) == first
    assert len(server.requests) == 0
    again.close()


def test_older_facts_are_asked_for_again(server, reader, settings, monkeypatch):
    repository = server.add_repo(BASE_ID, base_files())
    reader.facts(BASE_ID)
    repository.commit(base_files(vocab_size=64))
    again = BaseReader(settings, Hub(settings), Cache(settings.home / "cache.sqlite"))
    assert again.facts(BASE_ID).vocab_size == 32
    monkeypatch.setattr("adapter_ui.catalog.bases.kept.FRESH_SECONDS", 0)
    later = BaseReader(settings, Hub(settings), Cache(settings.home / "cache.sqlite"))
    assert later.facts(BASE_ID).vocab_size == 64
    assert later.facts(BASE_ID).checked is None


@pytest.mark.parametrize("silence", ["stopped", "busy", "config"])
def test_older_facts_are_dated_when_the_hub_is_silent(server, reader, settings, monkeypatch, silence):
    repository = server.add_repo(BASE_ID, base_files())
    first = reader.exact_facts(BASE_ID)
    monkeypatch.setattr("adapter_ui.catalog.bases.kept.FRESH_SECONDS", 0)
    if silence == "stopped":
        server.stop()
    elif silence == "busy":
        server.faults.inject("/api/models/*", status=429)
    else:
        repository.commit(base_files(vocab_size=64))
        server.faults.inject("*/config.json", status=429)
    later = BaseReader(settings, Hub(settings), Cache(settings.home / "cache.sqlite"))
    found = later.exact_facts(BASE_ID)
    assert found.checked is not None
    assert found.checked.startswith("20")
    assert replace(found, checked=None) == first


def test_facts_of_a_base_that_is_gone_are_not_given(server, reader, settings, monkeypatch):
    server.add_repo(BASE_ID, base_files())
    reader.facts(BASE_ID)
    monkeypatch.setattr("adapter_ui.catalog.bases.kept.FRESH_SECONDS", 0)
    server.faults.inject("/api/models/*", status=404)
    later = BaseReader(settings, Hub(settings), Cache(settings.home / "cache.sqlite"))
    assert later.facts(BASE_ID).problem_code == "not_found_or_private"


def test_a_base_on_this_machine_gives_its_tensors_when_the_hub_is_silent(server, reader, settings):
    server.stop()
    folder = settings.hub_cache / f"models--{BASE_ID.replace('/', '--')}" / "snapshots" / ("a" * 40)
    folder.mkdir(parents=True)
    for name, content in (base_files() | {"tokenizer.json": "{}"}).items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert reader.tensors(BASE_ID) == SHAPES
    assert reader.exact_facts(BASE_ID).commit == "a" * 40
