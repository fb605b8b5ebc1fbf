"""Hostile adapters over a sound tiny Llama."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from adapter_ui.domain import ADAPTER_PICKLE, ADAPTER_WEIGHTS
from tests.hostile.cases import OUTSIDE, Case, adapter, header, tensors, weights

PAYLOAD = b"cos\nsystem\n(S'exit 1'\ntR."
RUNS_AWAY = r"((a|\w|\.)+)+!"
CONFIG, BAD, UNSUPPORTED = "config_unreadable", "bad_adapter", "unsupported_adapter"
PROMPT = {"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 4}
Q_PROJ = "base_model.model.model.layers.0.self_attn.q_proj"


SIZES = (
    ("VBLORA", {"num_vectors": 1_000_000, "vector_length": 32}),
    ("LILY", {"r": 4, "num_B": 60_000}),
    ("SHADOW", {"shadow_hidden_size": 65_536}),
    ("SHADOW", {"shadow_num_hidden_layers": 1_024}),
    ("UNILORA", {"r": 4, "theta_d_length": 100_000_000}),
    ("PSOFT", {"r": 4, "psoft_svd": "lowrank", "psoft_svd_lowrank_niter": 10**9}),
    ("CARTRIDGE", {"num_virtual_tokens": 10**6}),
    ("LORA", {"r": 65_536, "target_modules": ["embed_tokens"]}),
    ("LORA", {"r": 65_536, "target_parameters": ["up_proj.weight"]}),
)


def only_a_pickle(adapter: Path, base: Path) -> None:
    (adapter / ADAPTER_WEIGHTS).unlink()
    (adapter / ADAPTER_PICKLE).write_bytes(PAYLOAD)


def pickle_in_disguise(adapter: Path, base: Path) -> None:
    (adapter / ADAPTER_WEIGHTS).write_bytes(PAYLOAD)


def pickle_beside(adapter: Path, base: Path) -> None:
    (adapter / ADAPTER_PICKLE).write_bytes(PAYLOAD)


def with_empty_tensors(table: dict) -> dict:
    end = max(entry["data_offsets"][1] for name, entry in table.items() if name != "__metadata__")
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [end, end]}
    return table | {f"t{number}": empty for number in range(200_000)}


def overlapping(table: dict) -> dict:
    names = [name for name in table if name != "__metadata__"]
    return table | {names[1]: table[names[1]] | {"data_offsets": table[names[0]]["data_offsets"]}}


def filled(value: float):
    return tensors(lambda kept: {name: torch.full_like(tensor, value) for name, tensor in kept.items()})


def in_4_bits(table: dict) -> dict:
    """The same bytes as eight times as many numbers."""
    return {
        name: entry | {"dtype": "F4", "shape": [entry["shape"][0], 8 * entry["shape"][1]]}
        for name, entry in table.items()
        if name != "__metadata__"
    }


def as_dtype(dtype: torch.dtype):
    return tensors(lambda kept: {name: tensor.to(dtype) for name, tensor in kept.items()})


def with_the_bases(*names: str):
    return tensors(lambda kept: kept | {name: torch.full((64, 64), 7.0) for name in names})


def renamed(prefix: str):
    return tensors(lambda kept: {prefix + name: tensor for name, tensor in kept.items()})


def case(route: str):
    return lambda *rest: Case(route, *rest)


pickled = case("pickled adapter weights")
classes = case("class by name (auto_mapping)")
modules = case("module by name (megatron)")
bases = case("base by name (base_model_name_or_path)")
patterns = case("patterns")
numbers = case("numbers and kinds of the adapter's config")
inits = case("inits that rewrite the base")
state = case("prompt state by path")
third = case("prompt text from a third repository")
further = case("further adapters")
files = case("safetensors of the adapter")
silent = case("adapter that is not applied")

CASES: tuple[Case, ...] = (
    pickled("alone", only_a_pickle, BAD, "cannot be read"),
    pickled("with another name", pickle_in_disguise, "header_unreadable", "not a safetensors file"),
    pickled("beside sound weights", pickle_beside),
    classes("of the system", adapter(auto_mapping={"parent_library": "os", "base_model_class": "system"})),
    classes(
        "without a task",
        adapter(task_type=None, auto_mapping={"parent_library": "antigravity", "base_model_class": "fly"}),
    ),
    classes("that is none", adapter(auto_mapping="os.system"), CONFIG, "auto_mapping"),
    classes(
        "by a path", adapter(auto_mapping={"parent_library": f"{OUTSIDE}/evil", "base_model_class": "x"})
    ),
    modules("core", adapter(megatron_core="antigravity")),
    modules("config", adapter(megatron_config={"a": 1}, megatron_core="antigravity")),
    modules("path", adapter(megatron_core=f"{OUTSIDE}/evil")),
    bases("a path", adapter(base_model_name_or_path=OUTSIDE)),
    bases("a path upwards", adapter(base_model_name_or_path="../../outside", revision="../..")),
    patterns("targets", adapter(target_modules=RUNS_AWAY), BAD, "target_modules"),
    patterns("targets as a list", adapter(target_modules=["q_proj", RUNS_AWAY]), BAD, "where names belong"),
    patterns("exclusions", adapter(exclude_modules=RUNS_AWAY)),
    patterns("saved modules", adapter(modules_to_save=[RUNS_AWAY]), BAD, "where names belong"),
    patterns("ranks", adapter(rank_pattern={RUNS_AWAY: 4})),
    patterns("alphas", adapter(alpha_pattern={RUNS_AWAY: 4})),
    patterns("layers", adapter(layers_to_transform=[0], layers_pattern=RUNS_AWAY), BAD, "where names belong"),
    patterns(
        "feed-forward", adapter(peft_type="IA3", feedforward_modules=RUNS_AWAY), BAD, "None of the adapter's"
    ),
    patterns("parameters", adapter(target_parameters=[RUNS_AWAY]), BAD, "where names belong"),
    patterns("blocks", adapter(peft_type="C3A", block_size=16, block_size_pattern={RUNS_AWAY: 16}), BAD, ""),
    patterns(
        "frequencies",
        adapter(peft_type="FOURIERFT", n_frequency=8, n_frequency_pattern={RUNS_AWAY: 8}),
        BAD,
        "",
    ),
    patterns("that is none", adapter(target_modules="[a-"), BAD, "cannot be used"),
    patterns("of an OSF", adapter(peft_type="OSF", rank_pattern={RUNS_AWAY: 4}), BAD, ""),
    patterns("a bomb", adapter(target_modules="(" * 5000 + ")" * 5000), BAD, "cannot be used"),
    numbers("a rank without end", adapter(r=2**31 - 1), CONFIG, "“r”"),
    numbers("the largest rank", adapter(r=65_536, use_dora=True), BAD, "asks for about"),
    numbers("a rank for some", adapter(rank_pattern={"q_proj": 60_000}, use_dora=True), BAD, "has shape"),
    numbers("a negative rank", adapter(r=-4), CONFIG, "“r”"),
    numbers("a rank that is text", adapter(r="eight"), CONFIG, "“r”"),
    numbers("a rank in a list", adapter(rank_pattern={"q_proj": [4]}), CONFIG, "rank_pattern"),
    numbers("no rank for some", adapter(rank_pattern={"q_proj": 0}), CONFIG, "rank_pattern"),
    numbers("an alpha that is text", adapter(alpha_pattern={"q_proj": "16"}), CONFIG, "alpha_pattern"),
    numbers("an alpha that is nothing", adapter(alpha_pattern={"q_proj": None}), CONFIG, "alpha_pattern"),
    numbers(
        "nothing for a name", adapter(peft_type="IA3", feedforward_modules=[None]), CONFIG, "feedforward"
    ),
    numbers(
        "ranks of a module that is not there",
        adapter(peft_type="ADALORA", init_r=4, total_step=9, rank_pattern={"evil.lora_E": [True] * 4}),
        BAD,
        "PEFT cannot put",
    ),
    numbers("no number", adapter(lora_alpha=float("nan")), "non_finite", "NaN"),
    numbers("infinity", adapter(alpha_pattern={"q_proj": float("inf")}), "non_finite", "NaN"),
    numbers(
        "layers again and again", adapter(layer_replication=[[0, 2]] * 3000), UNSUPPORTED, "layer_replication"
    ),
    numbers("an object for a flag", adapter(lora_bias={"a": 1}), CONFIG, "lora_bias"),
    numbers("a list for a task", adapter(task_type=["CAUSAL_LM"]), CONFIG, "task_type"),
    numbers("a deep one", adapter(loftq_config=json.loads("[" * 50 + "]" * 50)), CONFIG, "nested"),
    numbers("a long one", adapter(target_modules=["x"] * 60_000), CONFIG, "values"),
    numbers("a large one", adapter(note=["y" * 15_000] * 100), CONFIG, "larger than"),
    numbers(
        "a million virtual tokens",
        adapter(peft_type="PREFIX_TUNING", num_virtual_tokens=10**6),
        BAD,
        "asks for about",
    ),
    *(
        numbers(f"{method}: {', '.join(fields)}", adapter(peft_type=method, **fields), BAD, "asks for")
        for method, fields in SIZES
    ),
    numbers("noise for training", adapter(monteclora_config={"num_samples": 10**9})),
    numbers(
        "layers of a prefix",
        adapter(peft_type="PREFIX_TUNING", num_virtual_tokens=4, num_layers=10**7),
        CONFIG,
        "num_layers",
    ),
    *(
        inits(name, adapter(init_lora_weights=name))
        for name in ("pissa", "pissa_niter_4", "olora", "corda", "loftq", "eva", "lora_ga")
    ),
    inits("kasa", adapter(kasa_config={"beta": 1.0}), UNSUPPORTED, "rewrites the base"),
    inits("a path for loftq", adapter(init_lora_weights="loftq", loftq_config={"loftq_bits": OUTSIDE})),
    state(
        "as a multitask prompt",
        adapter(
            peft_type="MULTITASK_PROMPT_TUNING",
            num_virtual_tokens=4,
            prompt_tuning_init="EXACT_SOURCE_TASK",
            prompt_tuning_init_state_dict_path=f"{OUTSIDE}/evil.bin",
        ),
        UNSUPPORTED,
        "training tasks",
    ),
    state(
        "as another prompt",
        adapter(**PROMPT, prompt_tuning_init_state_dict_path=f"{OUTSIDE}/evil.bin"),
        BAD,
        "None of the adapter's tensors",
    ),
    state(
        "as a prefix",
        adapter(
            peft_type="P_TUNING",
            num_virtual_tokens=4,
            encoder_hidden_size=8,
            prompt_tuning_init_state_dict_path=f"{OUTSIDE}/evil.bin",
        ),
        BAD,
        "None of the adapter's tensors",
    ),
    third(
        "a repository",
        adapter(
            **PROMPT,
            prompt_tuning_init="TEXT",
            prompt_tuning_init_text="hi",
            tokenizer_name_or_path="evil/third",
        ),
        BAD,
        "None of the adapter's tensors",
    ),
    third(
        "for a prompt of tokens",
        adapter(
            peft_type="CPT",
            cpt_token_ids=[3, 4],
            cpt_mask=[1, 1],
            cpt_tokens_type_mask=[1, 2],
            cpt_prompt_init="TEXT",
            tokenizer_name_or_path="evil/third",
        ),
        BAD,
        "None of the adapter's tensors",
    ),
    third(
        "a path with code",
        adapter(
            **PROMPT,
            prompt_tuning_init="TEXT",
            prompt_tuning_init_text="hi",
            tokenizer_name_or_path=OUTSIDE,
            tokenizer_kwargs={"trust_remote_code": True},
        ),
        BAD,
        "None of the adapter's tensors",
    ),
    further(
        "X-LoRA",
        adapter(peft_type="XLORA", adapters={"1": "evil/one", "2": OUTSIDE}),
        UNSUPPORTED,
        "further adapters",
    ),
    *(
        further(f"{method}, which is not loaded", adapter(peft_type=method), UNSUPPORTED, reason)
        for method, reason in (("POLY", "training tasks"), ("ADAMSS", "scikit-learn"), ("BONE", "MISS"))
    ),
    further("a prompt for another task", adapter(peft_type="CPT", task_type="SEQ_CLS"), UNSUPPORTED, "only"),
    further("a route between them", adapter(arrow_config={"top_k": 1}), UNSUPPORTED, "arrow_config"),
    further("a shadow", adapter(peft_type="SHADOW", shadow_model="evil/shadow"), UNSUPPORTED, "shadow_model"),
    files("200,000 tensors", header(with_empty_tensors), BAD, "no sound adapter"),
    files("tensors over each other", header(overlapping), "header_unreadable", "overlap"),
    files(
        "a header without end",
        weights(lambda data: (2**63).to_bytes(8, "little") + data[8:]),
        "header_unreadable",
        "not a safetensors file",
    ),
    files("a cut end", weights(lambda data: data[:-512]), "header_unreadable", "cut or"),
    files("a tail", weights(lambda data: data + PAYLOAD), "header_unreadable", "padded"),
    files("no numbers", filled(float("nan")), BAD, "not finite"),
    files("numbers of 4 bits", header(in_4_bits), BAD, "float4"),
    files("complex numbers", as_dtype(torch.complex64), BAD, "complex64"),
    files("numbers of 8 bits", as_dtype(torch.float8_e4m3fn)),
    files("infinities", filled(float("inf")), BAD, "not finite"),
    files(
        "the base's own weights",
        with_the_bases(
            "base_model.model.model.layers.0.self_attn.o_proj.weight", f"{Q_PROJ}.base_layer.weight"
        ),
    ),
    silent("names of another base", renamed("other."), BAD, ""),
    silent(
        "other targets",
        adapter(target_modules=["k_proj"], use_dora=True),
        BAD,
        "None of the adapter's tensors",
    ),
    silent(
        "a part only", tensors(lambda kept: {name: one for name, one in kept.items() if "layers.0" in name})
    ),
)
