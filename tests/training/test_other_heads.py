"""A base that is a classifier already, for other classes than the data has: its head is made anew."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification, AutoTokenizer

from adapter_ui.domain import MODEL_CLASS_OF_TASK, Precision
from adapter_ui.engine.protocol import ModelSpec
from adapter_ui.errors import BaseUnavailable
from adapter_ui.models.heads import own_names
from adapter_ui.models.loading import load_base
from adapter_ui.models.pool import Pool
from adapter_ui.models.resident import Resident
from adapter_ui.models.tasks import predict
from adapter_ui.training.data import read_table
from adapter_ui.training.examples import Examples, to_examples
from adapter_ui.training.export import export_run
from adapter_ui.training.measuring import measure
from adapter_ui.training.run_folder import PreparedBase
from tests.training.conftest import recipe
from tests.training.test_export import losses_of_run, losses_of_script
from tests.training.test_training import reviews, trained

BERT_ID = "tiny-org/tiny-bert"
CLASSES = {"SEQ_CLS": AutoModelForSequenceClassification, "TOKEN_CLS": AutoModelForTokenClassification}


def build(task: str, tiny_models: Path, folder: Path, **fields: Any) -> Path:
    """The tiny BERT with a head for five classes, or others, as its author would have saved it."""
    AutoTokenizer.from_pretrained(tiny_models / "bert").save_pretrained(folder)
    CLASSES[task].from_pretrained(tiny_models / "bert", **{"num_labels": 5} | fields).save_pretrained(folder)
    return folder


def crews() -> Examples:
    rows = [{"tokens": ["Ahoy", name], "tags": ["O", "B-PER"]} for name in ("Anne", "Jack", "Mary", "Bart")]
    return to_examples(read_table(json.dumps(rows)), {}, "TOKEN_CLS")


def named(tiny_models: Path, folder: Path, *names: str, **fields: Any) -> PreparedBase:
    """The tiny BERT as a classifier of texts for these classes, in this order."""
    build("SEQ_CLS", tiny_models, folder, num_labels=len(names), id2label=dict(enumerate(names)), **fields)
    return PreparedBase(folder, BERT_ID, revision="0" * 40)


def test_a_head_for_the_classes_of_the_data_keeps_their_order(tiny_models: Path, tmp_path: Path) -> None:
    base = named(tiny_models, tmp_path / "base", "wild", "calm")
    settings = recipe(task_type="SEQ_CLS", validation_fraction=0.25)
    figures = measure(settings, reviews(), base)
    assert (figures.unused_classes, figures.other_classes) == (0, ())
    run = trained(tmp_path, settings, reviews(), base)
    assert own_names(run.adapter) == ["wild", "calm"]
    found = losses_of_script(export_run(run, "script", tmp_path), base.folder, tmp_path / "script")
    assert found == pytest.approx(losses_of_run(run), rel=1e-6, abs=1e-6)


def test_a_head_for_as_many_other_classes_is_told_of(tiny_models: Path, tmp_path: Path) -> None:
    settings = recipe(task_type="SEQ_CLS", validation_fraction=0.25)
    figures = measure(settings, reviews(), named(tiny_models, tmp_path / "base", "spam", "ham"))
    assert figures.other_classes == ("spam", "ham")


def test_what_is_trained_to_say_one_class_says_one_on_a_base_that_says_several(
    tiny_models: Path, tmp_path: Path
) -> None:
    several = {"problem_type": "multi_label_classification"}
    base = named(tiny_models, tmp_path / "base", "calm", "wild", **several)
    run = trained(tmp_path, recipe(task_type="SEQ_CLS"), reviews(), base)
    alone = ModelSpec(BERT_ID, str(base.folder), Precision.FP32, MODEL_CLASS_OF_TASK["SEQ_CLS"])
    spec = replace(alone, adapter="run:x", adapter_folder=str(run.adapter), task_type="SEQ_CLS")
    pool = Pool()
    assert total_of_scores(pool.load(spec)[0]) == pytest.approx(1)
    assert total_of_scores(pool.load(alone)[0]) != pytest.approx(1)


def total_of_scores(resident: Resident) -> float:
    found = predict(resident.loaded, "SEQ_CLS", "the sea is calm today", "")
    return sum(one.score for one in found.labels)


@pytest.mark.parametrize("task", CLASSES)
def test_it_is_trained_and_its_script_learns_the_same(task: str, tiny_models: Path, tmp_path: Path) -> None:
    base = PreparedBase(build(task, tiny_models, tmp_path / "base"), BERT_ID, revision="0" * 40)
    examples = reviews() if task == "SEQ_CLS" else crews()
    assert measure(recipe(task_type=task), examples, base).unused_classes == 5
    run = trained(tmp_path, recipe(task_type=task, validation_fraction=0.25), examples, base)
    found = losses_of_script(export_run(run, "script", tmp_path), base.folder, tmp_path / "script")
    assert found == pytest.approx(losses_of_run(run), rel=1e-6, abs=1e-6)


def test_what_is_new_is_known_and_a_head_that_fits_is_kept(tiny_models: Path, tmp_path: Path) -> None:
    folder = build("SEQ_CLS", tiny_models, tmp_path / "base")
    model_class = MODEL_CLASS_OF_TASK["SEQ_CLS"]
    new = load_base(folder, Precision.FP32, model_class, labels=("calm", "wild"))
    assert new.random == ("classifier.bias", "classifier.weight")
    assert new.model.classifier.weight.shape[0] == 2
    assert load_base(folder, Precision.FP32, model_class, labels=tuple("abcde")).random == ()


def test_other_shapes_elsewhere_are_refused_as_ever(tiny_models: Path, tmp_path: Path) -> None:
    folder = build("SEQ_CLS", tiny_models, tmp_path / "base")
    file = folder / "model.safetensors"
    tensors = load_file(file)
    name = "bert.encoder.layer.0.output.dense.bias"
    save_file(tensors | {name: tensors[name][:-1].clone()}, file, metadata={"format": "pt"})
    for labels in ((), ("calm", "wild")):
        with pytest.raises(BaseUnavailable, match="hold tensors of other shapes"):
            load_base(folder, Precision.FP32, MODEL_CLASS_OF_TASK["SEQ_CLS"], labels=labels)
