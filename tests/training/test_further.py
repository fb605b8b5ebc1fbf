"""An adapter of every method is trained further from where it stood."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from adapter_ui.domain import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from adapter_ui.errors import InvalidRecipe
from adapter_ui.models.tuning.check import count
from adapter_ui.service import AdapterService
from adapter_ui.settings import Settings
from adapter_ui.training.defaults import RowFacts
from adapter_ui.training.export import export_run
from adapter_ui.training.methods import METHODS
from adapter_ui.training.run_folder import PreparedBase, RunFolder
from adapter_ui.training.run_status import read_status
from adapter_ui.ui.tuning.recipe import recipe_of
from tests.hub import catalogue
from tests.hub.server import LoopbackHub
from tests.tiers import in_tiers
from tests.training.conftest import BASE_ID, pirate_rows, recipe
from tests.training.test_export import loss_tolerance, losses_of_run, losses_of_script
from tests.training.test_training import trained

PLAN = {"validation_fraction": 0.25, "max_steps": 3, "learning_rate": 0.05}
CASES: dict[str, dict[str, Any]] = {
    **{method: {"method": method} for method, facts in METHODS.items() if not facts.ends_with_its_run},
    "dora": {"method": "LORA", "use_dora": True, "bias": "all"},
    "tokens": {"method": "LORA", "trainable_tokens": ["</s>"]},
    "mica": {"method": "LORA", "init_lora_weights": "mica"},
    "few tokens": {"method": "PROMPT_TUNING", "num_virtual_tokens": 3},
    "prefix in int8": {"method": "PREFIX_TUNING", "precision": "int8"},
    "norms in bf16": {"method": "LN_TUNING", "precision": "bf16"},
    "loha in bf16": {"method": "LOHA", "precision": "bf16"},
}


def in_two_runs(case: str, base: Path, folder: Path) -> tuple[RunFolder, RunFolder]:
    fields = {**PLAN, **CASES[case]}
    prepared = PreparedBase(base, BASE_ID, revision="0" * 40)
    first = trained(folder / "first", recipe(**fields), pirate_rows(12), prepared)
    # what the adapter has of its own counts, not what a recipe that names no more than its method has
    few = recipe(
        adapter="run:first", method=fields["method"], precision=fields.get("precision", "fp32"), **PLAN
    )
    onward = PreparedBase(base, BASE_ID, revision="0" * 40, adapter=first.adapter)
    return first, trained(folder / "further", few, pirate_rows(12), onward)


@pytest.mark.parametrize("case", CASES)
def test_it_begins_where_it_stood_and_learns(case: str, tiny_models: Path, tmp_path: Path) -> None:
    first, further = in_two_runs(case, tiny_models / "llama", tmp_path)
    ended, begun = read_status(first), read_status(further)
    assert ended.metrics_after["loss"] != pytest.approx(ended.metrics_before["loss"], abs=1e-4)
    tolerance = 1e-6 if CASES[case].get("precision", "fp32") == "fp32" else 1e-3
    assert begun.metrics_before["loss"] == pytest.approx(
        ended.metrics_after["loss"], rel=tolerance, abs=tolerance
    )
    before, after = (load_file(run.adapter / ADAPTER_WEIGHTS) for run in (first, further))
    assert {name: value.shape for name, value in before.items()} == {
        name: value.shape for name, value in after.items()
    }
    assert any(not torch.equal(before[name], after[name]) for name in before)
    configs = [json.loads((run.adapter / ADAPTER_CONFIG).read_text()) for run in (first, further)]
    assert configs[0]["peft_type"] == configs[1]["peft_type"]
    counted = [count(run) for run in (first, further)]
    assert counted[0].trainable_parameters == counted[1].trainable_parameters


@pytest.mark.parametrize(
    "case",
    in_tiers(
        ["IA3", "PREFIX_TUNING", "few tokens", "OFT", "VERA", "mica", "loha in bf16", "norms in bf16"],
        slow=["PREFIX_TUNING", "few tokens", "norms in bf16"],
    ),
)
def test_the_script_goes_on_as_the_run_did(case: str, tiny_models: Path, tmp_path: Path) -> None:
    _, further = in_two_runs(case, tiny_models / "llama", tmp_path)
    archive = export_run(further, "script", tmp_path)
    with zipfile.ZipFile(archive) as file:
        assert "starting_adapter/adapter_model.safetensors" in file.namelist()
    found = losses_of_script(archive, tiny_models / "llama", tmp_path / "script")
    tolerance = loss_tolerance(further.read_recipe())
    assert found == pytest.approx(losses_of_run(further), rel=tolerance, abs=tolerance)


@pytest.mark.parametrize(
    ("method", "why"), [("ADALORA", "rank that it may move"), ("P_TUNING", "the network")]
)
def test_what_cannot_be_is_refused_with_its_reason(method: str, why: str) -> None:
    with pytest.raises(InvalidRecipe, match=f"cannot be trained further: the .*{why[4:]}") as caught:
        recipe(adapter="run:x", method=method)
    assert caught.value.field == "adapter"


def test_an_adapter_of_another_method_is_refused(tiny_models: Path, tmp_path: Path) -> None:
    base = PreparedBase(tiny_models / "llama", BASE_ID, adapter=tiny_models / "ia3")
    with pytest.raises(
        InvalidRecipe, match="The adapter is a IA3 for CAUSAL_LM, and the recipe trains a LORA"
    ):
        trained(tmp_path, recipe(adapter="run:x"), pirate_rows(), base)


def test_the_method_is_the_adapters_own(tiny_models: Path, tmp_path: Path) -> None:
    rows = "prompt,completion\n" + "".join(f"What is {at}?,Arrr {at}\n" for at in range(12))
    with LoopbackHub() as hub:
        catalogue.add_real_repos(hub, tiny_models)
        service = AdapterService.start(Settings(home=tmp_path / "home", hub_endpoint=hub.endpoint))
        found = service.check_finetune({"adapter": catalogue.IA3_ID}, rows).recipe
        assert found["method"] == "IA3"
        defaults = service.finetune_defaults({"adapter": catalogue.IA3_ID}, RowFacts())
        assert found["learning_rate"] == defaults["learning_rate"].value
        again = service.read_recipe(found, rows)[0]
        with pytest.raises(InvalidRecipe, match="is of the method IA3, and method is LORA; leave method out"):
            service.check_finetune({"adapter": catalogue.IA3_ID, "method": "LORA"}, rows)
        service.close()
    assert again.method == "IA3"


def test_the_page_leaves_to_the_adapter_what_is_its_own() -> None:
    names = ["base_model", "adapter", "method", "r", "target_modules", "learning_rate"]
    values = ["a/b", "run:x", "LORA", 64, ["q_proj"], 0.1]
    found = recipe_of(names, values, "CAUSAL_LM", {})
    assert found == {"adapter": "run:x", "learning_rate": 0.1, "task_type": "CAUSAL_LM", "columns": {}}
