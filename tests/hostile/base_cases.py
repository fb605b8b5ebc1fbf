"""Hostile bases under a sound LoRA."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from tests.hostile.adapter_cases import PAYLOAD
from tests.hostile.cases import OUTSIDE, Case, alter, base, beside

REFUSED = "base_unavailable"
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
GENERATION, TOKENIZER = "generation_config.json", "tokenizer_config.json"


def sharded(*names: object):
    """The weights as one shard, and an index that names something else."""

    def changed(adapter: Path, base: Path) -> None:
        (base / WEIGHTS).rename(base / "part.safetensors")
        keys = list(load_file(base / "part.safetensors"))
        weight_map = {key: names[number % len(names)] for number, key in enumerate(keys)}
        (base / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))

    return changed


def only_a_pickle(adapter: Path, base: Path) -> None:
    (base / WEIGHTS).unlink()
    (base / "pytorch_model.bin").write_bytes(PAYLOAD)


def pickles_by_an_index(adapter: Path, base: Path) -> None:
    only_a_pickle(adapter, base)
    (base / "pytorch_model.bin").rename(base / "part.bin")
    index = {"metadata": {}, "weight_map": {"model.embed_tokens.weight": "part.bin"}}
    (base / "pytorch_model.bin.index.json").write_text(json.dumps(index))


def pickle_beside(adapter: Path, base: Path) -> None:
    (base / "pytorch_model.bin").write_bytes(PAYLOAD)


def pickle_in_disguise(adapter: Path, base: Path) -> None:
    (base / WEIGHTS).write_bytes(PAYLOAD)


def code_beside(adapter: Path, base: Path) -> None:
    for name in ("modeling_evil.py", "custom_generate/generate.py"):
        (base / name).parent.mkdir(exist_ok=True)
        (base / name).write_text("raise SystemExit('code of a base was run')")
    auto = {"AutoConfig": "modeling_evil.Config", "AutoModelForCausalLM": "modeling_evil.Model"}
    alter(base / "config.json", auto_map=auto, custom_generate="evil/generate")


def an_adapter_too(adapter: Path, base: Path) -> None:
    alter(base / "adapter_config.json", peft_type="LORA", base_model_name_or_path="evil/third")


def without_a_layer(adapter: Path, base: Path) -> None:
    kept = {name: one for name, one in load_file(base / WEIGHTS).items() if "layers.1" not in name}
    save_file(kept, base / WEIGHTS, metadata={"format": "pt"})


def without_its_table(adapter: Path, base: Path) -> None:
    """Positions that its files lack, which transformers would make anew."""
    as_gpt2(base, n_positions=30_000_000)


def as_gpt2(base: Path, **changes: object) -> None:
    sizes = {"n_layer": 1, "n_head": 2, "n_embd": 16, "vocab_size": 512}
    (base / "config.json").write_text(json.dumps({"model_type": "gpt2", **sizes, **changes}))
    save_file({"transformer.wte.weight": torch.zeros(512, 16)}, base / WEIGHTS, metadata={"format": "pt"})


def tokenizer(**changes: object):
    """Fields of the tokenizer's program itself."""
    return beside("tokenizer.json", **changes)


def case(route: str):
    return lambda *rest: Case(route, *rest)


code = case("code with the base (auto_map)")
generating = case("code for generation (custom_generate)")
template = case("chat template")
tokens = case("tokenizer")
shards = case("index of shards")
numbers = case("numbers of the base's config")
defaults = case("generation config")
pickled = case("pickled base weights")
named = case("base by name (base_model_name_or_path)")

