"""Data in as a whole: a dataset of the Hub, its rows as the base's tokens, and the check that counts them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

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
def service(tiny_models: Path, tmp_path: Path) -> Iterator[AdapterService]:
    with LoopbackHub() as hub:
        catalogue.add_real_repos(hub, tiny_models)
        hub.add_repo("org/talk", {"data/train.csv": f"{ROWS}Tell me more,{LONG}\n".encode()}, kind="dataset")
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
