"""A template is refused for rows that it has no place for, whichever way they came."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapter_ui.errors import InvalidRecipe
from adapter_ui.service import AdapterService
from adapter_ui.settings import Settings
from tests.hub.server import LoopbackHub
from tests.training.conftest import BASE_ID

ASKED = {"base_model": BASE_ID, "prompt_template": "Q: {prompt}\nA: {completion}"}
TEXTS = '{"text": "Arrr! The sea."}\n{"text": "Ahoy! The shore."}'
PAIRS = "prompt,completion,text\nWhere?,Here.,A tale.\nWho?,We.,Another."


@pytest.fixture
def service(tmp_path: Path) -> Iterator[AdapterService]:
    with LoopbackHub() as hub:
        service = AdapterService.start(Settings(home=tmp_path / "home", hub_endpoint=hub.endpoint))
        yield service
        service.close()


def test_a_template_for_whole_texts_is_refused(service: AdapterService) -> None:
    asks: tuple[Callable[..., object], ...] = (
        service.check_finetune,
        service.finetune,
        service.preview_tokens,
        service.row_facts,
    )
    for recipe, rows in ((ASKED, TEXTS), ({**ASKED, "columns": {"text": "text"}}, PAIRS)):
        for ask in asks:
            with pytest.raises(InvalidRecipe, match="the rows are whole texts; leave it out") as caught:
                ask(recipe, rows)
            assert caught.value.field == "prompt_template"
    assert service.runs() == ()


def test_an_unknown_place_is_named_with_those_that_exist(service: AdapterService) -> None:
    wanted = "place {question}, and a row has {system} and {prompt} and {completion}; use those"
    with pytest.raises(InvalidRecipe, match=wanted):
        service.read_recipe({**ASKED, "prompt_template": "{question} {completion}"}, PAIRS)
    assert service.read_recipe(ASKED, PAIRS)[1].columns == {"prompt": "prompt", "completion": "completion"}