CASES: tuple[Case, ...] = (
    code("a model", base(auto_map={"AutoModelForCausalLM": "modeling_evil.Model"})),
    code("with its files", code_beside),
    code(
        "a tokenizer",
        beside(TOKENIZER, tokenizer_class="EvilTokenizer", auto_map={"AutoTokenizer": ["evil.A", "evil.B"]}),
        REFUSED,
        "tokenizer",
    ),
    code("a kernel", base(_attn_implementation="evil/kernel", experts_implementation="evil/kernel")),
    code("a kernel for a part", base(text_config={"_attn_implementation": "evil/kernel"}), REFUSED, ""),
    code("a type of its own", base(model_type="evil"), REFUSED, "no model type"),
    generating("in the config", base(custom_generate="evil/generate")),
    generating("in the generation config", beside(GENERATION, custom_generate="evil/generate")),
    generating("as a file", code_beside),
    template("that is a number", beside(TOKENIZER, chat_template=5)),
    template("by name", beside(TOKENIZER, chat_template=[{"name": "../../evil", "template": "x"}])),
    template("that is huge", beside(TOKENIZER, chat_template="{{ 1 }}" * 100_000)),
    tokens(
        "files of its own choice",
        beside(TOKENIZER, fast_tokenizer_files=[f"../..{OUTSIDE}/tokenizer.4.0.json"]),
        REFUSED,
        "fast_tokenizer_files",
    ),
    tokens(
        "a vocabulary by path",
        beside(TOKENIZER, vocab_file=f"{OUTSIDE}/vocab.json", tokenizer_file=f"{OUTSIDE}/tokenizer.json"),
    ),
    tokens("a program of no kind", tokenizer(normalizer={"type": "Evil"}), REFUSED, "tokenizer"),
    tokens("no program", tokenizer(model=5), REFUSED, "tokenizer"),
    shards("upwards", sharded("../outside.safetensors"), REFUSED, "unusual files"),
    shards("anywhere", sharded("part.safetensors", f"{OUTSIDE}/model.safetensors"), REFUSED, "unusual files"),
    shards("no names", sharded(7), REFUSED, "unusual files"),
    shards("not there", sharded("other.safetensors"), REFUSED, "lacks its weight file"),
    shards("chosen by the config", base(transformers_weights=f"{OUTSIDE}/model.safetensors")),
    numbers("ten million layers", base(num_hidden_layers=10**7), REFUSED, "num_hidden_layers"),
    numbers("layers of a part", base(text_config={"num_hidden_layers": 10**7}), REFUSED, "num_hidden_layers"),
    numbers("a wide vocabulary", base(vocab_size=2_000_000), REFUSED, "larger than its weights"),
    numbers("wide layers", base(hidden_size=65_536), REFUSED, "larger than its weights"),
    numbers("wide heads", base(head_dim=10**9), REFUSED, "GB in one tensor"),
    numbers("names of classes", base(num_labels=2_000_000), REFUSED, "num_labels"),
    numbers("a table of positions", without_its_table, REFUSED, "GB in one tensor"),
    numbers("a negative size", base(vocab_size=-1), REFUSED, "vocab_size"),
    numbers("a size that is text", base(hidden_size="wide"), REFUSED, "does not accept"),
    numbers("a long context", base(max_position_embeddings=10**12)),
    numbers("weights that are not there", without_a_layer, REFUSED, "tensors missing"),
    defaults("beams", beside(GENERATION, num_beams=500, max_new_tokens=10**7, do_sample=True)),
    defaults("beams in the config", base(num_beams=500, max_length=10**7)),
    defaults("an end that is no token", beside(GENERATION, eos_token_id="evil"), REFUSED, "no token"),
    defaults("a cache of its own", beside(GENERATION, cache_implementation="evil"), REFUSED, "evil"),
    pickled("alone", only_a_pickle, REFUSED, "no weights in safetensors"),
    pickled("by an index", pickles_by_an_index, REFUSED, "no weights in safetensors"),
    pickled("beside sound weights", pickle_beside),
    pickled("as a shard", sharded("part.bin"), REFUSED, ""),
    pickled("with another name", pickle_in_disguise, REFUSED, "larger than its weights"),
    named("an adapter of a third", an_adapter_too, REFUSED, "itself an adapter"),
)
