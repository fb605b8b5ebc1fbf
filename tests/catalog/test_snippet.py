"""The programs that load an adapter: they compile, they run, and no name can break out of its string."""

from __future__ import annotations

import ast

import pytest

from adapter_ui.catalog.snippets.transformers import write_snippet
from adapter_ui.domain import MODEL_CLASS_OF_TASK, AdapterRef, Precision, Source

REF = AdapterRef.parse("ada/lora@v1")


def test_the_program_runs_on_a_real_adapter(tiny_models, monkeypatch, capsys):
    from peft import PeftModel

    monkeypatch.chdir(tiny_models)
    program = write_snippet(
        AdapterRef(Source.FOLDER, "lora"), str(tiny_models / "llama"), "CAUSAL_LM", Precision.FP32
    )
    names: dict[str, object] = {}
    exec(compile(program, "snippet", "exec"), names)
    assert isinstance(names["model"], PeftModel)
    assert capsys.readouterr().out.startswith("Hello")


def test_the_program_for_a_classifier_runs_with_its_classes(tiny_models, monkeypatch):
    monkeypatch.chdir(tiny_models)
    ref = AdapterRef(Source.FOLDER, "classifier")
    program = write_snippet(ref, str(tiny_models / "bert"), "SEQ_CLS", Precision.BF16, label_count=3)
    names: dict[str, object] = {}
    exec(compile(program, "snippet", "exec"), names)
    assert names["model"].config.num_labels == 3


def test_an_adapter_in_a_folder_of_its_repository_is_read_from_there():
    program = write_snippet(AdapterRef.parse("ada/lora@v1:checkpoint-100"), "org/base", "CAUSAL_LM")
    assert "'ada/lora', revision='v1', subfolder='checkpoint-100'" in program


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("task", [*MODEL_CLASS_OF_TASK, None, "COOKING"])
def test_every_program_compiles_and_names_what_it_loads(task, precision):
    program = write_snippet(REF, "org/base", task, precision)
    imported = {
        alias.name
        for node in ast.walk(ast.parse(program))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert MODEL_CLASS_OF_TASK.get(task, "AutoModelForCausalLM") in imported
    assert ("BitsAndBytesConfig" in imported) == (precision in (Precision.INT8, Precision.NF4, Precision.FP4))
    assert "base_id = 'org/base'" in program
    assert "'ada/lora', revision='v1'" in program


@pytest.mark.parametrize(
    ("precision", "words"),
    [
        (Precision.FP32, ["dtype=torch.float32"]),
        (Precision.BF16, ["dtype=torch.bfloat16"]),
        (Precision.FP16, ["dtype=torch.float16"]),
        (Precision.INT8, ["load_in_8bit=True"]),
        (Precision.NF4, ["load_in_4bit=True", '"nf4"', "bnb_4bit_compute_dtype=torch.bfloat16"]),
        (Precision.FP4, ["load_in_4bit=True", '"fp4"', "bnb_4bit_compute_dtype=torch.bfloat16"]),
    ],
)
def test_each_precision_is_asked_for_by_name(precision, words):
    program = write_snippet(REF, "org/base", "CAUSAL_LM", precision)
    assert all(word in program for word in words)
    assert 'device_map="auto"' in program


@pytest.mark.parametrize("name", ["x'); import os; print('", 'x"""\nimport os\n"""', "x\\", "x\nimport os"])
def test_a_name_stays_a_string(name):
    tree = ast.parse(write_snippet(REF, name, "CAUSAL_LM"))
    modules = {node.names[0].name for node in ast.walk(tree) if isinstance(node, ast.Import)}
    assert modules == {"torch"}
    assert name in {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}


def test_a_folder_that_stands_for_another_is_explained_and_its_name_stays_in_the_comment():
    program = write_snippet(AdapterRef.parse("run:run0001"), "org/base", "CAUSAL_LM")
    assert program.startswith(
        "# './run0001' stands for the folder with 'run:run0001': write where yours is\n"
    )
    assert not write_snippet(REF, "org/base", "CAUSAL_LM").startswith("#")
    hostile = write_snippet(AdapterRef(Source.FOLDER, "x\nimport os"), "org/base", "CAUSAL_LM")
    assert "os" not in {
        name.name
        for node in ast.walk(ast.parse(hostile))
        if isinstance(node, ast.Import)
        for name in node.names
    }
