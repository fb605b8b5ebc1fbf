"""Heads with parts that PEFT would leave random in another load: a trained adapter answers alike in all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    DebertaV2Config,
    DebertaV2Model,
    ModernBertConfig,
    ModernBertForMaskedLM,
    PreTrainedModel,
)

from adapter_ui.domain import MODEL_CLASS_OF_TASK, Precision
from adapter_ui.models.adapters import attach
from adapter_ui.models.heads import labels_of
from adapter_ui.models.loading import load_base
from adapter_ui.training.export import export_run
from adapter_ui.training.run_folder import PreparedBase, RunFolder
from tests.hub.tiny_models import build_tokenizer, save_model
from tests.training.conftest import recipe
from tests.training.test_export import losses_of_run, losses_of_script
from tests.training.test_tasks_trained import ships
from tests.training.test_training import reviews, trained

ENCODER: dict[str, Any] = {
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "hidden_size": 64,
    "intermediate_size": 128,
}
BASES: dict[str, tuple[type[PreTrainedModel], type, dict[str, Any], str]] = {
    "deberta": (DebertaV2Model, DebertaV2Config, ENCODER, "SEQ_CLS"),
    "modernbert": (ModernBertForMaskedLM, ModernBertConfig, ENCODER, "QUESTION_ANS"),
}


@pytest.fixture(params=BASES)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> RunFolder:
    kind, config_class, shape, task = BASES[request.param]
    tokenizer = build_tokenizer()
    special = {
        f"{name}_token_id": tokenizer.convert_tokens_to_ids(getattr(tokenizer, f"{name}_token"))
        for name in ("bos", "eos", "pad")
    }
    others = {"cls_token_id": special["bos_token_id"], "sep_token_id": special["eos_token_id"]}
    config = config_class(vocab_size=len(tokenizer), **shape, **special, **others)
    base = PreparedBase(
        save_model(kind, config, tokenizer, tmp_path / "base", seed=0), f"tiny-org/{request.param}"
    )
    rows = reviews() if task == "SEQ_CLS" else ships()
    settings = recipe(task_type=task, target_modules="all-linear", max_steps=4, learning_rate=0.01)
    return trained(tmp_path, settings, rows, base)


def answers(run: RunFolder, seed: int) -> list[torch.Tensor]:
    task = run.read_recipe().task_type
    base = run.read_base().folder
    torch.manual_seed(seed)
    labels = labels_of(run.adapter, base)
    loaded = load_base(base, Precision.FP32, MODEL_CLASS_OF_TASK[task], labels=labels)
    model, _ = attach(loaded.model, run.adapter, "default")
    with torch.inference_mode():
        output = model.eval()(**loaded.tokenizer("Ahoy, the sea is calm.", return_tensors="pt"))
    return [output.logits] if task == "SEQ_CLS" else [output.start_logits, output.end_logits]


def test_it_answers_alike_in_every_load_and_its_script_learns_the_same(
    run: RunFolder, tmp_path: Path
) -> None:
    one, other = answers(run, seed=1), answers(run, seed=2)
    assert all(torch.equal(*pair) for pair in zip(one, other, strict=True))
    found = losses_of_script(export_run(run, "script", tmp_path), run.read_base().folder, tmp_path / "script")
    assert found == pytest.approx(losses_of_run(run), rel=1e-6, abs=1e-6)
