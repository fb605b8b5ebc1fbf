"""Adapters in folders of a repository: listed, named, inspected, downloaded, each by itself."""

from __future__ import annotations

import json

import pytest
from safetensors.numpy import load_file

from adapter_ui.catalog.storage.bases import fetch_adapter
from adapter_ui.domain import AdapterProfile, AdapterRef, Level
from adapter_ui.errors import BadAdapter, NotFoundOrPrivate
from tests.catalog.folders import CONFIG, adapter_files, lora_tensors
from tests.conftest import finish
from tests.hub import LoopbackHub
from tests.hub.light_adapters import light_base_files

REPO = "a/steps"
ROOT_CARD = "---\nbase_model: tiny-org/base\nlicense: mit\n---\n# All steps"


@pytest.fixture
def steps(server) -> LoopbackHub:
    """Two checkpoints with ranks of their own, one folder that is none, and no adapter at the top."""
    server.add_repo("tiny-org/base", light_base_files())
    files: dict[str, bytes | str] = {"README.md": ROOT_CARD, "logs/events.txt": "x"}
    for step, rank in ((100, 2), (20, 4)):
        adapter = adapter_files({"r": rank}, lora_tensors(rank), "# Step 100" if step == 100 else None)
        files |= {f"checkpoint-{step}/{name}": content for name, content in adapter.items()}
    server.add_repo(REPO, files)
    return server


def inspect(catalog, text: str) -> AdapterProfile:
    return catalog.inspect(AdapterRef.parse(text))


def test_the_top_says_how_to_name_the_folders(steps, catalog):
    profile = inspect(catalog, REPO)
    assert profile.folders == ("checkpoint-20", "checkpoint-100")
    (finding,) = (one for one in profile.findings if one.code == "config_missing")
    assert finding.level is Level.BLOCKER
    assert "name one as a/steps:checkpoint-20, a/steps:checkpoint-100." in finding.message


@pytest.mark.parametrize(("step", "rank", "card"), [(100, 2, "# Step 100"), (20, 4, "# All steps")])
def test_a_folder_is_inspected_by_itself(steps, catalog, step, rank, card):
    profile = inspect(catalog, f"{REPO}:checkpoint-{step}")
    size = steps.repo(REPO).head.files[f"checkpoint-{step}/adapter_model.safetensors"].content.size
    assert (profile.rank, profile.size_bytes, profile.card) == (rank, size, card)
    own = {name for name, _ in profile.files}
    assert own == {"adapter_config.json", "adapter_model.safetensors"} | (
        {"README.md"} if step == 100 else set()
    )
    assert profile.folders == ("checkpoint-20", "checkpoint-100")
    assert (profile.license, profile.base.id) == ("mit", "tiny-org/base")
    assert not profile.blockers
    assert f"subfolder='checkpoint-{step}'" in profile.snippet


def test_the_repositorys_card_names_the_base_of_a_folder_too(server, catalog):
    server.add_repo("tiny-org/base", light_base_files())
    local = adapter_files({"base_model_name_or_path": "/home/ada/base"})
    files = {f"x/y/{name}": content for name, content in local.items()}
    server.add_repo(REPO, files | {"README.md": ROOT_CARD})
    assert inspect(catalog, f"{REPO}:x/y").base.id == "tiny-org/base"


def test_a_folder_at_a_revision(steps, catalog):
    repository = steps.repo(REPO)
    first = repository.sha
    repository.commit({}, deleted=["checkpoint-100/adapter_config.json"])
    assert inspect(catalog, f"{REPO}@{first}:checkpoint-100").rank == 2
    now = inspect(catalog, f"{REPO}:checkpoint-100")
    assert "config_missing" in {one.code for one in now.blockers}
    assert now.folders == ("checkpoint-20",)


def test_an_adapter_in_its_own_bases_repository_does_not_name_itself(server, catalog):
    below = {f"lora/{name}": content for name, content in adapter_files().items()}
    server.add_repo("tiny-org/base", light_base_files() | below)
    profile = inspect(catalog, "tiny-org/base:lora")
    assert not profile.blockers
    assert profile.base.id == "tiny-org/base"


def test_a_folder_that_is_not_there_names_those_that_are(steps, catalog):
    with pytest.raises(NotFoundOrPrivate, match="no folder checkpoint-7 in a/steps; it has adapters in"):
        inspect(catalog, f"{REPO}:checkpoint-7")
    with pytest.raises(NotFoundOrPrivate, match="no folder checkpoint-1 "):
        inspect(catalog, f"{REPO}:checkpoint-1")


def test_folders_below_a_folder_are_named_in_full(server, catalog):
    server.add_repo(REPO, {f"runs/a/{name}": content for name, content in adapter_files().items()})
    (finding,) = (one for one in inspect(catalog, f"{REPO}:runs").findings if one.code == "config_missing")
    assert "name one as a/steps:runs/a." in finding.message


def test_a_download_takes_the_folders_files_and_no_other(steps, settings, catalog):
    ref = AdapterRef.parse(f"{REPO}:checkpoint-20")
    profile = catalog.inspect(ref)
    folder = finish(fetch_adapter(settings, catalog.hub, ref, profile.commit))
    assert {path.name for path in folder.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    assert {path.name for path in folder.parent.iterdir()} == {"checkpoint-20"}
    assert json.loads((folder / "adapter_config.json").read_text())["r"] == 4
    assert load_file(folder / "adapter_model.safetensors").keys() == lora_tensors().keys()
    other = finish(fetch_adapter(settings, catalog.hub, AdapterRef.parse(f"{REPO}:checkpoint-100")))
    assert json.loads((other / "adapter_config.json").read_text())["r"] == 2
    steps.stop()
    assert finish(fetch_adapter(settings, catalog.hub, ref)) == folder


def test_an_interrupted_download_of_a_folder_goes_on(steps, settings, catalog):
    fault = steps.faults.inject("/_cdn/*", cut_after=300, times=1)
    folder = finish(fetch_adapter(settings, catalog.hub, AdapterRef.parse(f"{REPO}:checkpoint-20")))
    assert fault.hits == 1
    content = steps.repo(REPO).head.files["checkpoint-20/adapter_model.safetensors"].content.read()
    assert (folder / "adapter_model.safetensors").read_bytes() == content


def test_a_folder_without_an_adapter_is_not_downloaded(steps, settings, catalog):
    with pytest.raises(BadAdapter, match=r"a/steps:logs has no adapter_config\.json"):
        finish(fetch_adapter(settings, catalog.hub, AdapterRef.parse(f"{REPO}:logs")))


def test_a_silent_hub_leaves_the_downloaded_folder(steps, settings, catalog):
    ref = AdapterRef.parse(f"{REPO}:checkpoint-20")
    finish(fetch_adapter(settings, catalog.hub, ref))
    steps.stop()
    assert catalog.inspect(ref).rank == CONFIG["r"] * 2
