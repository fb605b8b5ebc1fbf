"""The count of trained parameters by arithmetic is the one that PEFT's own modules have."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM

from adapter_ui.catalog.bases.architecture import architecture
from adapter_ui.catalog.bases.facts import local_base_facts
from adapter_ui.catalog.bases.headers import folder_tensors
from adapter_ui.catalog.bases.modules import linear_modules
from adapter_ui.domain import MODEL_CLASS_OF_TASK, BaseFacts
from adapter_ui.domain.modules import LinearModules
from adapter_ui.errors import InvalidRecipe
from adapter_ui.models.tuning.check import weightless
from adapter_ui.models.tuning.methods import with_new_adapter
from adapter_ui.training.head_sizes import (
    DECODERS,
    DECODERS_WITHOUT_HEADS,
    ENCODERS,
    ENCODERS_WITH_DECODERS,
    ENCODERS_WITH_DENSE,
)
from adapter_ui.training.methods import METHODS
from adapter_ui.training.peft_choice import TARGETS_FILE
from adapter_ui.training.run_folder import PreparedBase
from adapter_ui.training.trainable import trainable_parameters
from tests.training.conftest import recipe
from tests.training.peft_targets import read_targets
from tests.training.tiny_t5 import build_t5

LABELS = 3
USUAL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 100}
GPT = {"n_embd": 64, "n_layer": 2, "n_head": 4, "vocab_size": 100}
ROTARY = {**GPT, "rotary_dim": 8}
T5 = {"d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4, "vocab_size": 100}
BART = {
    "d_model": 64,
    "vocab_size": 100,
    **{f"{side}_layers": 2 for side in ("encoder", "decoder")},
    **{f"{side}_attention_heads": 4 for side in ("encoder", "decoder")},
    **{f"{side}_ffn_dim": 128 for side in ("encoder", "decoder")},
}
SHAPES: dict[str, dict[str, Any]] = {
    "distilbert": {"dim": 64, "n_layers": 2, "n_heads": 4, "hidden_dim": 128, "vocab_size": 100},
    **dict.fromkeys(("gpt2", "gpt_bigcode"), GPT),
    **dict.fromkeys(("gptj", "codegen"), ROTARY),
    "gpt_neo": {
        "hidden_size": 64,
        "num_layers": 2,
        "num_heads": 4,
        "attention_types": [[["global", "local"], 1]],
        "vocab_size": 100,
    },
    "bloom": {"hidden_size": 64, "n_layer": 2, "n_head": 4, "vocab_size": 100},
    "opt": {**USUAL, "word_embed_proj_dim": 64, "ffn_dim": 128},
    "albert": {**USUAL, "embedding_size": 32, "intermediate_size": 128},
    "falcon": USUAL,
    **dict.fromkeys(("t5", "mt5"), T5),
    **dict.fromkeys(("bart", "mbart"), BART),
}
SMALL = {**USUAL, "intermediate_size": 128, "num_key_value_heads": 2, "head_dim": 16}
HEADED = ("SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS")
FAMILIES = [
    *((family, task) for family in sorted(DECODERS | DECODERS_WITHOUT_HEADS) for task in ("CAUSAL_LM",)),
    *((family, task) for family in sorted(DECODERS) for task in HEADED),
    *((family, task) for family in sorted(ENCODERS | ENCODERS_WITH_DENSE) for task in HEADED),
    *((family, "SEQ_2_SEQ_LM") for family in sorted(ENCODERS_WITH_DECODERS)),
]
KINDS: list[dict[str, Any]] = [
    {"method": "LORA"},
    {"method": "LORA", "target_modules": "all-linear", "use_dora": True, "r": 3},
    {"method": "ADALORA"},
    {"method": "IA3"},
    {"method": "LOHA"},
    {"method": "LOKR"},
    {"method": "LOKR", "decompose_both": True, "r": 2},
    {"method": "LOKR", "decompose_factor": 3},
    {"method": "OFT"},
    {"method": "OFT", "oft_block_size": 24},
    {"method": "OFT", "oft_block_size": 500},
    {"method": "VERA"},
    {"method": "MISS", "r": 8},
    {"method": "PROMPT_TUNING"},
    {"method": "PREFIX_TUNING"},
    {"method": "P_TUNING"},
    {"method": "P_TUNING", "encoder_reparameterization_type": "LSTM"},
]
NO_WORDS: Any = SimpleNamespace(get_vocab=dict)


def modules_of(folder: Path) -> tuple[LinearModules, ...]:
    shapes = {name: one.shape for name, one in folder_tensors(folder).items()}
    return linear_modules(local_base_facts(folder, "a/b"), shapes)


def saved(family: str) -> tuple[tuple[LinearModules, ...], BaseFacts]:
    """The modules and the facts of a base that was saved with the head that it learned with."""
    config = config_of(family)
    classes = (AutoModelForMaskedLM, AutoModelForSeq2SeqLM, AutoModelForCausalLM)
    own = next(one for one in classes if type(config) in one._model_mapping)
    with torch.device("meta"):
        whole = own.from_config(config)
    shapes = {name: tuple(value.shape) for name, value in whole.state_dict().items()}
    known = {**architecture(config.to_dict()), "architectures": (type(whole).__name__,)}
    facts = BaseFacts("a/b", **known)
    return linear_modules(facts, shapes), facts


def config_of(family: str, labels: int | None = None) -> Any:
    config = CONFIG_MAPPING[family](**SHAPES.get(family, SMALL))
    config.pad_token_id = 0
    if labels:
        config.num_labels = labels
    return config


def counted_by_peft(family: str, settings: Any) -> int | None:
    """None where transformers has no model of the family for the task, or PEFT no layer for its own."""
    labels = {"SEQ_CLS": LABELS, "TOKEN_CLS": LABELS, "QUESTION_ANS": 2}.get(settings.task_type)
    config = config_of(family, labels)
    built = getattr(transformers, MODEL_CLASS_OF_TASK[settings.task_type])
    if type(config) not in built._model_mapping:
        return None
    with torch.device("meta"):
        model = built.from_config(config)
    try:
        return with_new_adapter(model, settings, NO_WORDS).get_nb_trainable_parameters()[0]
    except InvalidRecipe:
        return None


@pytest.mark.parametrize(("family", "task"), FAMILIES)
def test_what_peft_chooses_on_a_family_is_counted_with_the_tasks_head(family: str, task: str) -> None:
    settings = recipe(task_type=task)
    modules, facts = saved(family)
    found, real = trainable_parameters(settings, modules, facts, LABELS), counted_by_peft(family, settings)
    assert real is None or found in (None, real)
    usual = family in ("llama", "qwen2", "mistral", "gpt2", "bert", "roberta", "t5")
    assert found is not None or not usual


@pytest.mark.parametrize("fields", KINDS)
@pytest.mark.parametrize(
    ("family", "task"),
    [("llama", "CAUSAL_LM"), ("gpt2", "CAUSAL_LM"), ("llama", "SEQ_CLS"), ("bert", "SEQ_CLS"), ("t5", "")],
)
def test_every_method_is_counted(fields: dict[str, Any], family: str, task: str) -> None:
    task = task or "SEQ_2_SEQ_LM"
    if task not in METHODS[fields["method"]].tasks:
        return
    settings = recipe(task_type=task, **fields)
    modules, facts = saved(family)
    found = trainable_parameters(settings, modules, facts, LABELS)
    real = counted_by_peft(family, settings)
    assert real is None or found in (None, real)
    assert found is not None or family != "llama"


@pytest.fixture(scope="module")
def bases(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {"llama": tiny_models / "llama", "t5": build_t5(tmp_path_factory.mktemp("t5"))}


@pytest.mark.parametrize(
    ("base", "fields"),
    [
        ("llama", {"target_modules": ["q_proj", "down_proj"]}),
        ("llama", {"target_modules": ["k_proj", "down_proj"], "method": "IA3"}),
        ("llama", {"target_modules": ["k_proj", "gate_proj"], "method": "LOHA"}),
        ("t5", {"target_modules": "all-linear", "task_type": "SEQ_2_SEQ_LM"}),
        ("t5", {"target_modules": ["wo", "k"], "task_type": "SEQ_2_SEQ_LM"}),
    ],
)
def test_it_counts_what_peft_would_train(base: str, fields: dict[str, Any], bases: dict[str, Path]) -> None:
    settings = recipe(**fields)
    model = weightless(settings, PreparedBase(bases[base], "a/b"), ()).model
    facts = local_base_facts(bases[base], "a/b")
    found = trainable_parameters(settings, modules_of(bases[base]), facts)
    assert found == model.get_nb_trainable_parameters()[0]


@pytest.mark.parametrize(
    "fields",
    [
        {"target_modules": ["q_proj"], "bias": "all"},
        {"target_modules": ["q_proj"], "trainable_tokens": ["</s>"]},
        {"target_modules": ["q_proj"], "task_type": "SEQ_CLS"},
        {"target_modules": ["layers.0.self_attn.q_proj"]},
        {"target_modules": ["q_proj"], "adapter": "run:x"},
        {"method": "LN_TUNING"},
    ],
)
def test_what_arithmetic_cannot_tell_is_left_to_the_check(fields: dict[str, Any], tiny_models: Path) -> None:
    folder = tiny_models / "llama"
    facts = local_base_facts(folder, "a/b")
    assert trainable_parameters(recipe(**fields), modules_of(folder), facts) is None


def test_an_unknown_family_is_left_to_the_check() -> None:
    modules, facts = saved("llama")
    strange = BaseFacts("a/b", model_type="strange", hidden_size=facts.hidden_size, layers=facts.layers)
    for method in METHODS:
        assert trainable_parameters(recipe(method=method), modules, strange) is None


def test_the_choices_are_those_of_the_installed_peft() -> None:
    """`python -m tests.training.peft_targets` writes them anew."""
    assert json.loads(TARGETS_FILE.read_text(encoding="utf-8")) == read_targets()


def test_modules_are_told_by_name_with_their_inputs_and_outputs(tiny_models: Path) -> None:
    found = {one.name: one for one in modules_of(tiny_models / "llama")}
    assert found["down_proj"] == LinearModules("down_proj", ((128, 64),) * 2)
    assert "lm_head" not in found
    assert "embed_tokens" not in found
    dense = next(one for one in modules_of(tiny_models / "bert") if one.name == "dense")
    assert 0 < dense.outside < len(dense.sizes)
