"""A model whose scores are no numbers any more says so: half an answer of them would end the worker."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from adapter_ui.domain import ChatMessage, GenerationOptions, Precision, Prediction
from adapter_ui.engine import protocol
from adapter_ui.errors import ModelFailure
from tests.models.engine_here import EngineHere
from tests.models.every_method import Bench
from tests.models.held_to_peft import Column
from tests.models.method_table import columns
from tests.models.plain_peft import TEXT

COLUMNS = columns(Precision.FP32)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("no-numbers"))


def beyond_all_numbers(adapter: Path, folder: Path) -> Path:
    """The adapter with factors whose product is infinite."""
    shutil.copytree(adapter, folder)
    weights = load_file(folder / "adapter_model.safetensors")
    huge = {name: torch.full_like(value, 1e38) for name, value in weights.items()}
    save_file(huge, folder / "adapter_model.safetensors")
    return folder


@pytest.mark.parametrize("temperature", [0.0, 1.0], ids=["greedy", "drawn"])
@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_no_task_answers_with_scores_that_are_no_numbers(
    bench: Bench, tmp_path: Path, column: Column, temperature: float
) -> None:
    adapter = bench.adapter("LORA", column.family, column.task)
    assert isinstance(adapter, Path)
    noisy = column.spec(bench, "noisy", beyond_all_numbers(adapter, tmp_path / "noisy"))
    options = GenerationOptions(max_new_tokens=4, temperature=temperature, raw=True)

    def asked(spec: protocol.ModelSpec) -> protocol.Request:
        if column.predicts:
            return protocol.Predict(spec, *column.texts)
        return protocol.Generate(spec, (ChatMessage("user", TEXT),), options)

    engine = EngineHere()
    with pytest.raises(ModelFailure, match="no numbers any more; try another precision"):
        engine.ask(asked(noisy))
    engine = EngineHere()
    (events,) = engine.ask(asked(column.spec(bench, "sound", adapter)))
    assert isinstance(events[-2], Prediction) or events[-2].done
