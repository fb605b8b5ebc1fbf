"""What leaves the service, over a loopback Hub: merged models and pushed adapters."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter_ui import outgoing
from adapter_ui.domain import AdapterRef, Merged, Precision, Progress
from adapter_ui.errors import DoesNotFit, UnsupportedAdapter
from adapter_ui.service import AdapterService
from adapter_ui.settings import Settings
from tests.hub import LoopbackHub, catalogue

BASE, ADAPTER = "tiny-org/tiny-llama", catalogue.LORA_ID


@pytest.fixture
def service(hub: LoopbackHub, tmp_path: Path, tiny_models: Path) -> Iterator[AdapterService]:
    folder = tmp_path / "folder"
    shutil.copytree(tiny_models / "lora", folder / "mine")
    service = AdapterService.start(Settings(home=tmp_path / "home", hub_endpoint=hub.endpoint, folder=folder))
    yield service
    service.close()


def merged(service: AdapterService, adapter: str) -> tuple[list[str], Merged]:
    """What was said on the way, and the merged model."""
    *steps, last = service.outgoing.merge(adapter)
    assert isinstance(last, Merged)
    return [step.message for step in steps if isinstance(step, Progress)], last


def test_an_adapter_of_the_hub_is_merged_and_given_again_without_work(service: AdapterService) -> None:
    steps, found = merged(service, ADAPTER)
    assert any(step.startswith("Starting to merge (") for step in steps)
    assert (found.base, found.precision) == (BASE, Precision.FP32)
    assert 0 <= found.difference <= found.tolerance
    folder = service.outgoing.exports / found.folder
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= {
        path.name for path in folder.iterdir()
    }
    changed = folder.stat().st_mtime_ns
    again = merged(service, ADAPTER)[1]
    assert (again, folder.stat().st_mtime_ns) == (found, changed)
    with zipfile.ZipFile(service.outgoing.zipped(found)) as file:
        assert set(file.namelist()) == {path.name for path in folder.iterdir()}
        assert file.testzip() is None
        assert not any(str(service.settings.home).encode() in file.read(name) for name in file.namelist())
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == []


def test_other_weights_under_the_same_name_are_merged_anew(
    service: AdapterService, tiny_models: Path
) -> None:
    merged(service, "folder:mine")
    shutil.copytree(tiny_models / "lora-wide", service.settings.folder / "mine", dirs_exist_ok=True)
    folder = service.outgoing.exports / merged(service, "folder:mine")[1].folder
    new_weights = outgoing.digest(tiny_models / "lora-wide" / "adapter_model.safetensors")
    assert new_weights in (folder / "README.md").read_text()


def test_another_config_under_the_same_name_is_merged_anew(service: AdapterService) -> None:
    first = merged(service, "folder:mine")[1]
    before = outgoing.digest(service.outgoing.exports / first.folder / "model.safetensors")
    config = service.settings.folder / "mine" / "adapter_config.json"
    fields = json.loads(config.read_text())
    config.write_text(json.dumps(fields | {"lora_alpha": 4 * fields["lora_alpha"]}))
    second = merged(service, "folder:mine")[1]
    assert second.folder == first.folder
    assert outgoing.digest(service.outgoing.exports / second.folder / "model.safetensors") != before


def test_a_zip_has_the_further_chat_templates_of_a_tokenizer_and_all_goes_with_its_adapter(
    service: AdapterService,
) -> None:
    found = merged(service, "folder:mine")[1]
    further = service.outgoing.exports / found.folder / "additional_chat_templates"
    further.mkdir()
    (further / "tool_use.jinja").write_text("{{ messages }}")
    with zipfile.ZipFile(service.outgoing.zipped(found)) as file:
        assert "additional_chat_templates/tool_use.jinja" in file.namelist()
    service.outgoing.forget(AdapterRef.parse("folder:mine"))
    assert list(service.outgoing.exports.iterdir()) == []


def test_nothing_is_left_of_a_merge_that_failed(service: AdapterService, tiny_models: Path) -> None:
    from peft import PromptTuningConfig

    from tests.training.test_merging import made

    config = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4, base_model_name_or_path=BASE)
    made(tiny_models / "llama", service.settings.folder / "prompts", config)
    config_file = service.settings.folder / "prompts" / "adapter_config.json"
    config_file.write_text(config_file.read_text().replace(str(tiny_models / "llama"), BASE))
    with pytest.raises(UnsupportedAdapter, match="nothing to merge"):
        merged(service, "folder:prompts")
    assert list(service.outgoing.exports.iterdir()) == []


def test_a_full_disk_is_told_before_anything_is_merged(
    service: AdapterService, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(service.settings.folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(DoesNotFit, match="on disk"):
        merged(service, "folder:mine")


def test_names_that_read_alike_have_folders_of_their_own() -> None:
    names = {outgoing.merged_name(ref, "o/base", "") for ref in ("a/b-c", "a-b/c", "a/b@c", "../../x/y")}
    names.add(outgoing.merged_name("a/b-c", "o/other", ""))
    assert len(names) == 5
    assert all("/" not in name and not name.startswith(".") for name in names)
