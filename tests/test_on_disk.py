"""What was downloaded or merged is taken away, over a loopback Hub and a real worker, not under its users."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from adapter_ui.domain import ChatMessage, GenerationOptions, Held, Precision, RunState
from adapter_ui.errors import InvalidInput
from adapter_ui.service import AdapterService
from adapter_ui.settings import Settings
from tests.hub import LoopbackHub, catalogue

BASE, ADAPTER = "tiny-org/tiny-llama", catalogue.LORA_ID
HELLO = (ChatMessage("user", "Hello"),)
GREEDY = GenerationOptions(max_new_tokens=8, temperature=0)


@pytest.fixture(scope="module")
def service(hub: LoopbackHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdapterService]:
    home = tmp_path_factory.mktemp("home")
    with closing(AdapterService.start(Settings(home=home, hub_endpoint=hub.endpoint))) as service:
        yield service


def answer(service: AdapterService) -> str:
    *_, last = service.generate(ADAPTER, HELLO, GREEDY, Precision.FP32)
    return last.text


def held(service: AdapterService) -> dict[str, Held]:
    return {one.repo_id: one.held for one in service.disk().downloaded}


@pytest.mark.parametrize("gone", [BASE, ADAPTER])
def test_what_is_deleted_leaves_memory_too_and_is_fetched_again_when_it_is_asked_for(
    service: AdapterService, gone: str
) -> None:
    before = answer(service)
    assert held(service) == {BASE: Held.BASE, ADAPTER: Held.ADAPTER}
    service.delete_downloaded(gone)
    assert gone not in held(service)
    assert service.loaded() == ()
    assert answer(service) == before
    assert gone in held(service)


def test_what_a_run_trains_with_stays_until_it_has_ended(service: AdapterService) -> None:
    answer(service)
    rows = '{"prompt": "Hi", "completion": "Arrr"}\n' * 8
    run_id = service.finetune({"base_model": BASE, "max_steps": 40, "name": "Pirates"}, rows)
    while service.run(run_id).state is RunState.QUEUED:
        time.sleep(0.05)
    with pytest.raises(InvalidInput, match="“Pirates” is training with tiny-org/tiny-llama; pause"):
        service.delete_downloaded(BASE)
    while not (status := service.run(run_id)).state.ended:
        time.sleep(0.05)
    assert status.state is RunState.DONE, status.error
    service.delete_downloaded(BASE)


def test_nothing_is_deleted_while_files_come_in(service: AdapterService) -> None:
    loading = service.load(ADAPTER, Precision.FP32)
    with closing(loading):
        while not next(loading).message.startswith("Downloading"):
            pass
        with pytest.raises(InvalidInput, match="wait until it has ended"):
            service.delete_downloaded(ADAPTER)
    assert ADAPTER in held(service)


def test_a_merged_model_is_listed_with_its_zip_and_deleted_with_it(service: AdapterService) -> None:
    *_, archive = service.zip_merged(ADAPTER)
    (found,) = service.merged_models()
    assert (found.adapter, found.base) == (ADAPTER, BASE)
    folder = service.outgoing.exports / found.folder
    assert found.size_bytes == archive.stat().st_size + sum(
        path.stat().st_size for path in folder.rglob("*") if path.is_file()
    )
    with pytest.raises(InvalidInput, match="no merged model"):
        service.delete_merged("../home")
    service.delete_merged(found.folder)
    assert service.merged_models() == ()
    assert list(service.outgoing.exports.iterdir()) == []
