"""What a recipe is when nobody says: it follows the situation, is never warned of, and gives way to what is
given.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapter_ui.domain import BaseFacts, Precision, PrecisionChoice
from adapter_ui.engine.machine import precision_choices
from adapter_ui.service import AdapterService
from adapter_ui.settings import Settings
from adapter_ui.training.defaults import RowFacts, Situation, chosen_defaults
from adapter_ui.training.methods import METHODS
from adapter_ui.training.preflight import unusual_rate
from adapter_ui.training.recipe import Recipe
from tests.hub import catalogue
from tests.hub.server import LoopbackHub

BF16 = PrecisionChoice(Precision.BF16, "16-bit bfloat", "half the memory of fp32, and fast on this GPU")
BASE = "tiny-org/tiny-llama"


def chosen(
    task: str = "CAUSAL_LM",
    method: str = "LORA",
    rows: int = 1_000,
    *,
    uneven: bool = False,
    base: int | None = 7_000_000_000,
    precision: PrecisionChoice = BF16,
) -> dict[str, Any]:
    found = chosen_defaults(Situation(task, method, RowFacts(rows, uneven), precision, base))
    assert all(one.reason and not one.reason.endswith(".") for one in found.values())
    return {name: one.value for name, one in found.items()}


@pytest.mark.parametrize("rows", [0, 2, 5, 20, 49, 50, 400, 5_000, 40_000, 1_000_000])
@pytest.mark.parametrize("method", METHODS)
def test_every_default_is_a_recipe_whose_rate_is_not_warned_of(method: str, rows: int) -> None:
    for task in METHODS[method].tasks:
        for size in (None, 20_000_000, 7_000_000_000):
            fields = {"base_model": BASE, "method": method, "task_type": task}
            recipe = Recipe.parse({**fields, **chosen(task, method, rows, base=size)})
            assert list(unusual_rate(recipe, BaseFacts(BASE, parameters=size))) == []


def test_the_rate_follows_method_task_and_base() -> None:
    assert chosen()["learning_rate"] == 2e-4
    assert chosen(base=135_000_000)["learning_rate"] == 1e-3
    assert chosen("SEQ_CLS", base=None)["learning_rate"] == 1e-3
    assert chosen("SEQ_2_SEQ_LM")["learning_rate"] == 1e-3
    assert chosen("SEQ_CLS", "PROMPT_TUNING", base=None)["learning_rate"] == 1e-2
    assert chosen(method="PROMPT_TUNING")["learning_rate"] == 3e-2


def test_few_rows_are_seen_more_often_and_validated_by_a_larger_share() -> None:
    by_rows = {rows: chosen(rows=rows, base=135_000_000) for rows in (8, 30, 400, 4_000, 100_000)}
    epochs = [one["num_train_epochs"] for one in by_rows.values()]
    assert epochs == sorted(epochs, reverse=True) == [15, 8, 4, 3, 1]
    assert [one["per_device_train_batch_size"] for one in by_rows.values()] == [4, 4, 8, 8, 8]
    assert [one["validation_fraction"] for one in by_rows.values()] == [0, 0.25, 0.1, 0.05, 0.002]


def test_rows_are_grouped_by_length_where_that_pays() -> None:
    assert chosen(uneven=True)["train_sampling_strategy"] == "group_by_length"
    assert chosen(uneven=True, rows=99)["train_sampling_strategy"] == "random"
    assert chosen()["train_sampling_strategy"] == "random"
    short, long = {"text": "a word"}, {"text": "a word " * 9}
    assert RowFacts.of([short] * 6 + [long] * 4) == RowFacts(10, uneven=True)
    assert RowFacts.of([short] * 10) == RowFacts(10, uneven=False)


def test_the_precision_is_the_machines_own() -> None:
    assert chosen()["precision"] == "bf16"
    slow = PrecisionChoice(Precision.FP32, "32-bit floats", "exact")
    assert chosen(precision=slow)["precision"] == "fp32"


def test_what_is_left_out_is_filled_in_with_reasons_and_what_is_given_stays(
    tiny_models: Path, tmp_path: Path
) -> None:
    rows = "question,answer\n" + "".join(f"What is {at}?,Arrr {at}\n" for at in range(40))
    with LoopbackHub() as hub:
        catalogue.add_real_repos(hub, tiny_models)
        service = AdapterService.start(Settings(home=tmp_path, hub_endpoint=hub.endpoint))
        try:
            found = service.check_finetune({"base_model": BASE, "num_train_epochs": 1}, rows)
            assert found.reasons.keys() == chosen().keys() - {"num_train_epochs"}
            assert found.recipe["num_train_epochs"] == 1
            own = next(one for one in precision_choices(has_gpu=False) if one.default)
            assert (found.recipe["precision"], found.reasons["precision"]) == (own.precision, own.reason)
            assert (found.recipe["learning_rate"], found.validation_rows) == (1e-3, 10)
            assert not any("learning rate" in warning for warning in found.warnings)
            run_id = service.finetune({"base_model": BASE, "num_train_epochs": 1}, rows)
            assert service.stop_run(run_id).recipe == found.recipe
        finally:
            service.close()
