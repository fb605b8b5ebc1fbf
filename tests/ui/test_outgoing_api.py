"""The endpoints of what becomes of a run or an adapter, called as a script calls them."""

from __future__ import annotations

import zipfile

import gradio as gr
import pytest

from adapter_ui.ui.tuning.outgoing_api import OutgoingApi
from tests.ui.fake_service import FakeService


@pytest.fixture
def service() -> FakeService:
    service = FakeService()
    service.finetune({"name": "Pirates"}, "")
    while not service.run("run0001").state.ended:
        pass
    return service


@pytest.fixture
def api(service: FakeService) -> OutgoingApi:
    return OutgoingApi(service)


def test_merge_streams_progress_and_then_the_difference(api: OutgoingApi) -> None:
    *steps, last = api.merge("run:run0001")
    assert {step["stage"] for step in steps} == {"merge"}
    assert (last["adapter"], last["precision"]) == ("run:run0001", "bf16")
    assert 0 < last["difference"] < last["tolerance"]


def test_a_run_and_an_adapter_are_exported_under_either_name(api: OutgoingApi) -> None:
    for names in ({"run_id": "run0001"}, {"adapter": "run:run0001"}, {"adapter": "starter:pirate"}):
        with zipfile.ZipFile(api.export(format="merged", **names)) as file:
            assert file.testzip() is None
    assert "run0001-adapter" in api.export("run0001")
    assert "run0001-script" in api.export(adapter="run:run0001", format="script")


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ({}, "Name a run by run_id, or an adapter"),
        ({"run_id": "a", "adapter": "run:a"}, "not both"),
        ({"adapter": "starter:pirate"}, "only format merged is for every adapter"),
        ({"run_id": 7}, "run_id must be a string"),
    ],
)
def test_what_cannot_be_exported_is_told(api: OutgoingApi, names: dict[str, object], reason: str) -> None:
    with pytest.raises(gr.Error, match=reason):
        api.export(**names)


def test_a_push_is_private_and_careful_unless_told_otherwise(api: OutgoingApi, service: FakeService) -> None:
    *_, last = api.push("run:run0001", "ada/pirate", token="hf_x")
    assert (last["repo_id"], last["private"]) == ("ada/pirate", True)
    assert service.outgoing.pushed == [("ada/pirate", "hf_x")]
    with pytest.raises(gr.Error, match="private must be true or false"):
        list(api.push("run:run0001", "ada/pirate", private="yes", token="hf_x"))


def test_a_run_is_renamed_and_its_checkpoint_kept(api: OutgoingApi) -> None:
    assert api.rename_run("run0001", "Anne", "Good.")["notes"] == "Good."
    assert api.rename_run("run0001", "Anne")["name"] == "Anne"
    assert api.keep_checkpoint("run0001")["adapter"] == "run:run0001"
    with pytest.raises(gr.Error, match="There is no run"):
        api.keep_checkpoint("none")
