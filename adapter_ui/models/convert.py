"""Turn the embedded base's GGUF file into a plain transformers folder.

`python -m adapter_ui.models.convert GGUF FOLDER` runs as a child process and prints its progress, one JSON
object a line. It writes into an empty folder of its caller and does not know where that folder goes. The
weights become bfloat16 safetensors, because a quantized GGUF can neither be trained nor merged; the tokenizer
is rebuilt with the pre-tokenization that SmolLM2 was trained with.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from adapter_ui.domain import Progress
from adapter_ui.models.gguf import GgufFile, UnknownGguf, read_gguf

SPECIAL_TOKEN = 3
SPECIAL_ROLES = {
    "bos_token": "tokenizer.ggml.bos_token_id",
    "eos_token": "tokenizer.ggml.eos_token_id",
    "unk_token": "tokenizer.ggml.unknown_token_id",
    "pad_token": "tokenizer.ggml.padding_token_id",
}
LAYER_TENSORS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
OUTER_TENSORS = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}


def convert(source: Path, folder: Path) -> None:
    """Write config, tokenizer and bfloat16 weights of `source` into `folder`. Raises UnknownGguf."""
    gguf = read_gguf(source)
    check_family(gguf)
    tell("Writing the tokenizer")
    write_tokenizer(gguf, folder)
    write_json(folder / "config.json", llama_config(gguf))
    write_json(folder / "generation_config.json", generation_config(gguf))
    weights: dict[str, torch.Tensor] = {}
    for done, name in enumerate(gguf.tensors):
        tell("Converting the weights to bfloat16", done, len(gguf.tensors))
        weights[transformers_name(name)] = transformers_weight(gguf, name)
    tell("Writing the weights")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def tell(message: str, done: int | None = None, total: int | None = None) -> None:
    unit = "tensors" if total else "bytes"
    print(json.dumps(asdict(Progress("convert", message, done, total, unit))), flush=True)


def check_family(gguf: GgufFile) -> None:
    """Raise UnknownGguf unless this is a Llama with tied embeddings and SmolLM's tokenizer."""
    found = [
        gguf.metadata.get(key)
        for key in ("general.architecture", "tokenizer.ggml.model", "tokenizer.ggml.pre")
    ]
    if found != ["llama", "gpt2", "smollm"] or "output.weight" in gguf.tensors:
        raise UnknownGguf(f"Only SmolLM2 files are converted; this one is {found}.")


def transformers_name(name: str) -> str:
    if name in OUTER_TENSORS:
        return OUTER_TENSORS[name]
    _, layer, kind, ending = name.split(".")
    return f"model.layers.{layer}.{LAYER_TENSORS[kind]}.{ending}"


def transformers_weight(gguf: GgufFile, name: str) -> torch.Tensor:
    """GGUF interleaves the two rotary halves of each query and key head; transformers keeps them apart."""
    values = gguf.read(name)
    heads = {"attn_q": "head_count", "attn_k": "head_count_kv"}.get(name.split(".")[-2])
    if heads is not None:
        rows, columns = values.shape
        count = gguf.metadata[f"llama.attention.{heads}"]
        values = values.reshape(count, rows // count // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)
    return torch.from_numpy(np.ascontiguousarray(values)).to(torch.bfloat16)


def llama_config(gguf: GgufFile) -> dict[str, Any]:
    facts = {key.removeprefix("llama."): value for key, value in gguf.metadata.items()}
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": facts["tokenizer.ggml.bos_token_id"],
        "dtype": "bfloat16",
        "eos_token_id": facts["tokenizer.ggml.eos_token_id"],
        "head_dim": facts["embedding_length"] // facts["attention.head_count"],
        "hidden_act": "silu",
        "hidden_size": facts["embedding_length"],
        "initializer_range": facts["embedding_length"] ** -0.5,
        "intermediate_size": facts["feed_forward_length"],
        "max_position_embeddings": facts["context_length"],
        "mlp_bias": False,
        "num_attention_heads": facts["attention.head_count"],
        "num_hidden_layers": facts["block_count"],
        "num_key_value_heads": facts["attention.head_count_kv"],
        "pad_token_id": facts["tokenizer.ggml.padding_token_id"],
        "rms_norm_eps": as_written(facts["attention.layer_norm_rms_epsilon"]),
        "rope_parameters": {"rope_type": "default", "rope_theta": as_written(facts["rope.freq_base"])},
        "tie_word_embeddings": True,
        "use_cache": True,
        "vocab_size": facts["vocab_size"],
    }


def as_written(value: float) -> float:
    """The shortest decimal of a float32: 1e-05 instead of 9.999999747378752e-06."""
    return float(str(np.float32(value)))


def generation_config(gguf: GgufFile) -> dict[str, Any]:
    ids = {role.replace("_token", "_token_id"): gguf.metadata[key] for role, key in SPECIAL_ROLES.items()}
    return {key: ids[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}


def write_tokenizer(gguf: GgufFile, folder: Path) -> None:
    tokens: list[str] = gguf.metadata["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in gguf.metadata["tokenizer.ggml.merges"]]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    # SmolLM2 spells numbers digit by digit; its vocabulary has no token of two digits.
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [digits, pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    kinds = gguf.metadata["tokenizer.ggml.token_type"]
    special = [token for token, kind in zip(tokens, kinds, strict=True) if kind == SPECIAL_TOKEN]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    tokenizer.save(str(folder / "tokenizer.json"))
    roles = {role: tokens[gguf.metadata[key]] for role, key in SPECIAL_ROLES.items()}
    write_json(folder / "special_tokens_map.json", roles)
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": gguf.metadata["llama.context_length"],
        "clean_up_tokenization_spaces": False,
        "chat_template": gguf.metadata["tokenizer.chat_template"],
    }
    write_json(folder / "tokenizer_config.json", settings | roles)


def write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    source, folder = (Path(argument) for argument in sys.argv[1:3])
    convert(source, folder)


if __name__ == "__main__":
    main()
