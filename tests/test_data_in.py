"""Data in as a whole: a dataset of the Hub, its rows as the base's tokens, and the check that counts them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from adapter_ui.catalog.hub.datasets import DatasetRef
from adapter_ui.catalog.storage.bases import find_base
from adapter_ui.domain import Progress
from adapter_ui.errors import InvalidRecipe
from adapter_ui.service import AdapterService
from adapter_ui.settings import Settings
from tests.hub import catalogue
from tests.hub.server import LoopbackHub

RECIPE = {"base_model": "tiny-org/tiny-llama", "precision": "fp32", "max_length": 80}
LONG = "Arrr " * 60
ROWS = "question,answer\n" + "".join(f"What is {number}?,Arrr {number}\n" for number in range(8))


@pytest.fixture
def hub(tiny_models: Path) -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        catalogue.add_real_repos(hub, tiny_models)
        hub.add_repo("org/talk", {"data/train.csv": f"{ROWS}Tell me more,{LONG}\n".encode()}, kind="dataset")
        yield hub


@pytest.fixture
def service(hub: LoopbackHub, tmp_path: Path) -> Iterator[AdapterService]:
    service = AdapterService.start(Settings(home=tmp_path / "home", hub_endpoint=hub.endpoint))
    yield service
    service.close()


def test_a_dataset_of_the_hub_is_shown_as_tokens_and_counted(service: AdapterService, tmp_path: Path) -> None:
    *steps, rows = service.fetch_dataset(DatasetRef("org/talk"), tmp_path)
    assert all(isinstance(step, Progress) for step in steps)
    assert isinstance(rows, Path)
    assert find_base(service.settings, "tiny-org/tiny-llama") is None
    shown = service.preview_tokens(RECIPE, rows)
    assert (shown.missing, shown.limit, len(shown.rows)) == ("", 80, 3)
    learned = "".join(token.text for token in shown.rows[1].tokens if token.learned)
    assert "Arrr 1</s>\n".startswith(learned)
    assert learned
    found = service.check_finetune(RECIPE, rows)
    assert found.lengths is not None
    assert sum(found.lengths.counts) == found.rows == 9
    assert found.lengths.limit == 80 < found.lengths.longest == found.longest
    assert found.cut >= 1
    assert found.preview == shown.rows
    assert find_base(service.settings, "tiny-org/tiny-llama") is None  # its weights were not needed


def test_a_datasets_classes_in_parquet_are_learned_by_their_names(
    service: AdapterService, hub: LoopbackHub, tmp_path: Path
) -> None:
    features = {"label": {"names": ["negative", "positive"], "_type": "ClassLabel"}}
    table = pyarrow.table({"text": [f"Film {at}" for at in range(9)], "label": [*[0, 1] * 4, -1]})
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    file = io.BytesIO()
    parquet.write_table(table, file)
    hub.add_repo("org/films", {"data/train-00000-of-00001.parquet": file.getvalue()}, kind="dataset")
    *_, rows = service.fetch_dataset(DatasetRef("org/films"), tmp_path)
    assert isinstance(rows, Path)
    recipe = {**RECIPE, "task_type": "SEQ_CLS"}
    shown = service.preview_tokens(recipe, rows)
    assert [row.label for row in shown.rows[:2]] == ["negative", "positive"]
    found = service.check_finetune(recipe, rows)
    assert found.rows == 8
    assert any("row 9" in warning for warning in found.warnings)  # it has no label


def test_a_base_that_cannot_be_had_shows_no_tokens_and_says_why(service: AdapterService) -> None:
    recipe = {**RECIPE, "base_model": "tiny-org/nowhere"}
    missing = service.preview_tokens(recipe, ROWS).missing
    assert missing.startswith("tiny-org/nowhere is not on this machine, so no tokens can be shown. ")
    assert "tiny-org/nowhere" in missing.partition(". ")[2]
    found = service.check_finetune(recipe, ROWS)
    assert (found.rows, found.tokens) == (8, None)


def test_a_preview_says_what_is_wrong_with_the_columns(service: AdapterService) -> None:
    with pytest.raises(InvalidRecipe, match="The data has no column “reply” for completion"):
        service.preview_tokens({**RECIPE, "columns": {"prompt": "question", "completion": "reply"}}, ROWS)
