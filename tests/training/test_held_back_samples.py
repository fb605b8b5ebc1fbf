"""The fixed prompts are such as the model does not learn from, where there are any."""

from __future__ import annotations

import json
import random
from pathlib import Path

from adapter_ui.models.tuning.samples import sample_prompts
from adapter_ui.training.data import read_table
from adapter_ui.training.examples import Examples, to_examples
from adapter_ui.training.run_folder import PreparedBase
from adapter_ui.training.run_status import read_status
from adapter_ui.ui.tuning.samples import samples_view
from tests.training.conftest import BASE_ID, pirate_rows, recipe
from tests.training.test_training import trained


def rows(*prompts: str) -> Examples:
    written = [{"prompt": prompt, "completion": str(at)} for at, prompt in enumerate(prompts)]
    return to_examples(read_table(json.dumps(written)), {}, "CAUSAL_LM")


def test_a_run_asks_what_it_holds_back_and_says_so(tmp_path: Path, tiny_models: Path) -> None:
    settings = recipe(validation_fraction=0.25, max_steps=2)
    run = trained(tmp_path, settings, pirate_rows(12), PreparedBase(tiny_models / "llama", BASE_ID))
    held_back = sorted(random.Random(settings.seed).sample(range(12), 3))
    samples = read_status(run).samples
    assert [sample.prompt for sample in samples] == [f"What is {at}?" for at in held_back[:2]]
    assert [sample.held_back for sample in samples] == [True, True]
    assert str(samples_view(samples)).count("In the data, held back") == 4


def test_without_rows_held_back_it_says_that_they_are_learned(tmp_path: Path, tiny_models: Path) -> None:
    run = trained(tmp_path, recipe(), pirate_rows(), PreparedBase(tiny_models / "llama", BASE_ID))
    assert [sample.held_back for sample in read_status(run).samples] == [False, False]
    assert "In the data, learned from" in samples_view(read_status(run).samples)


def test_a_prompt_that_is_learned_from_as_well_is_none_that_is_held_back() -> None:
    examples = rows("a", "b", "c", "a", "d")
    found = sample_prompts(examples, examples.rows, "Q: {prompt} A: {completion}", examples.rows[3:])
    assert [(one.asked[0].content, one.held_back) for one in found] == [("Q: d A:", True), ("Q: a A:", False)]
    assert [one.held_back for one in sample_prompts(examples, examples.rows)] == [False, False]
