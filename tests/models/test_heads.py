"""Heads that come with an adapter: found by whatever name they have there, and answered with by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils import get_peft_model_state_dict

from adapter_ui.catalog.findings.heads import head_findings
from adapter_ui.catalog.profiles.reading import read_config, read_header
from adapter_ui.catalog.storage.files import FolderFiles
from adapter_ui.domain import Precision
from adapter_ui.domain.heads import SAVED_BY_PEFT, class_count, heads_of
from adapter_ui.engine.protocol import ModelSpec, Predict
from adapter_ui.errors import BadAdapter
from adapter_ui.models.heads import labels_of
from adapter_ui.models.pool import Pool
from tests.hub.tiny_models import build_tokenizer
from tests.models.engine_here import EngineHere

CLASSES = 7
NAMES = tuple(f"class {number}" for number in range(CLASSES))
INPUT = torch.tensor([[5, 9, 200, 17, 2]])
SHAPE = {
    "vocab_size": 512, "hidden_size": 32, "d_model": 32, "dim": 32, "emb_dim": 32, "n_embd": 32, "d_kv": 8,
    "num_hidden_layers": 2, "num_layers": 2, "n_layers": 2, "n_layer": 2, "encoder_layers": 2,
    "decoder_layers": 2, "num_attention_heads": 4, "num_heads": 4, "n_heads": 4, "n_head": 4,
    "encoder_attention_heads": 4, "decoder_attention_heads": 4, "intermediate_size": 64, "d_ff": 64,
    "d_inner": 64, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "hidden_dim": 64, "d_head": 8,
    "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "block_sizes": [1, 1], "num_decoder_layers": 2,
    "embedding_size": 32,
}  # fmt: skip
FAMILIES = {
    "SEQ_CLS": "bart bert bloom deberta-v2 distilbert electra flaubert funnel gpt_neox llama modernbert "
    "mt5 opt roberta t5 xlm xlm-roberta xlnet",
    "TOKEN_CLS": "bert bloom deberta-v2 distilbert funnel gpt_neox llama modernbert roberta t5 xlm xlnet",
    "QUESTION_ANS": "bart bert big_bird distilbert funnel gpt_neox llama modernbert roberta t5 xlm xlnet",
}
CASES = [(task, family) for task, families in FAMILIES.items() for family in families.split()]
AUTO = {
    "SEQ_CLS": transformers.AutoModelForSequenceClassification,
    "TOKEN_CLS": transformers.AutoModelForTokenClassification,
    "QUESTION_ANS": transformers.AutoModelForQuestionAnswering,
}


def config_of(family: str, **changes: Any) -> transformers.PretrainedConfig:
    known = transformers.AutoConfig.for_model(family).to_dict()
    shape = {name: value for name, value in SHAPE.items() if name in known}
    return transformers.AutoConfig.for_model(family, **shape, **changes)


def head_of(model: torch.nn.Module, task: str) -> list[str]:
    """The modules of its own that the model has by a name of a head."""
    return [name for name, _ in model.named_children() if name in heads_of(task)]


def with_lora(model: torch.nn.Module, task: str, **options: Any) -> PeftModel:
    own = f"{model.base_model_prefix}."
    linear = [name for name, one in model.named_modules() if isinstance(one, torch.nn.Linear)]
    targets = [name for name in linear if name.startswith(own)]
    return get_peft_model(model, LoraConfig(task_type=task, target_modules=targets or linear, **options))


@pytest.mark.parametrize(("task", "family"), CASES)
def test_every_family_has_its_head_found_with_its_classes(task: str, family: str):
    count = 2 if task == "QUESTION_ANS" else CLASSES
    with torch.device("meta"):
        model = AUTO[task].from_config(config_of(family, num_labels=count))
        heads = head_of(model, task)
        assert heads
        adapter = with_lora(model, task, modules_to_save=heads)
    saved = get_peft_model_state_dict(adapter, save_embedding_layers=False)
    assert class_count({name: tensor.shape for name, tensor in saved.items()}) == count


def test_peft_saves_of_itself_what_the_table_says():
    for task, names in SAVED_BY_PEFT.items():
        with torch.device("meta"):
            adapter = with_lora(AUTO[task].from_config(config_of("bert")), task)
        assert {*adapter.peft_config["default"].modules_to_save} == {*names}


def test_what_an_adapter_adds_to_a_head_is_no_head():
    with torch.device("meta"):
        model = transformers.LlamaForSequenceClassification(config_of("llama", num_labels=CLASSES))
        adapter = get_peft_model(model, LoraConfig(target_modules=["score", "q_proj"]))
    saved = get_peft_model_state_dict(adapter, save_embedding_layers=False)
    assert any("score.lora_B" in name for name in saved)
    assert class_count({name: tensor.shape for name, tensor in saved.items()}) == 0


def made(family: str, folder: Path, **options: Any) -> tuple[Path, Path]:
    """A base without a head, and an adapter with one of seven classes, both saved."""
    base, adapter = folder / "base", folder / "adapter"
    torch.manual_seed(0)
    model = AUTO["SEQ_CLS"].from_config(config_of(family, num_labels=CLASSES))
    model.base_model.save_pretrained(base)
    build_tokenizer().save_pretrained(base)
    options = {"modules_to_save": head_of(model, "SEQ_CLS")} | options
    adapted = with_lora(model, "SEQ_CLS", init_lora_weights=False, **options)
    adapted.save_pretrained(adapter, save_embedding_layers=False)
    return base, adapter


def spec_of(family: str, base: Path, adapter: Path) -> ModelSpec:
    return ModelSpec(
        base=f"tiny/{family}",
        base_folder=str(base),
        precision=Precision.FP32,
        model_class="AutoModelForSequenceClassification",
        adapter=f"org/{family}",
        adapter_folder=str(adapter),
        task_type="SEQ_CLS",
    )


@pytest.mark.parametrize("family", ["bart", "distilbert", "roberta", "xlnet"])
def test_an_adapter_answers_with_its_own_head(family: str, tmp_path: Path):
    base, adapter = made(family, tmp_path)
    resident, report = Pool().load(spec_of(family, base, adapter))
    assert report.keys_applied == report.keys_in_file
    resident.speak_alone(f"org/{family}")
    plain = AUTO["SEQ_CLS"].from_pretrained(base, num_labels=CLASSES)
    with torch.inference_mode():
        ours = resident.loaded.model(INPUT).logits
        theirs = PeftModel.from_pretrained(plain, adapter).eval()(INPUT).logits
    assert ours.shape == (1, CLASSES)
    assert torch.equal(ours, theirs)
    files = FolderFiles(adapter)
    config, tensors = read_config(files), read_header(files)
    messages = [one.message for one in head_findings(config, tensors, None) if one.code == "brings_head"]
    assert messages == [f"It brings its own head for classification, with {CLASSES} labels."]


def test_a_head_that_is_half_random_is_told(tmp_path: Path):
    """PEFT saves the classifier of a DeBERTa, but not the pooler before it, which no base has."""
    base, adapter = made("deberta-v2", tmp_path)
    _, report = Pool().load(spec_of("deberta-v2", base, adapter))
    notices = [one for one in report.notices if "random" in one]
    assert len(notices) == 1
    assert notices[0].startswith("2 tensors of the head, such as pooler.dense.")
    base, adapter = made("bert", tmp_path / "bert")
    assert Pool().load(spec_of("bert", base, adapter))[1].notices == ()


def test_labels_are_named_by_the_adapter_then_by_the_base_then_by_number(tiny_models: Path, tmp_path: Path):
    adapter, base = tmp_path / "classifier", tmp_path / "bert"
    shutil.copytree(tiny_models / "classifier", adapter)
    shutil.copytree(tiny_models / "bert", base)
    assert labels_of(adapter, base) == ("LABEL_0", "LABEL_1", "LABEL_2")
    named_by(base, {"0": "news", "1": "sport", "2": "weather"})
    assert labels_of(adapter, base) == ("news", "sport", "weather")
    names = adapter / "label_names.json"
    names.write_text('["good", "bad", "neither"]')
    assert labels_of(adapter, base) == ("good", "bad", "neither")
    names.write_text('["too", "few"]')
    assert labels_of(adapter, base) == ("news", "sport", "weather")
    for other in (
        {"0": "one", "1": "two"},
        {"0": 1, "1": 2, "2": 3},
        {"a": "x", "b": "y", "c": "z"},
        ["x"] * 3,
    ):
        named_by(base, other)
        assert labels_of(adapter, base) == ("LABEL_0", "LABEL_1", "LABEL_2")
    assert labels_of(tiny_models / "lora", base) == ()
    names.write_text("no JSON")
    with pytest.raises(BadAdapter, match=r"label_names\.json cannot be read"):
        labels_of(adapter, base)


def named_by(base: Path, names: object) -> None:
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"id2label": names}))


def test_half_a_character_in_a_name_is_replaced_so_that_an_answer_can_be_sent(tmp_path: Path):
    base, adapter = made("bert", tmp_path)
    names = ["fine", *("\ud800" for _ in range(CLASSES - 1))]
    (adapter / "label_names.json").write_text(json.dumps(names))
    assert labels_of(adapter, base) == ("fine", *"?" * (CLASSES - 1))
    spec = spec_of("bert", base, adapter)
    engine = EngineHere()
    (events,) = engine.ask(Predict(spec, "Some text"))
    assert {score.label for score in events[-2].labels} == {"fine", "?"}
