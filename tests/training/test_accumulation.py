"""Four rows at once, and one row in each of four passes: the same step."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from adapter_ui.training.data import read_table
from adapter_ui.training.examples import Examples, to_examples
from adapter_ui.training.run_folder import PreparedBase
from adapter_ui.training.run_status import read_status
from tests.training.conftest import pirate_rows, recipe
from tests.training.test_export import without_dropout
from tests.training.test_tasks_trained import orders, ships
from tests.training.test_training import reviews, trained
from tests.training.tiny_t5 import build_t5

STEPS = 3


def crews() -> Examples:
    """Rows with different numbers of words, so that an average of averages would differ."""
    rows = [
        {"tokens": ["Ahoy"] * words + [f"Anne{words}"], "tags": ["O"] * words + ["B-P"]}
        for words in (1, 2, 3, 4) * 4
    ]
    return to_examples(read_table(json.dumps(rows)), {}, "TOKEN_CLS")


CASES = {
    "text": ("llama", "CAUSAL_LM", "LORA", pirate_rows(16)),
    "text, moving ranks": ("llama", "CAUSAL_LM", "ADALORA", pirate_rows(16)),
    "text to text": ("t5", "SEQ_2_SEQ_LM", "LORA", orders()),
    "classes": ("bert", "SEQ_CLS", "LORA", reviews()),
    "tags": ("bert", "TOKEN_CLS", "LORA", crews()),
    # all of one length: BERT looks for an answer in a batch's padding too
    "questions": ("bert", "QUESTION_ANS", "LORA", ships(["Anne"])),
}


@pytest.fixture(scope="module")
def bases(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bases")
    t5 = build_t5(folder / "with-dropout")
    found = {"llama": tiny_models / "llama", "bert": tiny_models / "bert", "t5": t5}
    return {name: without_dropout(base, folder / name) for name, base in found.items()}


@pytest.mark.parametrize("case", CASES)
def test_one_row_in_each_of_four_passes_is_one_batch_of_four(
    case: str, bases: dict[str, Path], tmp_path: Path
) -> None:
    name, task, method, examples = CASES[case]
    base = PreparedBase(bases[name], f"tiny-org/tiny-{name}", revision="0" * 40)
    found = {}
    for rows, passes in ((4, 1), (1, 4)):
        settings = recipe(
            task_type=task,
            method=method,
            max_steps=STEPS,
            per_device_train_batch_size=rows,
            gradient_accumulation_steps=passes,
        )
        run = trained(tmp_path / f"{rows}x{passes}", settings, examples, base)
        found[rows] = read_status(run).history
        shutil.rmtree(run.path)
    for figure in ("loss", "grad_norm"):
        at_once, in_passes = ([entry[figure] for entry in found[rows]] for rows in (4, 1))
        assert in_passes == pytest.approx(at_once, rel=2e-4), figure
