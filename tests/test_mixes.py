"""Mixes over a loopback Hub, a real child process and a real worker: made, used as any adapter, deleted."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter_ui.catalog.storage import children
from adapter_ui.catalog.storage.shared_work import THREAD_NAME
from adapter_ui.domain import (
    AdapterRef,
    ChatMessage,
    GenerationOptions,
    MixRecipe,
    Precision,
    Progress,
    SearchQuery,
    Source,
)
from adapter_ui.errors import (
    BadAdapter,
    InvalidInput,
    ModelFailure,
    NotFoundOrPrivate,
    UnsupportedAdapter,
)
from adapter_ui.service import AdapterService
from adapter_ui.settings import Settings
from tests.hub import catalogue

BASE = "tiny-org/tiny-llama"
NARROW, WIDE = catalogue.LORA_ID, catalogue.WIDE_LORA_ID
HELLO = (ChatMessage("user", "Hello"),)
GREEDY = GenerationOptions(max_new_tokens=8, temperature=0)


@pytest.fixture(scope="module")
def service(hub, tmp_path_factory) -> Iterator[AdapterService]:
    home = tmp_path_factory.mktemp("home")
    service = AdapterService.start(Settings(home=home, hub_endpoint=hub.endpoint))
    yield service
    service.close()


def recipe(
    name: str, combination: str = "cat", weights: tuple[float, float] = (1.0, 0.5), **more
) -> MixRecipe:
    refs = more.pop("refs", (NARROW, WIDE))
    parts = [{"adapter": ref, "weight": weight} for ref, weight in zip(refs, weights, strict=True)]
    return MixRecipe.of(parts, combination, name=name, **more)


def made(service: AdapterService, recipe: MixRecipe) -> AdapterRef:
    *progress, ref = service.mix(recipe)
    assert all(isinstance(event, Progress) for event in progress)
    return ref


def answer(service: AdapterService, adapter: str) -> str:
    *_, last = service.generate(adapter, HELLO, GREEDY, Precision.FP32)
    return last.text


@pytest.mark.slow
def test_a_mix_is_an_adapter_as_any_other(service, hub):
    hub.requests.clear()
    ref = str(made(service, recipe("both")))
    assert ref == "mix:both"
    assert hub.requests.bytes_served(BASE, "model.safetensors") <= 65_536  # its table at most, no tensor
    found = service.inspect(ref)
    assert (found.method, found.rank, found.base.id, found.task_type) == ("LORA", 12, BASE, "CAUSAL_LM")
    assert found.blockers == ()
    *_, report = service.load(ref, Precision.FP32)
    assert report.keys_applied == report.keys_in_file
    assert report.notices == ()
    assert answer(service, ref) != answer(service, NARROW)
    listed = service.search(SearchQuery(source=Source.MIX)).adapters
    assert [str(row.ref) for row in listed] == [ref]
    assert len(service.side_by_side([ref, NARROW]).profiles) == 2


def test_its_card_says_what_it_is_made_of(service):
    ref = made(service, recipe("carded", "dare_ties_svd", density=0.3, rank=4, seed=9))
    card = (service.catalog.folder(ref) / "README.md").read_text()
    for said in (f"base_model: {BASE}", f"| `{NARROW}` | 1 |", f"| `{WIDE}` | 0.5 |", "`dare_ties_svd`"):
        assert said in card
    assert "- density: 0.3\n- seed: 9\n- rank: 4" in card
    assert service.inspect(str(ref)).rank == 4


@pytest.mark.slow
def test_a_mix_can_be_mixed_again(service):
    first = made(service, recipe("first", "svd"))
    again = made(service, recipe("again", "linear", refs=(str(first), NARROW)))
    assert service.inspect(str(again)).rank == 8


@pytest.mark.slow
def test_another_mix_of_a_deleted_name_answers_with_its_own_weights(service):
    ref = str(made(service, recipe("again-and-again")))
    before = answer(service, ref)
    service.delete_mix("again-and-again")
    with pytest.raises(NotFoundOrPrivate):
        service.inspect(ref)
    assert str(made(service, recipe("again-and-again", weights=(-3.0, 2.0)))) == ref
    *_, fresh = service.load(ref, Precision.FP32)
    assert fresh.keys_applied == fresh.keys_in_file
    same = str(made(service, recipe("for-comparison", weights=(-3.0, 2.0))))
    assert answer(service, ref) == answer(service, same) != before


def test_a_name_is_given_once(service):
    made(service, recipe("taken"))
    with pytest.raises(InvalidInput, match="called taken already") as raised:
        made(service, recipe("taken", "linear"))
    assert raised.value.field == "name"


@pytest.mark.parametrize("name", ["gone", "../mixes", "", "a/b", ".hidden"])
def test_only_mixes_are_deleted(service, name):
    with pytest.raises(NotFoundOrPrivate, match="no mix"):
        service.delete_mix(name)
    assert service.settings.home.is_dir()


def test_what_cannot_be_mixed_is_refused_before_any_download(service, hub):
    hub.requests.clear()
    with pytest.raises(UnsupportedAdapter, match="DoRA"):
        made(service, recipe("refused", refs=(NARROW, catalogue.DORA_ID)))
    assert not leftovers(service, "refused")


def test_what_the_child_refuses_is_said_and_leaves_nothing(hub, tiny_models, tmp_path):
    """A file whose tensors are another adapter's than its config says."""
    folder = tmp_path / "folder"
    for name in ("one", "odd"):
        (folder / name).mkdir(parents=True)
        for file in (tiny_models / "lora").iterdir():
            (folder / name / file.name).write_bytes(file.read_bytes())
    raw = json.loads((folder / "odd" / "adapter_config.json").read_text())
    (folder / "odd" / "adapter_config.json").write_text(json.dumps(raw | {"r": 2, "rank_pattern": {}}))
    service = AdapterService.start(Settings(home=tmp_path / "home", hub_endpoint=hub.endpoint, folder=folder))
    with pytest.raises(BadAdapter):
        made(service, recipe("odd-one", refs=("folder:one", "folder:odd")))
    assert not leftovers(service, "odd-one")
    service.close()


def test_a_reader_that_leaves_stops_the_work(service):
    events = service.mix(recipe("left", "ties_svd"))
    next(event for event in events if event.stage == "start")
    events.close()
    for thread in threading.enumerate():
        if thread.name == THREAD_NAME:
            thread.join(30)
    assert not leftovers(service, "left")


def test_a_child_that_falls_silent_is_ended_with_a_sentence(service, monkeypatch):
    monkeypatch.setattr(children, "SILENCE_SECONDS", 0.0)
    with pytest.raises(ModelFailure, match="The adapters were not mixed: nothing moved"):
        made(service, recipe("silent"))
    assert not leftovers(service, "silent")


def leftovers(service: AdapterService, name: str) -> list[Path]:
    home = service.settings.home
    return [*home.glob(f"mixes/{name}"), *home.glob("mixing/*")]
